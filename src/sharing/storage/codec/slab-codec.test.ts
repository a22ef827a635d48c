import assert from "node:assert/strict";
import { createDecipheriv } from "node:crypto";
import { test } from "node:test";
import { leafHashes, MerkleTree, merkleRoot } from "#base/crypto/merkle-tree.ts";
import { concatBytes } from "#base/lib/bytes.ts";
import { SeededRandom } from "#base/lib/random.ts";
import {
  CELL_BYTES,
  CELL_PLAINTEXT,
  cellCountOf,
  isScheme,
  LEAF_BYTES,
  type Scheme,
  SlabGeometry,
  slabCapacity,
} from "./scheme.ts";
import { auditLeaves, proveCells, verifyAudit, verifyCells } from "./shard-proof.ts";
import { type EncodedSlab, type EncodedStripe, SlabCodec } from "./slab-codec.ts";

const random = new SeededRandom(1);
const inline = new SlabCodec({ random: new SeededRandom(2), workers: 0 });

/** Cuts bytes into chunks of random sizes, some empty. */
function chunked(bytes: Uint8Array): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = random.below(4) === 0 ? 0 : random.below(200_000);
    chunks.push(bytes.subarray(at, at + size));
    at += size;
  }
  return chunks;
}

function cellOf(
  shards: readonly Uint8Array[],
  geometry: SlabGeometry,
  shard: number,
  stripe: number,
): Uint8Array {
  return shards[shard]!.subarray(stripe * CELL_BYTES, stripe * CELL_BYTES + geometry.cellLength(stripe));
}

/** A range of the slab from the given shards. */
async function readRange(
  codec: SlabCodec,
  slab: EncodedSlab,
  shards: readonly Uint8Array[],
  range: { offset: number; length: number; pick(stripe: number): readonly number[] },
): Promise<Uint8Array | undefined> {
  const geometry = new SlabGeometry(slab.scheme, slab.length);
  const parts: Uint8Array[] = [];
  for (const span of geometry.spans(range.offset, range.length)) {
    const from = range.pick(span.stripe);
    const cells = new Map(from.map((shard) => [shard, cellOf(shards, geometry, shard, span.stripe)]));
    const part = await codec.decode(slab, span, cells);
    if (part === undefined) return undefined;
    parts.push(part);
  }
  return concatBytes(...parts);
}

function anyShards(scheme: Scheme): number[] {
  const all = Array.from({ length: scheme.total }, (_, i) => i);
  while (all.length > scheme.needed) all.splice(random.below(all.length), 1);
  return all;
}

const SIZES: readonly (readonly [Scheme, number])[] = [
  [{ needed: 4, total: 12 }, 1],
  [{ needed: 4, total: 12 }, 5_000],
  [{ needed: 4, total: 12 }, 4 * CELL_PLAINTEXT - 1],
  [{ needed: 4, total: 12 }, 4 * CELL_PLAINTEXT],
  [{ needed: 4, total: 12 }, 4 * CELL_PLAINTEXT + 1],
  [{ needed: 4, total: 12 }, 3 * 4 * CELL_PLAINTEXT + 77_777],
  [{ needed: 10, total: 30 }, 1_500_000],
  [{ needed: 1, total: 1 }, 100_000],
  [{ needed: 1, total: 3 }, 70_000],
  [{ needed: 3, total: 3 }, 300_000],
  [{ needed: 20, total: 40 }, 1_400_000],
  [{ needed: 200, total: 255 }, 90_000],
];

test("what goes in comes out, from any k shards, at every range", async () => {
  for (const [scheme, length] of SIZES) {
    const plaintext = random.fill(new Uint8Array(length));
    const { slab, shards } = await inline.encodeWhole(scheme, chunked(plaintext));
    const geometry = new SlabGeometry(scheme, length);
    assert.equal(slab.shardLength, geometry.shardLength);
    assert.deepEqual(
      slab.roots,
      shards.map((shard) => merkleRoot(leafHashes(shard, LEAF_BYTES))),
    );
    const whole = { offset: 0, length, pick: () => anyShards(scheme) };
    assert.deepEqual(await readRange(inline, slab, shards, whole), plaintext);
    for (let trial = 0; trial < 12; trial++) {
      const offset = random.below(length);
      const range = { offset, length: 1 + random.below(length - offset), pick: () => anyShards(scheme) };
      const bytes = await readRange(inline, slab, shards, range);
      assert.deepEqual(bytes, plaintext.subarray(offset, offset + range.length));
    }
  }
});

