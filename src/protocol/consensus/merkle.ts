import { merkleRow } from "#base/crypto/sha256-batch.ts";
import { HASH_LENGTH } from "#protocol/bitcoin/hashes.ts";

/** The root of a Merkle tree, and whether its leaves end in a repeated sequence. */
export interface MerkleRoot {
  readonly root: Uint8Array;
  /** CVE-2012-2459: two equal hashes are paired, so a shorter list of leaves has the same root. */
  readonly mutated: boolean;
}

/**
 * Root over the first `count` hashes that stand end to end; zeros for none. Where a row is odd, its last hash
 * is paired with itself (Core: consensus/merkle.cpp).
 */
export function merkleRoot(hashes: Uint8Array, count: number): MerkleRoot {
  if (count === 0) return { root: new Uint8Array(HASH_LENGTH), mutated: false };
  let row = hashes;
  let length = count;
  let mutated = false;
  while (length > 1) {
    mutated ||= hasEqualPair(row, length);
    row = merkleRow(row, length);
    length = (length + 1) >> 1;
  }
  return { root: row.slice(0, HASH_LENGTH), mutated };
}

/** Whether two hashes that are paired are equal; an odd last one, paired with itself, does not count. */
function hasEqualPair(row: Uint8Array, length: number): boolean {
  for (let pair = 0; pair + 1 < length; pair += 2) {
    const at = pair * HASH_LENGTH;
    let i = 0;
    while (i < HASH_LENGTH && row[at + i] === row[at + HASH_LENGTH + i]) i++;
    if (i === HASH_LENGTH) return true;
  }
  return false;
}
