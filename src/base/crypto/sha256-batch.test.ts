import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";
import { Worker } from "node:worker_threads";
import { toHex } from "#base/lib/bytes.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { sha256, sha256d } from "./sha256.ts";
import { merkleRow, Sha256Batch } from "./sha256-batch.ts";

function openssl(parts: readonly Uint8Array[], rounds: 1 | 2): string {
  const once = createHash("sha256").update(Buffer.concat(parts)).digest();
  return rounds === 1 ? once.toString("hex") : createHash("sha256").update(once).digest("hex");
}

function at(digests: Uint8Array, index: number): string {
  return toHex(digests.subarray(32 * index, 32 * index + 32));
}

/** Adds a random message to the batch; returns its parts. */
function randomMessage(batch: Sha256Batch, arena: Uint8Array, random: SeededRandom): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (let pieces = random.below(6); pieces > 0; pieces--) {
    const kind = random.below(10);
    if (kind === 0) {
      const literal = random.fill(new Uint8Array(random.below(60)));
      batch.literal(literal);
      parts.push(literal);
    } else if (kind === 1) {
      const value = random.below(0x1_0000_0000);
      batch.u32(value);
      parts.push(new Uint8Array(Uint32Array.of(value).buffer));
    } else {
      const offset = random.below(arena.length + 1);
      // Mostly small; some of many blocks; a few so long that they leave the kernel.
      const most = random.below(50) === 0 ? 40_000 : random.below(2) === 0 ? 40 : 600;
      const length = Math.min(arena.length - offset, random.below(most));
      batch.piece(offset, length);
      parts.push(arena.subarray(offset, offset + length));
    }
  }
  batch.end();
  return parts;
}

