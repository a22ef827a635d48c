import { toHexReversed } from "#base/lib/bytes.ts";
import { Slices } from "#base/lib/slices.ts";
import { WorkerPool } from "#base/workers/worker-pool.ts";
import type { Prevouts } from "#protocol/bitcoin/prevouts.ts";
import type { TxTable } from "#protocol/bitcoin/tx-table.ts";
import { type TxHashes, txidAt, wtxidAt } from "#protocol/bitcoin/txid.ts";
import { type Rejection, reject } from "#protocol/consensus/rejection.ts";
import { scriptErrorText } from "#protocol/consensus/script-error.ts";
import { type ScriptFailure, verifyInputs } from "#protocol/consensus/verify-inputs.ts";
import {
  type RangePrevouts,
  rangePrevouts,
  type ScriptJob,
  type ScriptRange,
  type SharedBlock,
  shareBlock,
  sharePrevouts,
} from "./script-job.ts";

/** Inputs of one job, about: some milliseconds of signature checks. */
const INPUTS_PER_JOB = 64;

/**
 * Inputs of one transaction beyond which it is verified in pieces of so many, so that all threads share it and none
 * is held for long. Each piece hashes once more what all inputs of a transaction have in common.
 */
const INPUTS_PER_PIECE = 128;

/** Jobs that may wait; more than the largest block gives. */
const MAX_QUEUED = 100_000;

type Pool = WorkerPool<ScriptJob, ScriptFailure | undefined>;

/**
 * Verifies the scripts of blocks on `par` threads, this one included. With `par` 1 there is no worker; else this
 * thread helps when it has nothing else to do for the block.
 */
export class ScriptChecks {
  readonly #pool: Pool | undefined;
  #blocks = 0;

  constructor(par: number) {
    if (par <= 1) return;
    this.#pool = new WorkerPool({
      file: new URL("./script-worker.ts", import.meta.url),
      size: par - 1,
      name: "scriptch",
      maxQueued: MAX_QUEUED,
    });
  }

  /** Starts a block; its ranges are verified with `flags`. */
  begin(table: TxTable, flags: number): BlockScripts {
    return new BlockScripts(this.#pool, this.#blocks++, table, flags);
  }

  async close(): Promise<void> {
    await this.#pool?.close();
  }
}

/** The script checks of one block. Each must be ended with {@link finish} or {@link abandon}. */
export class BlockScripts {
  readonly #pool: Pool | undefined;
  readonly #id: number;
  readonly #table: TxTable;
  readonly #flags: number;
  #shared: SharedBlock | undefined;
  /** The latest: what it holds of earlier transactions does not change. */
  #prevouts: Prevouts | undefined;
  /** Ranges that wait for the end. */
  readonly #waiting: ScriptRange[] = [];
  readonly #running: Promise<void>[] = [];
  #failure: ScriptFailure | undefined;
  #error: { readonly cause: unknown } | undefined;

  constructor(pool: Pool | undefined, id: number, table: TxTable, flags: number) {
    this.#pool = pool;
    this.#id = id;
    this.#table = table;
    this.#flags = flags;
  }

