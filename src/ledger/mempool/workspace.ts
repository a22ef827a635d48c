import type { Txid, Wtxid } from "#protocol/bitcoin/hashes.ts";
import { type Prevouts, PrevoutsBuilder } from "#protocol/bitcoin/prevouts.ts";
import type { TxTable } from "#protocol/bitcoin/tx-table.ts";
import { hashTxs } from "#protocol/bitcoin/txid.ts";
import { coinOrigin, MISSING_COIN } from "#protocol/consensus/tx-inputs.ts";
import type { Mempool } from "./mempool.ts";
import type { ChainCoins } from "./mempool-chain.ts";
import { type EntryFields, standalone } from "./mempool-entry.ts";

/** A transaction on its way in: what the steps of acceptance have found out (Core: MemPoolAccept::Workspace). */
export interface Workspace {
  /** The transaction alone, at index 0. */
  readonly table: TxTable;
  readonly txid: Txid;
  readonly wtxid: Wtxid;
  /** Slots of mempool transactions that spend what it spends, and of a sibling to be evicted. */
  readonly conflicts: Set<number>;
  siblingEviction: boolean;
  /** Slots of its parents in the mempool. */
  parents: readonly number[];
  /** Set by {@link findInputs}. */
  prevouts: Prevouts | undefined;
  origins: Int32Array | undefined;
  /** Set once inputs and fee are known. */
  fields: EntryFields | undefined;
  modifiedFee: number;
  /** Whether its scripts were found good before. */
  scriptsVerified: boolean;
}

/** @param parsed a table of one transaction. */
export function newWorkspace(parsed: TxTable, known?: { txid: Txid; wtxid: Wtxid }): Workspace {
  const table = standalone(parsed);
  return {
    table,
    ...(known ?? idsOf(table)),
    conflicts: new Set(),
    siblingEviction: false,
    parents: [],
    prevouts: undefined,
    origins: undefined,
    fields: undefined,
    modifiedFee: 0,
    scriptsVerified: false,
  };
}

function idsOf(table: TxTable): { txid: Txid; wtxid: Wtxid } {
  const { txids, wtxids } = hashTxs(table);
  return { txid: txids.slice(0, 32) as Txid, wtxid: wtxids.slice(0, 32) as Wtxid };
}

/** Finds a transaction that is neither mined nor in the mempool: an earlier one of the package. */
export type PackageLookup = (txid: Uint8Array) => TxTable | undefined;

/** The inputs' outpoints that only the chain can know of, as views. */
export function chainOutpoints(table: TxTable, mempool: Mempool): Uint8Array[] {
  const outpoints: Uint8Array[] = [];
  for (let input = 0; input < table.inputCount(0); input++) {
    if (!mempool.has(table.prevTxid(input))) outpoints.push(outpointOf(table, input));
  }
  return outpoints;
}

export function outpointOf(table: TxTable, input: number): Uint8Array {
  const at = table.outpoint(input);
  return table.bytes.subarray(at, at + 36);
}

/**
 * Collects what the inputs spend: from the package, the mempool, or the chain, whose coins were fetched before.
 * An unconfirmed coin counts as made at `height`, the next block's.
 * @returns false when a coin is missing.
 */
export function findInputs(
  workspace: Workspace,
  { mempool, coins, height }: { mempool: Mempool; coins: ChainCoins; height: number },
  packaged: PackageLookup,
): boolean {
  const { table } = workspace;
  const count = table.inputCount(0);
  const builder = new PrevoutsBuilder(count);
  const origins = new Int32Array(count).fill(MISSING_COIN);
  for (let input = 0; input < count; input++) {
    const txid = table.prevTxid(input);
    const source = packaged(txid) ?? mempool.get(txid)?.table;
    if (source === undefined) {
      const coin = coins.get(outpointOf(table, input));
      if (coin === undefined) return false;
      builder.add(coin.amount, coin.script);
      origins[input] = coinOrigin(coin.height, coin.coinbase);
    } else {
      const output = table.prevIndex(input);
      if (output >= source.outputCount(0)) return false;
      const start = source.outputScriptStart(output);
      builder.add(source.value(output), source.bytes, start, start + source.outputScriptLength(output));
      origins[input] = coinOrigin(height, false);
    }
  }
  workspace.prevouts = builder.finish();
  workspace.origins = origins;
  return true;
}
