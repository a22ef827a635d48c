import { toHexReversed } from "#base/lib/bytes.ts";
import { Slices } from "#base/lib/slices.ts";
import { isMoney } from "#protocol/bitcoin/amount.ts";
import { type Prevouts, PrevoutsBuilder } from "#protocol/bitcoin/prevouts.ts";
import type { TxTable } from "#protocol/bitcoin/tx-table.ts";
import { txidAt } from "#protocol/bitcoin/txid.ts";
import { enforcesBip30 } from "#protocol/consensus/bip30.ts";
import { isActiveAt, scriptFlagsFor } from "#protocol/consensus/deployments.ts";
import type { HeaderContext } from "#protocol/consensus/header-context.ts";
import { MAX_BLOCK_SIGOPS_COST } from "#protocol/consensus/limits.ts";
import { type Rejection, reject } from "#protocol/consensus/rejection.ts";
import { txSigOpCost } from "#protocol/consensus/sigops.ts";
import { blockSubsidy } from "#protocol/consensus/subsidy.ts";
import {
  checkTxInputs,
  coinOrigin,
  MISSING_COIN,
  outputTotal,
  sequenceLocks,
  sequenceLocksHold,
} from "#protocol/consensus/tx-inputs.ts";
import type { ChainParts } from "./chain-parts.ts";
import type { HashedBlock } from "./chain-update.ts";
import { type CoinCache, NO_COIN } from "./coins.ts";
import { type BlockScripts, scriptRejection } from "./script-checks.ts";
import { UndoBuilder } from "./undo.ts";

/** What connecting works with. */
export type ConnectParts = Pick<ChainParts, "network" | "coins" | "scripts">;

/** A block to be connected to `prev`, the block whose coins the cache holds. */
export interface ConnectRequest extends HashedBlock {
  readonly hash: Uint8Array;
  readonly prev: HeaderContext;
  /** False where scripts are assumed valid. */
  readonly checkScripts: boolean;
  /** What may be done while other threads check scripts: fetching the next block's coins. */
  readonly meanwhile?: () => Promise<void>;
}

/** The undo data of a block that keeps all rules, or why it does not. */
export type ConnectResult =
  | { readonly undo: Uint8Array; readonly rejection?: undefined }
  | { readonly rejection: Rejection };

/** Inputs and outputs, about, that are worked on before other tasks get their turn: a few milliseconds. */
const ROWS_PER_SLICE = 1500;

/**
 * Spends the coins of a block and adds its own, checking everything that needs them (Core's ConnectBlock). The
 * block has passed checkBlock and contextualCheckBlock. The caller has begun a change of the coin cache and commits
 * or rolls it back.
 *
 * Scripts come last: of several faults Core names one that needs no script first, as it does when it checks
 * scripts on several threads.
 */
export async function connectBlock(parts: ConnectParts, request: ConnectRequest): Promise<ConnectResult> {
  const { network, coins } = parts;
  const { block, hashes, prev } = request;
  const { txs } = block;
  await coins.fetchInputs(txs, hashes.txids);
  const repeat = await findRepeat(parts, request);
  if (repeat !== undefined) return { rejection: repeat };
  const flags = scriptFlagsFor(network, request.hash, prev.height + 1);
  const scripts = request.checkScripts ? parts.scripts.begin(txs, flags) : undefined;
  try {
    const spending = new Spending(parts, request, flags, scripts);
    const rejection = await spending.run();
    if (rejection !== undefined) {
      scripts?.abandon();
      return { rejection };
    }
    const [failure] = await Promise.all([scripts?.finish(), request.meanwhile?.()]);
    if (failure !== undefined) return { rejection: scriptRejection(txs, hashes, failure) };
    return { undo: spending.undo.finish() };
  } catch (error) {
    scripts?.abandon();
    throw error;
  }
}

/** BIP30: whether an output of the block exists unspent. */
async function findRepeat(parts: ConnectParts, request: ConnectRequest): Promise<Rejection | undefined> {
  const { network, coins } = parts;
  const { block, hashes, prev } = request;
  // Where every coinbase since block 1 names its height no two are equal, nor two of what descends from them.
  if (network.consensus.bip34Height <= 1 || !enforcesBip30(network, request.hash, prev)) return undefined;
  const { txs } = block;
  await coins.fetchOutputs(txs, hashes.txids);
  for (let tx = 0; tx < txs.txCount; tx++) {
    for (let index = 0; index < txs.outputCount(tx); index++) {
      if (coins.findOutput(hashes.txids, 32 * tx, index) !== NO_COIN) {
        return reject("consensus", "bad-txns-BIP30", "tried to overwrite transaction");
      }
    }
  }
  return undefined;
}

/** The walk over a block's transactions: spends, adds, and adds up. No object is made for a transaction or input. */
class Spending {
  readonly undo: UndoBuilder;
  readonly #parts: ConnectParts;
  readonly #request: ConnectRequest;
  readonly #flags: number;
  readonly #scripts: BlockScripts | undefined;
  readonly #height: number;
  readonly #sequenceLocked: boolean;
  readonly #prevouts: PrevoutsBuilder;
  /** Of each input's coin, as tx-inputs.ts has it. */
  readonly #origins: Int32Array;
  #fees = 0;
  #sigOpCost = 0;