test("the data cells alone give a range, without the others", async () => {
  const scheme = { needed: 4, total: 6 };
  const plaintext = random.fill(new Uint8Array(600_000));
  const { slab, shards } = await inline.encodeWhole(scheme, [plaintext]);
  const geometry = new SlabGeometry(scheme, plaintext.length);
  for (const span of geometry.spans(70_000, 100_000)) {
    assert.deepEqual([span.firstCell, span.lastCell], [1, 2]);
    const cells = new Map([1, 2].map((shard) => [shard, cellOf(shards, geometry, shard, span.stripe)]));
    const part = await inline.decode(slab, span, cells);
    assert.deepEqual(part, plaintext.subarray(70_000, 170_000));
    cells.delete(2);
    await assert.rejects(inline.decode(slab, span, cells), RangeError);
  }
});

test("threads make what the calling thread makes, stripe by stripe in order", async (t) => {
  const pooled = new SlabCodec({ random: new SeededRandom(7), workers: 2 });
  t.after(() => pooled.close());
  const same = new SlabCodec({ random: new SeededRandom(7), workers: 0 });
  const scheme = { needed: 4, total: 12 };
  const plaintext = random.fill(new Uint8Array(9 * 4 * CELL_PLAINTEXT + 1_234));
  const collect = async (codec: SlabCodec) => {
    const stripes: EncodedStripe[] = [];
    const slab = await codec.encode(scheme, chunked(plaintext), (stripe) => void stripes.push(stripe));
    return { slab, stripes };
  };
  const expected = await collect(same);
  const made = await collect(pooled);
  assert.deepEqual(made, expected);
  assert.deepEqual(
    made.stripes.map(({ stripe }) => stripe),
    [...Array(10).keys()],
  );
  const { slab, shards } = await pooled.encodeWhole(scheme, [plaintext]);
  const range = { offset: 5, length: plaintext.length - 5, pick: () => anyShards(scheme) };
  assert.deepEqual(await readRange(pooled, slab, shards, range), plaintext.subarray(5));
});

/** Bytes that tell how far they were read. */
class WatchedBytes extends Uint8Array<ArrayBuffer> {
  read = 0;

  constructor(length: number) {
    super(new ArrayBuffer(length));
  }

  override subarray(from: number, to?: number): Uint8Array<ArrayBuffer> {
    this.read = Math.max(this.read, Math.min(this.length, to ?? this.length));
    return new Uint8Array(this.buffer).subarray(from, to);
  }
}

test("the codec is at most a few stripes ahead of its taker, and survives one that fails", async (t) => {
  const pooled = new SlabCodec({ random, workers: 1 });
  t.after(() => pooled.close());
  const scheme = { needed: 2, total: 3 };
  const plaintext = new WatchedBytes(20 * 2 * CELL_PLAINTEXT);
  const behind: number[] = [];
  await pooled.encode(scheme, [plaintext], async ({ stripe }) => {
    await new Promise((resolve) => setImmediate(resolve));
    behind.push(plaintext.read / (2 * CELL_PLAINTEXT) - stripe);
  });
  assert.equal(behind.length, 20);
  assert.ok(Math.max(...behind) <= 2 && behind[0] === 2, `stripes ahead: ${behind}`);
  const failing = pooled.encode(scheme, [plaintext], ({ stripe }) => {
    if (stripe === 3) throw new Error("no more");
  });
  await assert.rejects(failing, /no more/);
  // The codec goes on with the next.
  await pooled.encode(scheme, [plaintext], () => {});
});

test("lost shards are remade without the key, with their roots", async () => {
  const scheme = { needed: 4, total: 12 };
  const plaintext = random.fill(new Uint8Array(700_001));
  const { slab, shards } = await inline.encodeWhole(scheme, [plaintext]);
  const geometry = new SlabGeometry(scheme, slab.length);
  const kept = anyShards(scheme);
  const lost = [0, 3, 5, 11];
  const cells = lost.map((): Uint8Array[] => []);
  const leaves = lost.map((): Uint8Array[] => []);
  for (let stripe = 0; stripe < geometry.stripes; stripe++) {
    const from = new Map(kept.map((shard) => [shard, cellOf(shards, geometry, shard, stripe)]));
    const made = await inline.remake(scheme, from, lost);
    for (const [i, { cell, leafHashes: hashes }] of made.entries()) {
      cells[i]!.push(cell);
      leaves[i]!.push(...hashes);
    }
  }
  for (const [i, shard] of lost.entries()) {
    assert.deepEqual(concatBytes(...cells[i]!), shards[shard]);
    assert.deepEqual(merkleRoot(leaves[i]!), slab.roots[shard]);
  }
});