describe("Sha256Batch", () => {
  test("equals OpenSSL on random messages of every shape", () => {
    const random = new SeededRandom(5);
    const batch = new Sha256Batch();
    let messages = 0;
    for (let round = 0; round < 60; round++) {
      const arena = random.fill(new Uint8Array(random.below(150_000)));
      const rounds = (1 + (round & 1)) as 1 | 2;
      batch.load(arena);
      const expected: string[] = [];
      for (let count = random.below(200); count > 0; count--) {
        const index = batch.count;
        expected.push(openssl(randomMessage(batch, arena, random), rounds));
        assert.equal(batch.count, index + 1);
      }
      const digests = batch.digest(rounds);
      assert.equal(digests.length, 32 * expected.length);
      for (const [i, digest] of expected.entries()) assert.equal(at(digests, i), digest, `${round}/${i}`);
      messages += expected.length;
    }
    assert.ok(messages > 3_000);
  });

  test("equals OpenSSL for every length, alone and among others of near lengths", () => {
    const bytes = new SeededRandom(6).fill(new Uint8Array(5_000));
    const batch = new Sha256Batch();
    batch.load(bytes);
    for (let length = 0; length < 700; length++) {
      batch.piece(length, length);
      batch.end();
    }
    for (const length of [4078, 4079, 4080, 4087, 4088, 4089, 5000]) {
      batch.piece(0, length);
      batch.end();
    }
    const digests = batch.digest(2);
    for (let length = 0; length < 700; length++) {
      assert.equal(at(digests, length), openssl([bytes.subarray(length, 2 * length)], 2), `${length}`);
    }
    for (const [i, length] of [4078, 4079, 4080, 4087, 4088, 4089, 5000].entries()) {
      assert.equal(at(digests, 700 + i), openssl([bytes.subarray(0, length)], 2), `${length}`);
    }
  });

  test("takes many messages of one shape as one array", () => {
    const bytes = new SeededRandom(7).fill(new Uint8Array(100_000));
    const batch = new Sha256Batch();
    batch.load(bytes);
    batch.literal(Uint8Array.of(1, 2, 3));
    batch.end();
    const pieces = new Int32Array(6 * 500);
    for (let i = 0; i < 500; i++) pieces.set([i, 4, 7 * i, i & 63, 9 * i, 4], 6 * i);
    assert.equal(batch.addMessages(pieces, 3), 1);
    const last = batch.end();
    const digests = batch.digest(2);
    assert.equal(at(digests, 0), openssl([Uint8Array.of(1, 2, 3)], 2));
    for (let i = 0; i < 500; i++) {
      const parts = [[i, 4] as const, [7 * i, i & 63] as const, [9 * i, 4] as const];
      const message = parts.map(([offset, length]) => bytes.subarray(offset, offset + length));
      assert.equal(at(digests, 1 + i), openssl(message, 2));
    }
    assert.equal(at(digests, last), openssl([], 2));
    assert.throws(() => batch.addMessages(new Int32Array(5), 1), RangeError);
  });

  test("digests that are kept can be pieces of the next messages", () => {
    const batch = new Sha256Batch();
    batch.load(Uint8Array.of(1, 2, 3, 4));
    for (let i = 0; i < 4; i++) {
      batch.piece(i, 1);
      batch.end();
    }
    const first = batch.keep(1);
    for (let i = 0; i < 2; i++) {
      batch.piece(first + 64 * i, 64);
      batch.end();
    }
    const digests = batch.digest(2);
    const leaves = [1, 2, 3, 4].map((value) => sha256(Uint8Array.of(value)));
    assert.equal(at(digests, 0), openssl(leaves.slice(0, 2), 2));
    assert.equal(at(digests, 1), openssl(leaves.slice(2), 2));
    assert.equal(batch.length, first + 128);
    batch.rewind(first);
    assert.equal(batch.append(Uint8Array.of(9)), first);
    assert.throws(() => batch.rewind(first + 2), RangeError);
  });

  test("memory grows for a block of 4 MB, and old digests stay right", () => {
    const random = new SeededRandom(8);
    const batch = new Sha256Batch();
    const small = random.fill(new Uint8Array(100));
    batch.load(small);
    batch.piece(0, 100);
    batch.end();
    const before = batch.digest(2);
    const large = random.fill(new Uint8Array(4_000_000));
    batch.load(large);
    for (let i = 0; i < 10_000; i++) {
      batch.piece(400 * i, 399);
      batch.end();
    }
    batch.piece(0, large.length);
    batch.end();
    const digests = batch.digest(2);
    assert.equal(at(before, 0), openssl([small], 2));
    for (let i = 0; i < 10_000; i += 777) {
      assert.equal(at(digests, i), openssl([large.subarray(400 * i, 400 * i + 399)], 2));
    }
    assert.equal(at(digests, 10_000), openssl([large], 2));
  });

  test("a piece outside the arena, or a message left open, is refused; the batch works on", () => {
    const batch = new Sha256Batch();
    const outside: readonly (readonly [number, number])[] = [
      [0, 11],
      [10, 1],
      [-1, 1],
      [0, -1],
      [0x7fff_ffff, 0x7fff_ffff],
    ];
    for (const [offset, length] of outside) {
      batch.load(new Uint8Array(10));
      batch.piece(offset, length);
      batch.end();
      assert.throws(() => batch.digest(1), RangeError, `${offset} ${length}`);
    }
    batch.load(new Uint8Array(10));
    batch.piece(0, 10);
    assert.throws(() => batch.digest(1), RangeError);
    batch.end();
    assert.equal(at(batch.digest(1), 0), openssl([new Uint8Array(10)], 1));
    assert.equal(batch.digest(1).length, 0);
  });

  test("each thread has its own", async () => {
    const source = `
      import { parentPort } from "node:worker_threads";
      const { Sha256Batch } = await import(${JSON.stringify(new URL("./sha256-batch.ts", import.meta.url).href)});
      const batch = new Sha256Batch();
      batch.load(new Uint8Array(1000).fill(7));
      for (let i = 0; i < 1000; i++) { batch.piece(0, i); batch.end(); }
      parentPort.postMessage(batch.digest(2));
    `;
    const url = new URL(`data:text/javascript,${encodeURIComponent(source)}`);
    const workers = [0, 1].map(() => new Worker(url));
    const results = await Promise.all(
      workers.map(
        (worker) =>
          new Promise<Uint8Array>((resolve, reject) => {
            worker.once("message", resolve);
            worker.once("error", reject);
          }),
      ),
    );
    for (const digests of results) {
      for (let i = 0; i < 1000; i += 37)
        assert.equal(at(digests, i), openssl([new Uint8Array(i).fill(7)], 2));
    }
  });
});

describe("merkleRow", () => {
  test("pairs neighbours, and an odd last one with itself", () => {
    const random = new SeededRandom(9);
    for (const count of [1, 2, 3, 4, 5, 6, 7, 8, 9, 31, 32, 33, 1000, 4001]) {
      const digests = random.fill(new Uint8Array(32 * count));
      const row = merkleRow(digests, count);
      assert.equal(row.length, 32 * ((count + 1) >> 1));
      for (let pair = 0; 2 * pair < count; pair++) {
        const left = digests.subarray(64 * pair, 64 * pair + 32);
        const right = 2 * pair + 1 < count ? digests.subarray(64 * pair + 32, 64 * pair + 64) : left;
        assert.equal(at(row, pair), openssl([left, right], 2), `${pair} of ${count}`);
      }
    }
  });

  test("leaves its input alone and takes only the count", () => {
    const digests = new Uint8Array(96).fill(1);
    assert.equal(toHex(merkleRow(digests, 1)), toHex(sha256d(new Uint8Array(64).fill(1))));
    assert.ok(digests.every((byte) => byte === 1));
  });
});
