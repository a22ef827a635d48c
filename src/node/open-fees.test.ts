import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "#base/lib/clock.ts";
import { silentLogger } from "#base/lib/logger.ts";
import { FaultWorld } from "#base/store/fault-world.ts";
import { decodeEstimates } from "#ledger/mempool/fee-estimates-file.ts";
import type { MempoolEntry } from "#ledger/mempool/mempool-entry.ts";
import { openFees, tellsOfFees } from "./open-fees.ts";

const PATH = "/fee-estimates.dat";
const HOUR = 3600;
const NOW = 1_800_000_000;

/** What is awaited comes without the clock. */
async function soon(condition: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 1000; i++) {
    if (await condition()) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.fail("it never came to pass");
}

test("what was learnt is written each hour, and at the end", async () => {
  const { files } = new FaultWorld();
  const clock = new ManualClock(NOW * 1000);
  const stack = new AsyncDisposableStack();
  const fees = await openFees(PATH, { files, clock, log: silentLogger, stack });
  const writtenAt = async () => {
    const there = await files.stat(PATH);
    return there === undefined ? undefined : decodeEstimates(await files.readFile(PATH)).time;
  };
  assert.equal(await writtenAt(), undefined);
  for (let hour = 1; hour <= 3; hour++) {
    clock.advance(HOUR * 1000);
    await soon(async () => (await writtenAt()) === NOW + hour * HOUR && clock.next !== undefined);
  }
  fees.blockConnected(7, []);
  clock.advance(60_000);
  await stack.disposeAsync();
  assert.equal(await writtenAt(), NOW + 3 * HOUR + 60);
  assert.equal(decodeEstimates(await files.readFile(PATH)).estimator.kept().best, 7);
  assert.equal(clock.next, undefined, "nothing waits any more");
});

test("only what came by itself, hangs on nothing, and came at the tip tells of fees", () => {
  const tells = (change: {
    sequence?: number;
    parents?: number;
    downloading?: boolean;
    age?: number;
    behind?: number;
  }) => {
    const { sequence = 5, parents = 0, downloading = false, age = 0, behind = 0 } = change;
    const chain = {
      isInitialBlockDownload: () => downloading,
      tip: { time: NOW - age, height: 100 },
      headers: { best: { height: 100 + behind } },
    };
    const mempool = { parents: () => new Array(parents) };
    return tellsOfFees({ sequence } as MempoolEntry, chain as never, mempool as never, NOW);
  };
  assert.equal(tells({}), true);
  assert.equal(tells({ age: 3 * HOUR, behind: 1 }), true);
  assert.equal(tells({ sequence: 0 }), false, "brought back by a reorganisation");
  assert.equal(tells({ parents: 1 }), false);
  assert.equal(tells({ downloading: true }), false);
  assert.equal(tells({ age: 3 * HOUR + 1 }), false);
  assert.equal(tells({ behind: 2 }), false);
});
