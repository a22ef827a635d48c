import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "#base/lib/random.ts";
import { CoinArena, FREE } from "./coin-arena.ts";
import { CoinTable } from "./coin-table.ts";
import { OutpointKey } from "./outpoint-key.ts";

/** A key whose hash the test chooses, for an outpoint told apart by its index. */
function keyWith(key: OutpointKey, index: number, hash: number): OutpointKey {
  key.words.fill(0);
  key.words[8] = index;
  key.hash = hash;
  return key;
}

test("entries are found through collisions, removals, the end of the table, and growth", () => {
  const random = new SeededRandom(2);
  for (let round = 0; round < 30; round++) {
    const table = new CoinTable();
    const arena = new CoinArena(1000);
    const key = new OutpointKey(random);
    const present = new Map<number, { hash: number; slot: number }>();
    // Few hashes, at both ends of the table, so that runs are long and wrap around.
    const hashes = Array.from({ length: 1 + random.below(40) }, () =>
      random.below(2) === 0 ? -1 - random.below(1 << 24) : random.below(1 << 24),
    );
    const steps = round < 25 ? 2_000 : 20_000;
    for (let step = 0; step < steps; step++) {
      const index = random.below(round < 25 ? 400 : 4_000);
      const known = present.get(index);
      const hash = known?.hash ?? hashes[random.below(hashes.length)]! + (round < 25 ? 0 : index * 1_000_003);
      keyWith(key, index, hash | 0);
      const place = table.find(key, arena);
      if (known === undefined) {
        assert.equal(place, -1);
        const slot = arena.allocate(0);
        arena.setHead(slot, key, 0, 0, index);
        table.insert(key.hash, slot);
        present.set(index, { hash: key.hash, slot });
      } else {
        assert.equal(table.slotAt(place), known.slot);
        assert.equal(table.placeOf(known.hash, known.slot), place);
        if (random.below(2) === 0) {
          table.remove(place);
          arena.release(known.slot);
          present.delete(index);
        }
      }
      assert.equal(table.count, present.size);
    }
    if (round === 29) {
      for (const [index, { hash, slot }] of [...present].slice(50)) {
        table.remove(table.placeOf(hash, slot));
        present.delete(index);
      }
      const before = table.byteLength;
      table.shrink();
      assert.ok(table.byteLength < before);
    }
    for (const [index, { hash, slot }] of present) {
      assert.equal(table.slotAt(table.find(keyWith(key, index, hash), arena)), slot);
    }
    assert.throws(() => table.placeOf(12_345, 999_999), /not in its table/);
  }
});

test("freed records are used again for scripts of the same size in words, and told apart while walking", () => {
  const arena = new CoinArena(0);
  const slots = [0, 1, 4, 25, 26, 300, 10_000].map((length) => arena.allocate(length));
  const high = arena.high;
  arena.release(slots[3]!);
  arena.release(slots[4]!);
  assert.equal(arena.flags(slots[3]!), FREE);
  assert.equal(arena.size(slots[3]!), arena.size(slots[4]!));
  // The one freed last comes first; 27 bytes take as many words as 25.
  assert.equal(arena.allocate(27), slots[4]);
  assert.equal(arena.allocate(28), slots[3]);
  assert.equal(arena.allocate(25), high);
  assert.equal(arena.scriptLength(slots[4]!), 27);
  // Large ones are not kept by size; compacting gets their room back.
  arena.release(slots[6]!);
  assert.ok(arena.allocate(10_000) > high);
  let walked = 0;
  for (let slot = 1; slot < arena.high; slot += arena.size(slot)) walked++;
  assert.equal(walked, 9);
});

test("growing keeps what the records hold", () => {
  const arena = new CoinArena(0);
  const key = new OutpointKey(new SeededRandom(1));
  const view = new DataView(new SeededRandom(2).fill(new Uint8Array(64)).buffer as ArrayBuffer);
  const slots: number[] = [];
  for (let i = 0; i < 5_000; i++) {
    key.load(view, i % 20);
    const slot = arena.allocate(30);
    arena.setHead(slot, key, i, 1, 2 * i);
    arena.setScript(slot, view, i % 30);
    slots.push(slot);
  }
  slots.forEach((slot, i) => {
    key.load(view, i % 20);
    assert.ok(arena.matches(slot, key));
    assert.equal(arena.amount(slot), 2 ** 32 + i);
    assert.equal(arena.origin(slot), 2 * i);
    const start = arena.scriptStart(slot);
    assert.deepEqual(
      [...arena.bytes.subarray(start, start + 30)],
      [...new Uint8Array(view.buffer, i % 30, 30)],
    );
  });
});
