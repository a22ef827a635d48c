import { fromHex, fromHexReversed } from "#base/lib/bytes.ts";
import { decodedOrUndefined } from "#base/lib/decode-error.ts";
import type { Mempool } from "#ledger/mempool/mempool.ts";
import type { BlockHash } from "#protocol/bitcoin/hashes.ts";
import { parseTx, type TxTable } from "#protocol/bitcoin/tx-table.ts";
import { blockHash, hashTxs, txidAt, wtxidAt } from "#protocol/bitcoin/txid.ts";
import { rejectionText } from "#protocol/consensus/rejection.ts";
import { assembleBlock, type BlockTransaction } from "./assemble-block.ts";
import { grind, type Tries } from "./grind.ts";
import type { BlockSubmitter } from "./mining-chain.ts";
import { type MiningRefusal, refuse } from "./mining-refusal.ts";
import { createTemplate, type TemplateDependencies, type TemplateOptions } from "./template.ts";

/** Hashes tried by a call unless told (Core: DEFAULT_MAX_TRIES). */
export const DEFAULT_MAX_TRIES = 1_000_000;

export interface GenerateDependencies extends TemplateDependencies {
  readonly submitter: BlockSubmitter;
  readonly options: TemplateOptions;
  /** Whether the node stops; grinding ends then. */
  stopped(): boolean;
}

/**
 * Mines blocks to a script, each on the one before (generatetoaddress, generatetodescriptor).
 * @returns their hashes, fewer when the tries are used up first.
 */
export async function generateBlocks(
  count: number,
  coinbaseScript: Uint8Array,
  maxTries: number,
  dependencies: GenerateDependencies,
): Promise<BlockHash[] | MiningRefusal> {
  const { chain, options, submitter, stopped } = dependencies;
  const tries: Tries = { left: maxTries };
  const hashes: BlockHash[] = [];
  while (hashes.length < count && !stopped()) {
    const { block } = await chain.lock.run(() => createTemplate({ coinbaseScript }, options, dependencies));
    const result = await grind(block, chain.network, tries, stopped);
    if (result === "tries-exhausted") break;
    if (result === "nonces-exhausted") continue;
    if (!(await submit(submitter, block))) return NOT_ACCEPTED;
    hashes.push(blockHash(block));
  }
  return hashes;
}

const NOT_ACCEPTED = refuse("internal", "ProcessNewBlock, block not accepted");

/** Whether the chain took the block, or had it. That it does not connect is told by the chain, not here. */
async function submit(submitter: BlockSubmitter, block: Uint8Array): Promise<boolean> {
  const { rejection } = await submitter.acceptBlock(block, { requested: true, minPowChecked: true });
  return rejection === undefined;
}

/** A block that was mined; not submitted unless asked. */
export interface GeneratedBlock {
  readonly hash: BlockHash;
  readonly block: Uint8Array;
}

/** Mines one block of given transactions, in their order (generateblock). */
export async function generateBlock(
  coinbaseScript: Uint8Array,
  txs: readonly TxTable[],
  submitted: boolean,
  dependencies: GenerateDependencies,
): Promise<GeneratedBlock | MiningRefusal> {
  const { chain, submitter, stopped } = dependencies;
  const block = await chain.lock.run(() => blockOf(coinbaseScript, txs, dependencies));
  if (!(block instanceof Uint8Array)) return block;
  const result = await grind(block, chain.network, { left: DEFAULT_MAX_TRIES }, stopped);
  if (result !== "found") return refuse("misc", "Failed to make block.");
  if (submitted && !(await submit(submitter, block))) return NOT_ACCEPTED;
  return { hash: blockHash(block), block };
}

async function blockOf(
  coinbaseScript: Uint8Array,
  txs: readonly TxTable[],
  dependencies: GenerateDependencies,
): Promise<Uint8Array | MiningRefusal> {
  const { chain, options } = dependencies;
  const template = await createTemplate({ coinbaseScript, useMempool: false }, options, dependencies);
  const { block } = assembleBlock(template, txs.map(blockTransaction), chain.network);
  const rejection = await chain.testBlock(block, { pow: false, merkle: false });
  if (rejection === undefined) return block;
  return refuse("verify", `TestBlockValidity failed: ${rejectionText(rejection)}`);
}

function blockTransaction(table: TxTable): BlockTransaction {
  const hashes = hashTxs(table);
  return { raw: table.raw(0), txid: txidAt(hashes, 0).slice(), wtxid: wtxidAt(hashes, 0).slice() };
}

/** The transactions that generateblock's list names: txids of the mempool, or whole ones in hex. */
export function transactionsNamed(names: readonly string[], mempool: Mempool): TxTable[] | MiningRefusal {
  const tables: TxTable[] = [];
  for (const name of names) {
    const bytes = fromHex(name);
    if (bytes?.length === 32) {
      const entry = mempool.get(fromHexReversed(name)!);
      if (entry === undefined) {
        return refuse("invalid-address-or-key", `Transaction ${name} not in mempool.`);
      }
      tables.push(entry.table);
      continue;
    }
    const table = bytes && decodedOrUndefined(() => parseTx(bytes));
    if (table === undefined) {
      const text = `Transaction decode failed for ${name}. Make sure the tx has at least one input.`;
      return refuse("deserialization", text);
    }
    tables.push(table);
  }
  return tables;
}
