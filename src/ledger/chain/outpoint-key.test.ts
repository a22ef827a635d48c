import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "#base/lib/random.ts";
import { OUTPOINT_WORDS, OutpointKey } from "./outpoint-key.ts";

/** The same hash in exact integers, with the factors that the key drew from its randomness. */
function reference(seed: number, outpoint: Uint8Array): number {
  const random = new SeededRandom(seed);
  const factors = Array.from({ length: 2 * OUTPOINT_WORDS + 1 }, () => BigInt(1 + random.below(0x7fff_fffe)));
  let sum = factors[18]!;
  for (let i = 0; i < 18; i++) sum += factors[i]! * BigInt(outpoint[2 * i]! | (outpoint[2 * i + 1]! << 8));
  let hash = Number(BigInt.asIntN(32, (sum >> 31n) + (sum & 0x7fff_ffffn)));
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
  return hash ^ (hash >>> 16);
}

test("the hash is exact in doubles, and the same whichever way the outpoint comes in", () => {
  const random = new SeededRandom(1);
  const extremes = [new Uint8Array(36), new Uint8Array(36).fill(255)];
  for (let seed = 0; seed < 500; seed++) {
    const outpoint = extremes[seed] ?? random.fill(new Uint8Array(36));
    const view = new DataView(outpoint.buffer, outpoint.byteOffset);
    const key = new OutpointKey(new SeededRandom(seed));
    key.load(view, 0);
    assert.equal(key.hash, reference(seed, outpoint));
    const { hash } = key;
    const words = new Int32Array(20);
    words.set(key.words, 5);
    key.load(new DataView(new ArrayBuffer(36)), 0);
    key.loadWords(words, 5);
    assert.equal(key.hash, hash);
    key.loadTxid(view, 0);
    key.setIndex(view.getUint32(32, true));
    assert.equal(key.hash, hash);
  }
});

test("outputs of one transaction spread over the table, as do those of many", () => {
  const key = new OutpointKey(new SeededRandom(3));
  const view = new DataView(new ArrayBuffer(36));
  for (const next of [(i: number) => key.setIndex(i), (i: number) => view.setUint32(0, i)]) {
    const heaps = new Int32Array(256);
    const hashes = new Set<number>();
    for (let i = 0; i < 100_000; i++) {
      key.loadTxid(view, 0);
      key.setIndex(0);
      next(i);
      heaps[key.hash >>> 24]!++;
      hashes.add(key.hash);
    }
    // About one collision is due among 100,000 hashes of 31 bits and more; 390 to a heap.
    assert.ok(hashes.size > 99_985, `${hashes.size}`);
    assert.ok(Math.min(...heaps) > 250 && Math.max(...heaps) < 550);
  }
});

test("another salt gives other hashes", () => {
  const view = new DataView(new ArrayBuffer(36));
  const hashes = new Set<number>();
  for (let seed = 0; seed < 100; seed++) {
    const key = new OutpointKey(new SeededRandom(seed));
    key.load(view, 0);
    hashes.add(key.hash);
  }
  assert.equal(hashes.size, 100);
});
