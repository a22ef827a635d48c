import { Slices } from "#base/lib/slices.ts";
import { parseBlock } from "#protocol/bitcoin/block-table.ts";
import type { Network } from "#protocol/bitcoin/network.ts";
import { hashTxs } from "#protocol/bitcoin/txid.ts";
import { type BlockCheckOptions, checkBlock } from "#protocol/consensus/check-block.ts";
import type { Rejection } from "#protocol/consensus/rejection.ts";
import type { HashedBlock } from "./chain-update.ts";

/** A block that was looked at by itself. */
export interface PreparedBlock extends HashedBlock {
  /** What it breaks whatever the chain is. */
  readonly bad: Rejection | undefined;
}

/**
 * Parses and hashes a block, and checks it by itself, in slices: the largest take tens of milliseconds for each.
 * @throws DecodeError when it does not parse.
 */
export async function prepareBlock(
  raw: Uint8Array,
  network: Network,
  checks?: BlockCheckOptions,
): Promise<PreparedBlock> {
  const slices = new Slices();
  const block = parseBlock(raw);
  if (slices.due) await slices.pause();
  const hashes = hashTxs(block.txs);
  if (slices.due) await slices.pause();
  const bad = checkBlock(block, hashes, network, checks);
  if (slices.due) await slices.pause();
  return { block, hashes, bad };
}