test("a cell changed, moved, or of another slab is not opened", async () => {
  const scheme = { needed: 2, total: 4 };
  const plaintext = random.fill(new Uint8Array(3 * 2 * CELL_PLAINTEXT));
  const { slab, shards } = await inline.encodeWhole(scheme, [plaintext]);
  const geometry = new SlabGeometry(scheme, slab.length);
  const [span] = geometry.spans(0, 10);
  const cell = (shard: number, stripe: number) => cellOf(shards, geometry, shard, stripe);
  const open = (key: EncodedSlab, cells: ReadonlyMap<number, Uint8Array>, at = span!) =>
    inline.decode(key, at, cells);
  assert.deepEqual(await open(slab, new Map([[0, cell(0, 0)]])), plaintext.subarray(0, 10));
  const bent = cell(0, 0).slice();
  bent[random.below(bent.length)]! ^= 1;
  assert.equal(await open(slab, new Map([[0, bent]])), undefined);
  assert.equal(await open(slab, new Map([[0, cell(1, 0)]])), undefined);
  assert.equal(await open(slab, new Map([[0, cell(0, 1)]])), undefined);
  assert.equal(await open({ ...slab, key: new Uint8Array(32) }, new Map([[0, cell(0, 0)]])), undefined);
  // A record that names a shorter slab of the same number of cells: the end is authenticated.
  const end = geometry.spans(slab.length - 1, 1)[0]!;
  const last = new Map([0, 1].map((shard) => [shard, cell(shard, 2)]));
  assert.deepEqual(await open(slab, last, end), plaintext.subarray(slab.length - 1));
  const cut = { ...slab, length: slab.length - 1 };
  assert.equal(
    await open(cut, last, new SlabGeometry(scheme, cut.length).spans(cut.length - 1, 1)[0]!),
    undefined,
  );
  const two = { ...slab, length: 2 * 2 * CELL_PLAINTEXT };
  const middle = new Map([0, 1].map((shard) => [shard, cell(shard, 1)]));
  const endOfTwo = new SlabGeometry(scheme, two.length).spans(two.length - 1, 1)[0]!;
  assert.equal(await open(two, middle, endOfTwo), undefined);
});

test("cells are sealed as STREAM does: nonce of counter and end", async () => {
  const scheme = { needed: 2, total: 2 };
  const plaintext = random.fill(new Uint8Array(2 * CELL_PLAINTEXT + 11));
  const { slab, shards } = await inline.encodeWhole(scheme, [plaintext]);
  const open = (sealed: Uint8Array, nonce: string, associated?: string): Uint8Array => {
    const decipher = createDecipheriv("chacha20-poly1305", slab.key, Buffer.from(nonce, "hex"), {
      authTagLength: 16,
    });
    const length = sealed.length - 16;
    if (associated !== undefined)
      decipher.setAAD(Buffer.from(associated, "hex"), { plaintextLength: length });
    decipher.setAuthTag(sealed.subarray(length));
    const opened = decipher.update(sealed.subarray(0, length));
    decipher.final();
    return new Uint8Array(opened);
  };
  const geometry = new SlabGeometry(scheme, plaintext.length);
  const cell = (shard: number, stripe: number) => cellOf(shards, geometry, shard, stripe);
  assert.deepEqual(
    open(cell(0, 0), "00000000000000" + "00000000" + "00"),
    plaintext.subarray(0, CELL_PLAINTEXT),
  );
  open(cell(1, 0), "00000000000000" + "00000001" + "00");
  open(cell(0, 1), "00000000000000" + "00000002" + "00");
  const length = plaintext.length.toString(16).padStart(16, "0");
  const end = open(cell(1, 1), "00000000000000" + "00000003" + "01", length);
  assert.deepEqual(end, concatBytes(plaintext.subarray(-5), new Uint8Array(1)));
});

test("every slab has a key of its own", async () => {
  const plaintext = new Uint8Array(100);
  const first = await inline.encodeWhole({ needed: 1, total: 2 }, [plaintext]);
  const second = await inline.encodeWhole({ needed: 1, total: 2 }, [plaintext]);
  assert.notDeepEqual(first.slab.key, second.slab.key);
  const roots = [...first.slab.roots, ...second.slab.roots].map((root) => root.join());
  assert.equal(new Set(roots).size, 4, "every shard is unique, even copies of one cell");
});

