/** BIP141: the coinbase's commitment to all witnesses of its block. */
import { sha256d } from "#base/crypto/sha256.ts";
import { concatBytes, equalBytes } from "#base/lib/bytes.ts";
import type { BlockTable } from "#protocol/bitcoin/block-table.ts";
import { HASH_LENGTH } from "#protocol/bitcoin/hashes.ts";
import { OP_RETURN } from "#protocol/bitcoin/opcodes.ts";
import { readCompactSize, type TxTable } from "#protocol/bitcoin/tx-table.ts";
import type { TxHashes } from "#protocol/bitcoin/txid.ts";
import { merkleRoot } from "./merkle.ts";
import { type Rejection, reject } from "./rejection.ts";

/** What a commitment's script starts with: OP_RETURN, a push of 36 bytes, and the marker. */
const COMMITMENT_PREFIX = Uint8Array.of(OP_RETURN, 0x24, 0xaa, 0x21, 0xa9, 0xed);
/** Bytes that a commitment's script has at least. */
const MINIMUM_WITNESS_COMMITMENT = 38;

/** Index over the table of the coinbase's last commitment output, −1 where there is none. */
export function witnessCommitmentOutput(txs: TxTable): number {
  if (txs.txCount === 0) return -1;
  const first = txs.firstOutput(0);
  for (let output = first + txs.outputCount(0) - 1; output >= first; output--) {
    if (isCommitment(txs, output)) return output;
  }
  return -1;
}

function isCommitment(txs: TxTable, output: number): boolean {
  if (txs.outputScriptLength(output) < MINIMUM_WITNESS_COMMITMENT) return false;
  const at = txs.outputScriptStart(output);
  for (let i = 0; i < COMMITMENT_PREFIX.length; i++) {
    if (txs.bytes[at + i] !== COMMITMENT_PREFIX[i]) return false;
  }
  return true;
}

/** Merkle root over a block's wtxids, with zeros in the coinbase's place. */
export function witnessMerkleRoot(wtxids: Uint8Array, count: number): Uint8Array {
  const leaves = wtxids.slice(0, count * HASH_LENGTH);
  leaves.fill(0, 0, HASH_LENGTH);
  return merkleRoot(leaves, count).root;
}

/** What the commitment commits to: the witness root and the reserved value, hashed together. */
export function witnessCommitment(witnessRoot: Uint8Array, reserved: Uint8Array): Uint8Array {
  return sha256d(concatBytes(witnessRoot, reserved));
}

/** The script of an output that commits. */
export function witnessCommitmentScript(commitment: Uint8Array): Uint8Array {
  return concatBytes(COMMITMENT_PREFIX, commitment);
}

/**
 * Whether a block's witnesses are those that its coinbase commits to, and there are none where nothing commits
 * (Core: `CheckWitnessMalleation`).
 * @param expectCommitment segwit is active in this block.
 */
export function checkWitnessMalleation(
  block: BlockTable,
  hashes: TxHashes,
  expectCommitment: boolean,
): Rejection | undefined {
  const { txs } = block;
  const output = expectCommitment ? witnessCommitmentOutput(txs) : -1;
  if (output >= 0) return checkCommitment(txs, hashes, output);
  for (let tx = 0; tx < txs.txCount; tx++) {
    if (txs.hasWitness(tx)) {
      return reject(
        "mutated",
        "unexpected-witness",
        "CheckWitnessMalleation : unexpected witness data found",
      );
    }
  }
  return undefined;
}

function checkCommitment(txs: TxTable, hashes: TxHashes, output: number): Rejection | undefined {
  const reserved = reservedValue(txs);
  if (reserved === undefined) {
    const debug = "CheckWitnessMalleation : invalid witness reserved value size";
    return reject("mutated", "bad-witness-nonce-size", debug);
  }
  const expected = witnessCommitment(witnessMerkleRoot(hashes.wtxids, txs.txCount), reserved);
  const at = txs.outputScriptStart(output) + COMMITMENT_PREFIX.length;
  if (!equalBytes(expected, txs.bytes.subarray(at, at + HASH_LENGTH))) {
    const debug = "CheckWitnessMalleation : witness merkle commitment mismatch";
    return reject("mutated", "bad-witness-merkle-match", debug);
  }
  return undefined;
}

/** The coinbase's only witness item when it has 32 bytes. */
function reservedValue(txs: TxTable): Uint8Array | undefined {
  const start = txs.witnessStart(txs.firstInput(0));
  if (start < 0) return undefined;
  const cursor = { at: start };
  if (readCompactSize(txs.bytes, cursor) !== 1) return undefined;
  if (readCompactSize(txs.bytes, cursor) !== HASH_LENGTH) return undefined;
  return txs.bytes.subarray(cursor.at, cursor.at + HASH_LENGTH);
}
