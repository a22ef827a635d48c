import { toHexReversed } from "#base/lib/bytes.ts";
import { WorkerPool } from "#base/workers/worker-pool.ts";
import type { Prevouts } from "#protocol/bitcoin/prevouts.ts";
import type { TxTable } from "#protocol/bitcoin/tx-table.ts";
import { type TxHashes, txidAt, wtxidAt } from "#protocol/bitcoin/txid.ts";
import { type Rejection, reject } from "#protocol/consensus/rejection.ts";
import { scriptErrorText } from "#protocol/consensus/script-error.ts";
import { type ScriptFailure, verifyInputs } from "#protocol/consensus/verify-inputs.ts";
import { type ScriptJob, type SharedBlock, scriptJob, shareBlock } from "./script-job.ts";
import { Slices } from "./slices.ts";

/** Inputs of one job, about: some milliseconds of signature checks. */
const INPUTS_PER_JOB = 64;

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
  /** First transaction of each range that waits for the end, and the one after its last. */
  readonly #waiting: number[] = [];
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
    const table = this.#table;
    this.#prevouts = prevouts;
    for (let start = fromTx; start < toTx; ) {
      let end = start;
      for (let inputs = 0; end < toTx && inputs < INPUTS_PER_JOB; end++) inputs += table.inputCount(end);
      if (this.#pool === undefined) this.#waiting.push(start, end);
      else this.#send(this.#pool, prevouts, start, end);
      start = end;
    }
  }

  #send(pool: Pool, prevouts: Prevouts, fromTx: number, toTx: number): void {
    this.#shared ??= shareBlock(this.#table, this.#id);
    const job = scriptJob(this.#shared, this.#table, prevouts, this.#flags, fromTx, toTx);
    const buffers = [job.amounts.buffer, job.offsets.buffer, job.scripts.buffer] as ArrayBuffer[];
    const done = pool.run(job, buffers).then(
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
    for (let i = 0; i < this.#waiting.length && this.#failure === undefined; i += 2) {
      this.#note(this.#verify(this.#waiting[i]!, this.#waiting[i + 1]!));
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
      const { fromTx, toTx } = taken.job;
      const decided = this.#failure !== undefined && this.#failure.tx < fromTx;
      taken.resolve(decided ? undefined : this.#verify(fromTx, toTx));
      await slices.pause();
    }
  }

  /** Forgets what is not verified yet: the block was refused for another reason. */
  abandon(): void {
    for (let taken = this.#pool?.takeQueued(); taken !== undefined; taken = this.#pool?.takeQueued()) {
      taken.resolve(undefined);
    }
  }

  #verify(fromTx: number, toTx: number): ScriptFailure | undefined {
    const prevouts = this.#prevouts!;
    return verifyInputs({ table: this.#table, prevouts, flags: this.#flags, fromTx, toTx });
  }

  #note(failure: ScriptFailure | undefined): void {
    if (failure === undefined) return;
    if (this.#failure === undefined || failure.input < this.#failure.input) this.#failure = failure;
  }
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
