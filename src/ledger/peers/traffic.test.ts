import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLogger } from "#base/lib/logger.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { parseEndpoint, parseNetAddress } from "#protocol/wire/net-address.ts";
import { FeeFilterRounder } from "./fee-filter.ts";
import { LocalAddresses, LocalScore } from "./local-addresses.ts";
import { formatSubversion } from "./subversion.ts";
import { TimeHeap } from "./time-heap.ts";
import { TimeOffsets } from "./time-offsets.ts";
import { Traffic } from "./traffic.ts";

test("the upload target stops historical blocks early enough for new ones, and starts anew each day", () => {
  let now = 1_700_000_000_000;
  // Room for 144 blocks of 4 MB, and 100 MB more.
  const traffic = new Traffic(676_000_000, () => now);
  traffic.sent(1);
  assert.equal(traffic.targetReached(true), false);
  traffic.sent(100_000_000);
  assert.equal(traffic.targetReached(true), true);
  assert.equal(traffic.targetReached(false), false);
  // Late in the day fewer blocks are to come.
  now += 23 * 3600 * 1000;
  assert.equal(traffic.targetReached(true), false);
  traffic.sent(600_000_000);
  assert.equal(traffic.targetReached(false), true);
  assert.deepEqual(traffic.totals().uploadTarget, {
    timeframe: 86_400,
    target: 676_000_000,
    targetReached: true,
    serveHistoricalBlocks: false,
    bytesLeftInCycle: 0,
    timeLeftInCycle: 3600,
  });
  now += 3601 * 1000;
  traffic.sent(5);
  assert.equal(traffic.targetReached(true), false);
  assert.equal(traffic.totals().totalBytesSent, 700_000_006);
});

test("without a target nothing is limited", () => {
  const traffic = new Traffic(0, () => 1_700_000_000_000);
  traffic.sent(1e12);
  assert.equal(traffic.targetReached(false) || traffic.targetReached(true), false);
  assert.equal(traffic.totals().uploadTarget.timeLeftInCycle, 0);
});

test("fee filters are rounded to few steps, and the top one says: nothing", () => {
  const rounder = new FeeFilterRounder(100, new SeededRandom(1));
  const seen = new Set<number>();
  for (let i = 0; i < 200; i++) seen.add(rounder.round(1000));
  assert.equal(seen.size, 2);
  const [a, b] = [...seen].sort((x, y) => x - y);
  assert.ok(a! < 1000 && b! >= 1000 && b! / a! < 1.12, `${a} ${b}`);
  assert.equal(rounder.round(0), 0);
  assert.equal(rounder.round(21e14), rounder.highest);
});

test("our clock is doubted once five outbound peers say so", () => {
  const offsets = new TimeOffsets();
  for (const offset of [700, 800, 900, 1000]) offsets.add(offset);
  assert.equal(offsets.median, 0);
  assert.equal(offsets.warning, undefined);
  offsets.add(650);
  assert.equal(offsets.median, 800);
  assert.match(offsets.warning!, /more than 10 minutes out of sync/);
  for (let i = 0; i < 50; i++) offsets.add(1);
  assert.equal(offsets.warning, undefined);
});

test("the best local address is the one sure of, on the peer's own network", () => {
  const locals = new LocalAddresses({ discover: true }, { log: silentLogger });
  assert.equal(locals.add(parseEndpoint("10.0.0.1:8333", 0)!, LocalScore.MANUAL), false);
  assert.equal(locals.add(parseEndpoint("1.2.3.4:8333", 0)!, LocalScore.INTERFACE), true);
  assert.equal(locals.add(parseEndpoint("5.6.7.8:8334", 0)!, LocalScore.MANUAL), true);
  assert.equal(locals.add(parseEndpoint("[2600::1]:8335", 0)!, LocalScore.BIND), true);
  assert.equal(locals.bestFor(parseNetAddress("9.9.9.9")!)!.toString(), "5.6.7.8:8334");
  assert.equal(locals.bestFor(parseNetAddress("2600::2")!)!.toString(), "[2600::1]:8335");
  for (let i = 0; i < 5; i++) locals.seen(parseNetAddress("1.2.3.4")!);
  assert.equal(locals.bestFor(parseNetAddress("9.9.9.9")!)!.toString(), "1.2.3.4:8333");
  const onion = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion";
  assert.equal(locals.bestFor(parseNetAddress(onion)!), undefined);
  const told = new LocalAddresses({ discover: false }, { log: silentLogger });
  assert.equal(told.add(parseEndpoint("1.2.3.4:8333", 0)!, LocalScore.BIND), false);
});

test("the subversion holds comments in its last component", () => {
  assert.equal(formatSubversion("0.1.0", []), "/Satoshi:29.0.0/Freehold:0.1.0/");
  assert.equal(formatSubversion("0.1.0", ["a", "b"]), "/Satoshi:29.0.0/Freehold:0.1.0(a; b)/");
});

test("a time heap gives what is due in order, however it was filled and pruned", () => {
  const random = new SeededRandom(3);
  const heap = new TimeHeap<{ time: number; number: number }>();
  const all: { time: number; number: number }[] = [];
  for (let i = 0; i < 2000; i++) {
    const time = random.below(500);
    heap.add(time, (number) => {
      const value = { time, number };
      all.push(value);
      return value;
    });
  }
  heap.prune(({ number }) => number % 3 !== 0);
  const expected = all
    .filter(({ number, time }) => number % 3 !== 0 && time <= 400)
    .sort((a, b) => a.time - b.time || a.number - b.number);
  const taken: { time: number; number: number }[] = [];
  for (let value = heap.takeDue(400); value; value = heap.takeDue(400)) taken.push(value);
  assert.deepEqual(taken, expected);
  assert.equal(heap.size, all.filter(({ number, time }) => number % 3 !== 0 && time > 400).length);
});
