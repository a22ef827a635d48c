/** How a content is named: the Merkle tree over its chunks, with its length bound in. */
import { leafHash, merkleRoot } from "#base/crypto/merkle-tree.ts";
import { sha256 } from "#base/crypto/sha256.ts";
import { concatBytes, toHex, writeBigU64 } from "#base/lib/bytes.ts";
import type { ContentId } from "./content.ts";

/** Bytes of a chunk; the last one is shorter where the length does not come out even. */
export const CHUNK_BYTES = 256 * 1024;
/** Longest content that goes between peers, bytes. */
export const MAX_CONTENT = 256 * 1024 * 1024;
export const HASH_BYTES = 32;

const DOMAIN = new TextEncoder().encode("freehold/content/1");

export interface ChunkList {
  readonly length: number;
  /** Leaf hash of each chunk, one after the other. */
  readonly leaves: Uint8Array;
}

export function chunkCount(length: number): number {
  return Math.ceil(length / CHUNK_BYTES);
}

/** Bytes of the chunk at `index`. */
export function chunkLength(length: number, index: number): number {
  return Math.min(CHUNK_BYTES, length - index * CHUNK_BYTES);
}

/** `SHA-256("freehold/content/1" ‖ length as u64 LE ‖ Merkle root)`; the root of no chunks is 32 zero bytes. */
export function contentIdOf({ length, leaves }: ChunkList): ContentId {
  const size = new Uint8Array(8);
  writeBigU64(size, 0, BigInt(length));
  const hashes: Uint8Array[] = [];
  for (let at = 0; at < leaves.length; at += HASH_BYTES) hashes.push(leaves.subarray(at, at + HASH_BYTES));
  const root = hashes.length === 0 ? new Uint8Array(HASH_BYTES) : merkleRoot(hashes);
  return toHex(sha256(concatBytes(DOMAIN, size, root)));
}

/** Whether a list that a peer sent is that of the content. */
export function isListOf(id: ContentId, list: ChunkList): boolean {
  return list.leaves.length === HASH_BYTES * chunkCount(list.length) && contentIdOf(list) === id;
}

/** Cuts bytes that come in pieces of any length into chunks. */
export async function* chunksOf(bytes: Uint8Array | AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const chunk = new Uint8Array(CHUNK_BYTES);
  let filled = 0;
  for await (const piece of bytes instanceof Uint8Array ? [bytes] : bytes) {
    for (let at = 0; at < piece.length; ) {
      const taken = Math.min(CHUNK_BYTES - filled, piece.length - at);
      chunk.set(piece.subarray(at, at + taken), filled);
      filled += taken;
      at += taken;
      if (filled < CHUNK_BYTES) continue;
      yield chunk;
      filled = 0;
    }
  }
  if (filled > 0) yield chunk.subarray(0, filled);
}

export function leafOf(chunk: Uint8Array): Uint8Array {
  return leafHash(chunk);
}
