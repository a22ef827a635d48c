/**
 * What must hold for a header and a block before its coins are looked at (Core: validation.cpp). The order of
 * the checks decides the reason given, and whether a block is called invalid or merely mutated.
 */
import { toHexReversed } from "#base/lib/bytes.ts";
import {
  type BlockTable,
  blockWeight,
  type HeaderFields,
  strippedBlockSize,
} from "#protocol/bitcoin/block-table.ts";
import type { Network } from "#protocol/bitcoin/network.ts";
import { pushNumber } from "#protocol/bitcoin/script.ts";
import { blockHash, type TxHashes, txidAt } from "#protocol/bitcoin/txid.ts";
import { checkTransaction } from "./check-transaction.ts";
import { isActiveAfter } from "./deployments.ts";
import type { HeaderContext } from "./header-context.ts";
import {
  MAX_BLOCK_SIGOPS_COST,
  MAX_BLOCK_WEIGHT,
  MAX_FUTURE_BLOCK_TIME,
  MAX_TIMEWARP,
  WITNESS_SCALE_FACTOR,
} from "./limits.ts";
import { merkleRoot } from "./merkle.ts";
import { checkProofOfWork, nextWorkRequired, retargetInterval } from "./pow.ts";
import { type Rejection, reject } from "./rejection.ts";
import { checkSignetSolution } from "./signet.ts";
import { legacySigOps } from "./sigops.ts";
import { isFinalTx } from "./tx-inputs.ts";
import { checkWitnessMalleation } from "./witness-commitment.ts";

/** Whether a header's hash meets the target that it claims (Core: `CheckBlockHeader`). */
export function checkHeaderPow(hash: Uint8Array, bits: number, network: Network): Rejection | undefined {
  if (checkProofOfWork(hash, bits, network.consensus)) return undefined;
  return reject("invalid-header", "high-hash", "proof of work failed");
}

/**
 * What a header must hold to as the one after `prev` (Core: `ContextualCheckBlockHeader`).
 * @param now our time in whole seconds.
 */
export function contextualCheckHeader(
  header: HeaderFields,
  prev: HeaderContext,
  network: Network,
  now: number,
): Rejection | undefined {
  if (header.bits !== nextWorkRequired(prev, header.time, network)) {
    return reject("invalid-header", "bad-diffbits", "incorrect proof of work");
  }
  if (header.time <= prev.medianTimePast()) {
    return reject("invalid-header", "time-too-old", "block's timestamp is too early");
  }
  if (isTimewarp(header, prev, network)) {
    const debug = "block's timestamp is too early on diff adjustment block";
    return reject("invalid-header", "time-timewarp-attack", debug);
  }
  if (header.time > now + MAX_FUTURE_BLOCK_TIME) {
    return reject("time-future", "time-too-new", "block timestamp too far in the future");
  }
  if (isOutdated(header.version, prev, network)) {
    const version = `0x${(header.version >>> 0).toString(16).padStart(8, "0")}`;
    return reject("invalid-header", `bad-version(${version})`, `rejected nVersion=${version} block`);
  }
  return undefined;
}

/** BIP94: the first block of a period that steps far back in time. */
function isTimewarp(header: HeaderFields, prev: HeaderContext, network: Network): boolean {
  const rules = network.consensus;
  if (!rules.enforceBip94 || (prev.height + 1) % retargetInterval(rules) !== 0) return false;
  return header.time < prev.time - MAX_TIMEWARP;
}

/** BIP34, BIP66 and BIP65 each outlawed the block version before them. */
function isOutdated(version: number, prev: HeaderContext, network: Network): boolean {
  return (
    (version < 2 && isActiveAfter(network, prev, "bip34")) ||
    (version < 3 && isActiveAfter(network, prev, "bip66")) ||
    (version < 4 && isActiveAfter(network, prev, "bip65"))
  );
}

/** Which of the costlier checks a block has behind it, or is excused from. */
export interface BlockCheckOptions {
  /** False skips the proof of work, and the solution of a signet's challenge. */
  readonly pow?: boolean;
  /** False skips the Merkle root. */
  readonly merkle?: boolean;
}

/** What must hold for a block whatever the chain is (Core: `CheckBlock`). */
export function checkBlock(
  block: BlockTable,
  hashes: TxHashes,
  network: Network,
  { pow = true, merkle = true }: BlockCheckOptions = {},
): Rejection | undefined {
  if (pow) {
    const refused = checkHeaderPow(blockHash(block.bytes), block.header.bits, network);
    if (refused !== undefined) return refused;
    if (network.consensus.signetChallenge !== undefined && !checkSignetSolution(block, hashes, network)) {
      return reject("consensus", "bad-signet-blksig", "signet block signature validation failure");
    }
  }
  // What may be a corrupted copy of a valid block comes first: only then can the hash be held against it.
  if (merkle) {
    const refused = checkMerkleRoot(block, hashes);
    if (refused !== undefined) return refused;
  }
  return checkShape(block) ?? checkTransactions(block, hashes) ?? checkLegacySigOps(block);
}