  /** Hands in the transactions from `fromTx` to before `toTx`; the prevouts of all up to there are known. */
  add(prevouts: Prevouts, fromTx: number, toTx: number): void {
    this.#prevouts = prevouts;
    for (let start = fromTx; start < toTx; ) {
      const end = this.#endOfJob(start, toTx);
      const pieces = piecesOf(this.#table, start, end);
      if (this.#pool === undefined) this.#waiting.push(...pieces);
      else this.#send(this.#pool, pieces, rangePrevouts(this.#table, prevouts, start, end));
      start = end;
    }
  }

  /** Small transactions go together, a large one alone. */
  #endOfJob(start: number, toTx: number): number {
    let inputs = 0;
    let end = start;
    for (; end < toTx && inputs < INPUTS_PER_JOB; end++) {
      const own = this.#table.inputCount(end);
      if (own > INPUTS_PER_PIECE && end > start) break;
      inputs += own;
    }
    return end;
  }

  #send(pool: Pool, pieces: readonly ScriptRange[], own: RangePrevouts): void {
    this.#shared ??= shareBlock(this.#table, this.#id);
    const isAlone = pieces.length === 1;
    const prevouts = isAlone ? own : sharePrevouts(own);
    const transfer = isAlone ? [own.amounts.buffer, own.offsets.buffer, own.scripts.buffer] : [];
    for (const range of pieces) {
      const job = { block: this.#shared, flags: this.#flags, range, prevouts };
      this.#run(pool, job, transfer as ArrayBuffer[]);
    }
  }

  #run(pool: Pool, job: ScriptJob, transfer: ArrayBuffer[]): void {
    const done = pool.run(job, transfer).then(
      (failure) => this.#note(failure),
      (cause: unknown) => {
        this.#error ??= { cause };
      },
    );
    this.#running.push(done);
  }

  /**
   * The block's first input that fails, however the ranges were shared out.
   * @throws when a worker died.
   */
  async finish(): Promise<ScriptFailure | undefined> {
    const slices = new Slices();
    for (const range of this.#waiting) {
      if (this.#failure !== undefined) break;
      this.#note(this.#verify(range));
      if (slices.due) await slices.pause();
    }
    await this.#help(slices);
    await Promise.all(this.#running);
    if (this.#error !== undefined) throw this.#error.cause;
    return this.#failure;
  }

  /** Takes ranges back from the workers' queue. Each pause lets the workers be given their next. */
  async #help(slices: Slices): Promise<void> {
    for (let taken = this.#pool?.takeQueued(); taken !== undefined; taken = this.#pool?.takeQueued()) {
      const { range } = taken.job;
      const first = range.inputs?.from ?? this.#table.firstInput(range.fromTx);
      const isDecided = this.#failure !== undefined && this.#failure.input < first;
      taken.resolve(isDecided ? undefined : this.#verify(range));
      await slices.pause();
    }
  }

  /** Forgets what is not verified yet: the block was refused for another reason. */
  abandon(): void {
    for (let taken = this.#pool?.takeQueued(); taken !== undefined; taken = this.#pool?.takeQueued()) {
      taken.resolve(undefined);
    }
  }

  #verify(range: ScriptRange): ScriptFailure | undefined {
    return verifyInputs({ table: this.#table, prevouts: this.#prevouts!, flags: this.#flags, ...range });
  }

  #note(failure: ScriptFailure | undefined): void {
    if (failure === undefined) return;
    if (this.#failure === undefined || failure.input < this.#failure.input) this.#failure = failure;
  }
}

/** The transactions as one range, or a large one by pieces of its inputs. */
function piecesOf(table: TxTable, fromTx: number, toTx: number): ScriptRange[] {
  const first = table.firstInput(fromTx);
  const end = first + table.inputCount(fromTx);
  if (toTx - fromTx > 1 || end - first <= INPUTS_PER_PIECE) return [{ fromTx, toTx }];
  const pieces: ScriptRange[] = [];
  for (let from = first; from < end; from += INPUTS_PER_PIECE) {
    pieces.push({ fromTx, toTx, inputs: { from, to: Math.min(from + INPUTS_PER_PIECE, end) } });
  }
  return pieces;
}

/** How a block is refused for a script, in Core's words. */
export function scriptRejection(table: TxTable, hashes: TxHashes, failure: ScriptFailure): Rejection {
  const { tx, input, error } = failure;
  const txid = toHexReversed(txidAt(hashes, tx));
  const wtxid = toHexReversed(wtxidAt(hashes, tx));
  const spent = `${toHexReversed(table.prevTxid(input))}:${table.prevIndex(input)}`;
  const at = input - table.firstInput(tx);
  return reject(
    "consensus",
    `block-script-verify-flag-failed (${scriptErrorText(error)})`,
    `input ${at} of ${txid} (wtxid ${wtxid}), spending ${spent}`,
  );
}
