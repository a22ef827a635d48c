/** Blocks and headers as Core prints them (rpc/blockchain.cpp). */
import { toHex, toHexReversed } from "#base/lib/bytes.ts";
import type { Json, JsonObject } from "#base/lib/json.ts";
import type { ChainState } from "#ledger/chain/chain-state.ts";
import type { HeaderNode } from "#ledger/chain/header-node.ts";
import { blockWeight, parseBlock, strippedBlockSize } from "#protocol/bitcoin/block-table.ts";
import type { TxTable } from "#protocol/bitcoin/tx-table.ts";
import { hashTxs, txidAt, wtxidAt } from "#protocol/bitcoin/txid.ts";
import { compactToTarget } from "#protocol/consensus/pow.ts";
import { type SpentOutputs, txJson } from "./tx-json.ts";

/** How much harder than the easiest of the first days a target is (Core's GetDifficulty). */
export function difficultyOf(bits: number): number {
  const mantissa = bits & 0x00ff_ffff;
  let shift = bits >>> 24;
  let difficulty = 0xffff / mantissa;
  for (; shift < 29; shift++) difficulty *= 256;
  for (; shift > 29; shift--) difficulty /= 256;
  return difficulty;
}

/** 64 hex digits of a 256-bit number, as Core prints work and targets. */
export function hex256(value: bigint): string {
  return value.toString(16).padStart(64, "0");
}

/** 8 hex digits. */
export function hex32(value: number): string {
  return (value >>> 0).toString(16).padStart(8, "0");
}

/** Blocks on top of a block in the active chain and itself; −1 outside of it. */
export function confirmationsOf(chain: ChainState, node: HeaderNode): number {
  return chain.isActive(node) ? chain.tip.height - node.height + 1 : -1;
}

export function headerJson(chain: ChainState, node: HeaderNode): JsonObject {
  const next = chain.isActive(node) ? chain.activeAt(node.height + 1) : undefined;
  return {
    hash: toHexReversed(node.hash),
    confirmations: confirmationsOf(chain, node),
    height: node.height,
    version: node.version,
    versionHex: hex32(node.version),
    merkleroot: toHexReversed(node.merkleRoot),
    time: node.time,
    mediantime: node.medianTimePast(),
    nonce: node.nonce,
    bits: hex32(node.bits),
    target: hex256(compactToTarget(node.bits)),
    difficulty: difficultyOf(node.bits),
    chainwork: hex256(node.chainWork),
    nTx: node.txCount,
    previousblockhash: node.prev === null ? undefined : toHexReversed(node.prev.hash),
    nextblockhash: next === undefined ? undefined : toHexReversed(next.hash),
  };
}

function coinbaseJson(table: TxTable): JsonObject {
  const input = table.firstInput(0);
  const [witness] = table.witness(input);
  return {
    version: table.version(0),
    locktime: table.lockTime(0),
    sequence: table.sequence(input),
    coinbase: toHex(table.inputScript(input)),
    witness: witness === undefined ? undefined : toHex(witness),
  };
}

/**
 * A block at verbosity 1 (txids), 2 (transactions, with fees where `spent` is there) or 3 (with what they spent).
 */
export function blockJson(
  chain: ChainState,
  node: HeaderNode,
  raw: Uint8Array,
  verbosity: number,
  spent: SpentOutputs | undefined,
): JsonObject {
  const block = parseBlock(raw);
  const hashes = hashTxs(block.txs);
  const tx: Json[] = [];
  for (let i = 0; i < block.txs.txCount; i++) {
    if (verbosity <= 1) tx.push(toHexReversed(txidAt(hashes, i)));
    else {
      tx.push(
        txJson(block.txs, i, {
          network: chain.network,
          txid: txidAt(hashes, i),
          wtxid: wtxidAt(hashes, i),
          spent,
          withPrevouts: verbosity >= 3,
        }),
      );
    }
  }
  const { nTx, previousblockhash, nextblockhash, ...header } = headerJson(chain, node);
  return {
    ...header,
    nTx,
    previousblockhash,
    nextblockhash,
    strippedsize: strippedBlockSize(block),
    size: raw.length,
    weight: blockWeight(block),
    coinbase_tx: coinbaseJson(block.txs),
    tx,
  };
}
