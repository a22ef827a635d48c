import { sha256d } from "#base/crypto/sha256.ts";
import { readU32, writeU32 } from "#base/lib/bytes.ts";
import type { Network } from "#protocol/bitcoin/network.ts";
import { checkProofOfWork } from "#protocol/consensus/pow.ts";

/** Hashes between two turns for others: about ten milliseconds. */
const SLICE = 5_000;

/** How grinding ended: with proof of work, with all nonces tried, or with the tries used up. */
export type GrindResult = "found" | "nonces-exhausted" | "tries-exhausted";

/** Tries left for a whole call, counted down. */
export interface Tries {
  left: number;
}

/**
 * Counts up a block's nonce until its hash meets its target (Core: GenerateBlock). Changes the block's bytes.
 * @param stopped asked now and then; true ends it as if the tries were used up.
 */
export async function grind(
  block: Uint8Array,
  network: Network,
  tries: Tries,
  stopped: () => boolean,
): Promise<GrindResult> {
  const header = block.subarray(0, 80);
  const bits = readU32(header, 72);
  let nonce = readU32(header, 76);
  for (let sinceTurn = 0; ; sinceTurn++) {
    // Core asks for the tries before it looks at the nonce.
    if (tries.left <= 0) return "tries-exhausted";
    if (nonce === 0xffff_ffff) return "nonces-exhausted";
    if (checkProofOfWork(sha256d(header), bits, network.consensus)) return "found";
    nonce++;
    writeU32(header, 76, nonce);
    tries.left--;
    if (sinceTurn < SLICE) continue;
    sinceTurn = 0;
    await new Promise((resolve) => setImmediate(resolve));
    if (stopped()) return "tries-exhausted";
  }
}