test("geometry: capacity, spans that meet, and what is no slab", () => {
  for (const [scheme, length] of SIZES) {
    const geometry = new SlabGeometry(scheme, length);
    let at = 0;
    for (const span of geometry.spans(0, length)) {
      assert.equal(
        geometry.stripeStart(span.stripe) + span.firstCell * geometry.cellPlaintext(span.stripe),
        at,
      );
      at += span.length;
      assert.ok(span.lastCell < scheme.needed);
    }
    assert.equal(at, length);
    assert.equal(cellCountOf(geometry.shardLength), geometry.stripes);
  }
  const full = new SlabGeometry({ needed: 10, total: 30 }, slabCapacity({ needed: 10, total: 30 }));
  assert.equal(full.shardLength, 4 * 1024 * 1024);
  assert.equal(full.leafCount, 256);
  assert.deepEqual(full.spans(0, 0), []);
  assert.throws(() => full.spans(1, full.length), RangeError);
  assert.throws(() => new SlabGeometry({ needed: 10, total: 30 }, full.length + 1), RangeError);
  assert.throws(() => new SlabGeometry({ needed: 10, total: 30 }, 0), RangeError);
  assert.throws(() => new SlabGeometry({ needed: 10, total: 9 }, 1), RangeError);
  for (const [needed, total] of [
    [0, 1],
    [2, 1],
    [1, 256],
    [1.5, 3],
    [Number.NaN, 3],
  ] as const) {
    assert.ok(!isScheme({ needed, total }));
  }
});

test("proofs of cells and of audited leaves, and what they refuse", async () => {
  const bytes = random.fill(new Uint8Array(3 * CELL_BYTES + 20_000));
  const tree = new MerkleTree(leafHashes(bytes, LEAF_BYTES));
  const shard = { root: tree.root, length: bytes.length };
  for (const [first, count] of [
    [0, 1],
    [1, 2],
    [3, 1],
    [0, 4],
  ] as const) {
    const proof = proveCells(tree, bytes.length, first, count);
    const cells = bytes.subarray(first * CELL_BYTES, (first + count) * CELL_BYTES);
    assert.ok(verifyCells(shard, { first, count }, cells, proof));
    const bent = cells.slice();
    bent[random.below(bent.length)]! ^= 4;
    assert.ok(!verifyCells(shard, { first, count }, bent, proof));
    assert.ok(!verifyCells(shard, { first, count }, cells.subarray(1), proof));
    assert.ok(!verifyCells(shard, { first, count }, cells, concatBytes(proof, shard.root)));
    assert.ok(!verifyCells({ ...shard, root: new Uint8Array(32) }, { first, count }, cells, proof));
    assert.ok(!verifyCells(shard, { first: first + 1, count }, cells, proof));
  }
  assert.ok(!verifyCells(shard, { first: 4, count: 1 }, bytes, new Uint8Array(0)));
  assert.ok(!verifyCells(shard, { first: 0, count: 0 }, new Uint8Array(0), new Uint8Array(0)));
  const seen = new Set<number>();
  for (let trial = 0; trial < 60; trial++) {
    const challenge = random.fill(new Uint8Array(32));
    const indices = auditLeaves(challenge, shard.root, shard.length, 4);
    assert.equal(indices.length, 4);
    for (const index of indices) seen.add(index);
    const leaves = indices.map((i) => bytes.subarray(i * LEAF_BYTES, (i + 1) * LEAF_BYTES));
    const answer = { leaves, proof: tree.multiProof(indices) };
    assert.ok(verifyAudit(shard, challenge, 4, answer));
    const other = random.fill(new Uint8Array(32));
    const same = auditLeaves(other, shard.root, shard.length, 4).join() === indices.join();
    assert.equal(verifyAudit(shard, other, 4, answer), same);
    assert.ok(!verifyAudit(shard, challenge, 4, { ...answer, leaves: leaves.slice(1) }));
    assert.ok(!verifyAudit(shard, challenge, 5, answer));
  }
  assert.equal(seen.size, tree.leafCount, "every leaf is asked for some time");
  assert.equal(auditLeaves(new Uint8Array(32), shard.root, shard.length, 99).length, tree.leafCount);
});

test("a codec that is closed under a taker fails the slab, and nothing beside it", async () => {
  const pooled = new SlabCodec({ random, workers: 1 });
  const plaintext = random.fill(new Uint8Array(20 * 2 * CELL_PLAINTEXT));
  // Stripes are ahead and nobody waits for them while the taker is busy: an unhandled rejection fails this test.
  const encoding = pooled.encode({ needed: 2, total: 3 }, [plaintext], async () => {
    await pooled.close();
    await new Promise((resolve) => setImmediate(resolve));
  });
  await assert.rejects(encoding);
});