  constructor(
    parts: ConnectParts,
    request: ConnectRequest,
    flags: number,
    scripts: BlockScripts | undefined,
  ) {
    const { txs } = request.block;
    this.#parts = parts;
    this.#request = request;
    this.#flags = flags;
    this.#scripts = scripts;
    this.#height = request.prev.height + 1;
    this.#sequenceLocked = isActiveAt(parts.network, this.#height, "csv");
    this.#prevouts = new PrevoutsBuilder(txs.inputTotal);
    this.#origins = new Int32Array(txs.inputTotal);
    this.undo = new UndoBuilder(txs.txCount - 1);
  }

  async run(): Promise<Rejection | undefined> {
    const { txs } = this.#request.block;
    const slices = new Slices();
    for (let from = 0, to = 0; from < txs.txCount; from = to) {
      to = endOfSlice(txs, from);
      const stop = this.#spend(from, to);
      const prevouts = this.#prevouts.finish();
      const rejection = this.#check(prevouts, from, stop);
      if (rejection !== undefined) return rejection;
      this.#scripts?.add(prevouts, from, to);
      // Also hands the workers their next jobs.
      await slices.pause();
    }
    return this.#checkReward();
  }

  /** Spends and adds; the result is the end, or one after the transaction whose input has no coin. */
  #spend(from: number, to: number): number {
    const { coins } = this.#parts;
    const { block, hashes } = this.#request;
    const { txs } = block;
    for (let tx = from; tx < to; tx++) {
      if (tx === 0) this.#prevouts.skip();
      else if (!this.#spendInputs(coins, txs, tx)) return tx + 1;
      coins.addOutputs(txs, tx, hashes.txids, this.#height);
    }
    return to;
  }

  #spendInputs(coins: CoinCache, txs: TxTable, tx: number): boolean {
    const origins = this.#origins;
    const first = txs.firstInput(tx);
    const end = first + txs.inputCount(tx);
    this.undo.transaction(end - first);
    for (let input = first; input < end; input++) {
      const slot = coins.find(txs.bytes, txs.outpoint(input));
      if (slot === NO_COIN) {
        origins[input] = MISSING_COIN;
        return false;
      }
      origins[input] = coinOrigin(coins.height(slot), coins.isCoinbase(slot));
      coins.addPrevout(slot, this.#prevouts);
      coins.spend(slot, this.undo);
    }
    return true;
  }

  /** Core's checks of each transaction, in its order. */
  #check(prevouts: Prevouts, from: number, to: number): Rejection | undefined {
    const { txs } = this.#request.block;
    for (let tx = from; tx < to; tx++) {
      const rejection = tx === 0 ? undefined : this.#checkInputs(prevouts, tx);
      if (rejection !== undefined) return rejection;
      this.#sigOpCost += txSigOpCost(txs, tx, prevouts, this.#flags);
      if (this.#sigOpCost > MAX_BLOCK_SIGOPS_COST) {
        return reject("consensus", "bad-blk-sigops", "too many sigops");
      }
    }
    return undefined;
  }

  #checkInputs(prevouts: Prevouts, tx: number): Rejection | undefined {
    const { txs } = this.#request.block;
    const fee = checkTxInputs(txs, tx, prevouts, this.#origins, this.#height);
    if (typeof fee !== "number") {
      // Whatever it is for a transaction alone, it breaks the block.
      return reject("consensus", fee.reason, `${fee.debug} in transaction ${this.#txid(tx)}`);
    }
    this.#fees += fee;
    if (!isMoney(this.#fees)) {
      const debug = "accumulated fee in the block out of range";
      return reject("consensus", "bad-txns-accumulated-fee-outofrange", debug);
    }
    if (!this.#sequenceLocked) return undefined;
    const { prev } = this.#request;
    if (sequenceLocksHold(sequenceLocks(txs, tx, this.#origins, prev), prev)) return undefined;
    const debug = `contains a non-BIP68-final transaction ${this.#txid(tx)}`;
    return reject("consensus", "bad-txns-nonfinal", debug);
  }

  #checkReward(): Rejection | undefined {
    const limit = this.#fees + blockSubsidy(this.#height, this.#parts.network);
    const actual = outputTotal(this.#request.block.txs, 0);
    if (actual <= limit) return undefined;
    const debug = `coinbase pays too much (actual=${actual} vs limit=${limit})`;
    return reject("consensus", "bad-cb-amount", debug);
  }

  #txid(tx: number): string {
    return toHexReversed(txidAt(this.#request.hashes, tx));
  }
}

/** The transaction to stop before. */
function endOfSlice(txs: TxTable, from: number): number {
  let tx = from;
  for (let rows = 0; tx < txs.txCount && rows < ROWS_PER_SLICE; tx++) {
    rows += txs.inputCount(tx) + txs.outputCount(tx);
  }
  return tx;
}
