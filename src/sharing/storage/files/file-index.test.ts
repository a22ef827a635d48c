import assert from "node:assert/strict";
import { test } from "node:test";
import { toHex } from "#base/lib/bytes.ts";
import { systemClock } from "#base/lib/clock.ts";
import { silentLogger } from "#base/lib/logger.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { FaultWorld } from "#base/store/fault-world.ts";
import { FileError } from "../file-store.ts";
import type { SlabRecord } from "../renter/slab.ts";
import { FileIndex } from "./file-index.ts";
import type { LogEntry, ObjectEntry, SlabEntry } from "./log-entry.ts";
import type { LogState, MetadataLog } from "./metadata-log.ts";

const random = new SeededRandom(3);
const drawn = (bytes: number) => random.fill(new Uint8Array(bytes));
const idOf = () => toHex(drawn(16));

function slab(): SlabRecord {
  const shards = [{ root: drawn(32), host: "12D3KooWhost" }];
  return { id: idOf(), key: drawn(32), scheme: { needed: 1, total: 1 }, length: 1, shards };
}

/** An object in so many slabs. */
function object(key: string, slabs: number): ObjectEntry {
  const extents = Array.from({ length: slabs }, () => ({ slab: idOf(), offset: 0, length: 1 }));
  return {
    ...{ type: "object", bucket: "box", key, version: "null", size: slabs, etag: "", modified: 0 },
    content: { extents },
  };
}

/** An index whose log takes segments of so many packed bytes; `segments` are those it was given. */
async function indexOf(room: number) {
  const segments: (readonly LogEntry[])[] = [];
  let state: LogState = { chain: idOf(), number: 0, segments: 0, merged: {} };
  const first = Promise.withResolvers<void>();
  const log = {
    room,
    get state() {
      return state;
    },
    adopt(next: LogState) {
      state = next;
    },
    async append(_: number, entries: readonly LogEntry[]) {
      // Whoever comes meanwhile waits for the next.
      if (segments.push(entries) === 1) await first.promise;
      return { state: { ...state, segments: state.segments + 1 }, record: slab() };
    },
  };
  const index = new FileIndex(await new FaultWorld().openStore("/index"), {
    clock: systemClock,
    log: silentLogger,
  });
  index.open(log as unknown as MetadataLog, () => {});
  const write = (...entries: readonly LogEntry[]) => index.commit(async () => ({ entries, result: "done" }));
  return { index, segments, write, goOn: () => first.resolve() };
}

test("what one segment has no room for waits for the next, and what none has is refused by itself", async () => {
  const { index, segments, write, goOn } = await indexOf(20_000);
  const opening = write(object("opening", 1));
  // They come together: two fit into one segment, one does not beside them, one nowhere.
  const together = [
    write(object("a", 200)),
    write(object("b", 200)),
    write(object("c", 200)),
    write(object("huge", 20_000)),
    write(object("d", 10)),
  ];
  goOn();
  await opening;
  const outcomes = await Promise.allSettled(together);
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ["fulfilled", "fulfilled", "fulfilled", "rejected", "fulfilled"],
  );
  const [refused] = outcomes.flatMap((one) => (one.status === "rejected" ? [one.reason] : []));
  assert.ok(refused instanceof FileError && refused.code === "EntityTooLarge", String(refused));
  const keys = segments.map((entries) => entries.map((entry) => (entry as ObjectEntry).key).join());
  assert.deepEqual(keys.join().split(","), ["opening", "a", "b", "c", "d"]);
  assert.ok(keys.length > 2, "they took several segments");
  for (const key of ["a", "b", "c", "d"]) assert.ok(await index.view().newest("box", key), key);
  assert.equal(await index.view().newest("box", "huge"), undefined);
  await index.close();
});

test("thousands of moved slabs are told in several segments", async () => {
  const { index, segments, write, goOn } = await indexOf(Number.POSITIVE_INFINITY);
  goOn();
  const slabs = Array.from({ length: 2_500 }, (): SlabEntry => ({ type: "slab", record: slab() }));
  await write(...slabs);
  for (const { record } of slabs) await index.moved(record.id, new Map([[0, "12D3KooWother"]]));
  await index.tellMoves();
  const told = segments.slice(1);
  assert.ok(told.every((entries) => entries.length <= 1_000));
  const places = told.flat().map((entry) => (entry as SlabEntry).record.shards[0]!.host);
  assert.equal(places.length, 2_500);
  assert.deepEqual([...new Set(places)], ["12D3KooWother"]);
  await index.tellMoves();
  assert.equal(segments.length, 1 + told.length);
  await index.close();
});