/** Whether the header commits to these transactions, and to no more than them (Core: `CheckMerkleRoot`). */
export function checkMerkleRoot(block: BlockTable, hashes: TxHashes): Rejection | undefined {
  const { root, mutated } = merkleRoot(hashes.txids, block.txs.txCount);
  const claimed = block.header.merkleRoot;
  for (let i = 0; i < root.length; i++) {
    if (root[i] !== claimed[i]) return reject("mutated", "bad-txnmrklroot", "hashMerkleRoot mismatch");
  }
  return mutated ? reject("mutated", "bad-txns-duplicate", "duplicate transaction") : undefined;
}

/** Its size without witnesses, and one coinbase at its head. */
function checkShape(block: BlockTable): Rejection | undefined {
  const { txs } = block;
  if (
    txs.txCount === 0 ||
    txs.txCount * WITNESS_SCALE_FACTOR > MAX_BLOCK_WEIGHT ||
    strippedBlockSize(block) * WITNESS_SCALE_FACTOR > MAX_BLOCK_WEIGHT
  ) {
    return reject("consensus", "bad-blk-length", "size limits failed");
  }
  if (!txs.isCoinbase(0)) return reject("consensus", "bad-cb-missing", "first tx is not coinbase");
  for (let tx = 1; tx < txs.txCount; tx++) {
    if (txs.isCoinbase(tx)) return reject("consensus", "bad-cb-multiple", "more than one coinbase");
  }
  return undefined;
}

function checkTransactions(block: BlockTable, hashes: TxHashes): Rejection | undefined {
  for (let tx = 0; tx < block.txs.txCount; tx++) {
    const refused = checkTransaction(block.txs, tx);
    if (refused !== undefined) {
      const txid = toHexReversed(txidAt(hashes, tx));
      return reject(
        "consensus",
        refused.reason,
        `Transaction check failed (tx hash ${txid}) ${refused.debug}`,
      );
    }
  }
  return undefined;
}

/** A lower bound; connecting the block counts those of redeem and witness scripts too. */
function checkLegacySigOps(block: BlockTable): Rejection | undefined {
  let count = 0;
  for (let tx = 0; tx < block.txs.txCount; tx++) count += legacySigOps(block.txs, tx);
  if (count * WITNESS_SCALE_FACTOR <= MAX_BLOCK_SIGOPS_COST) return undefined;
  return reject("consensus", "bad-blk-sigops", "out-of-bounds SigOpCount");
}

/**
 * What a block must hold to as the one after `prev`, coins aside (Core: `ContextualCheckBlock`). It has passed
 * {@link checkBlock}.
 * @param prev `null` for genesis.
 */
export function contextualCheckBlock(
  block: BlockTable,
  hashes: TxHashes,
  prev: HeaderContext | null,
  network: Network,
): Rejection | undefined {
  const height = prev === null ? 0 : prev.height + 1;
  // BIP113 came with CSV.
  const byMedian = prev !== null && isActiveAfter(network, prev, "csv");
  const time = byMedian ? prev.medianTimePast() : block.header.time;
  for (let tx = 0; tx < block.txs.txCount; tx++) {
    if (!isFinalTx(block.txs, tx, height, time)) {
      return reject("consensus", "bad-txns-nonfinal", "non-final transaction");
    }
  }
  if (isActiveAfter(network, prev, "bip34") && !startsWithHeight(block, height)) {
    return reject("consensus", "bad-cb-height", "block height mismatch in coinbase");
  }
  const refused = checkWitnessMalleation(block, hashes, isActiveAfter(network, prev, "segwit"));
  if (refused !== undefined) return refused;
  // Only now: a padded coinbase witness, which the hash does not cover, must not make the block invalid.
  if (blockWeight(block) > MAX_BLOCK_WEIGHT) {
    return reject("consensus", "bad-blk-weight", "ContextualCheckBlock : weight limit failed");
  }
  return undefined;
}

/** BIP34: the coinbase's script starts with the height, pushed in the shortest way. */
function startsWithHeight(block: BlockTable, height: number): boolean {
  const expected = pushNumber(height);
  const input = block.txs.firstInput(0);
  if (block.txs.inputScriptLength(input) < expected.length) return false;
  const at = block.txs.inputScriptStart(input);
  for (let i = 0; i < expected.length; i++) if (block.bytes[at + i] !== expected[i]) return false;
  return true;
}

/**
 * Whether a block may be a corrupted copy of another with the same header (Core: `IsBlockMutated`); a peer that
 * sends one is at fault, the header is not.
 * @param checkWitnessRoot segwit is active in this block.
 */
export function isBlockMutated(block: BlockTable, hashes: TxHashes, checkWitnessRoot: boolean): boolean {
  if (checkMerkleRoot(block, hashes) !== undefined) return true;
  const { txs } = block;
  if (txs.txCount === 0 || !txs.isCoinbase(0)) {
    // A transaction of 64 bytes may be an inner node of the tree, taken for a leaf.
    for (let tx = 0; tx < txs.txCount; tx++) if (txs.strippedSize(tx) === 64) return true;
    return false;
  }
  return checkWitnessMalleation(block, hashes, checkWitnessRoot) !== undefined;
}
