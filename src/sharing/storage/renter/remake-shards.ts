/** Lost shards made anew from any k of the others, a window of cells at a time, each held to its root at the end. */
import { merkleRoot } from "#base/crypto/merkle-tree.ts";
import { equalBytes } from "#base/lib/bytes.ts";
import { SlabGeometry } from "../codec/scheme.ts";
import { fetchCells, type ReadDependencies } from "./read-slab.ts";
import type { SlabRecord } from "./slab.ts";

const WINDOW = 8;

/**
 * The bytes of the shards `wanted`.
 * @throws SlabUnreadableError when fewer than k shards can be read, or what they give is not what was stored.
 */
export async function remakeShards(
  slab: SlabRecord,
  wanted: readonly number[],
  dependencies: ReadDependencies,
): Promise<Uint8Array[]> {
  const geometry = new SlabGeometry(slab.scheme, slab.length);
  const shards = wanted.map(() => new Uint8Array(geometry.shardLength));
  const leaves = wanted.map((): Uint8Array[] => []);
  let at = 0;
  for (let first = 0; first < geometry.stripes; first += WINDOW) {
    const count = Math.min(WINDOW, geometry.stripes - first);
    const runs = await fetchCells(slab, first, count, dependencies);
    let from = 0;
    for (let stripe = first; stripe < first + count; stripe++) {
      const length = geometry.cellLength(stripe);
      const cells = new Map([...runs].map(([i, run]) => [i, run.subarray(from, from + length)]));
      const remade = await dependencies.codec.remake(slab.scheme, cells, wanted);
      for (const [i, { cell, leafHashes }] of remade.entries()) {
        shards[i]!.set(cell, at);
        leaves[i]!.push(...leafHashes);
      }
      from += length;
      at += length;
    }
  }
  for (const [i, index] of wanted.entries()) {
    if (!equalBytes(merkleRoot(leaves[i]!), slab.shards[index]!.root)) {
      throw new Error(`shard ${index} of slab ${slab.id} was remade wrong`);
    }
  }
  return shards;
}
