import { Prevouts } from "#protocol/bitcoin/prevouts.ts";
import { TxTable } from "#protocol/bitcoin/tx-table.ts";
import { type InputRange, type ScriptFailure, verifyInputs } from "#protocol/consensus/verify-inputs.ts";

/** A block in memory that all threads see: copied there once, however many jobs it gives. */
export interface SharedBlock {
  /** Tells a worker whether it is the block of its job before. */
  readonly id: number;
  readonly bytes: Uint8Array;
  readonly txs: Int32Array;
  readonly inputs: Int32Array;
  readonly outputs: Int32Array;
}

/** What is verified in one go: some transactions, or some inputs of a large one. */
export interface ScriptRange {
  readonly fromTx: number;
  /** One after the last transaction. */
  readonly toTx: number;
  /** Of the one transaction, these; all of the range when left out. */
  readonly inputs?: InputRange | undefined;
}

/** What the inputs of a range of transactions spend, in an arena of its own. */
export interface RangePrevouts {
  /** Index over the block of the range's first input; what follows is for the inputs from it on. */
  readonly firstInput: number;
  readonly amounts: Float64Array;
  /** One more entry than amounts. */
  readonly offsets: Int32Array;
  readonly scripts: Uint8Array;
}

/** The scripts of a range of a block's transactions. */
export interface ScriptJob {
  readonly block: SharedBlock;
  readonly flags: number;
  readonly range: ScriptRange;
  /** In shared memory where several jobs are of one transaction. */
  readonly prevouts: RangePrevouts;
}

/** Copies a table to memory that threads share. */
export function shareBlock(table: TxTable, id: number): SharedBlock {
  return {
    id,
    bytes: copyBytes(table.bytes, new SharedArrayBuffer(table.bytes.length)),
    txs: copyWords(table.txs),
    inputs: copyWords(table.inputs),
    outputs: copyWords(table.outputs),
  };
}

function copyBytes(from: Uint8Array, buffer: ArrayBufferLike): Uint8Array {
  const copy = new Uint8Array(buffer);
  copy.set(from);
  return copy;
}

function copyWords(from: Int32Array): Int32Array {
  const copy = new Int32Array(new SharedArrayBuffer(from.byteLength));
  copy.set(from);
  return copy;
}

/** The prevouts of the transactions from `fromTx` to before `toTx`, copied. */
export function rangePrevouts(
  table: TxTable,
  prevouts: Prevouts,
  fromTx: number,
  toTx: number,
): RangePrevouts {
  const firstInput = table.firstInput(fromTx);
  const endInput = table.firstInput(toTx - 1) + table.inputCount(toTx - 1);
  const base = prevouts.offsets[firstInput]!;
  const offsets = prevouts.offsets.slice(firstInput, endInput + 1);
  for (let i = 0; i < offsets.length; i++) offsets[i]! -= base;
  return {
    firstInput,
    amounts: prevouts.amounts.slice(firstInput, endInput),
    offsets,
    scripts: prevouts.scripts.slice(base, prevouts.offsets[endInput]),
  };
}

/** Copies prevouts to memory that threads share. */
export function sharePrevouts({ firstInput, amounts, offsets, scripts }: RangePrevouts): RangePrevouts {
  const shared = new Float64Array(new SharedArrayBuffer(amounts.byteLength));
  shared.set(amounts);
  return {
    firstInput,
    amounts: shared,
    offsets: copyWords(offsets),
    scripts: copyBytes(scripts, new SharedArrayBuffer(scripts.length)),
  };
}

/** A worker's own view of the block it works on, kept from job to job. */
interface OpenBlock {
  readonly id: number;
  readonly table: TxTable;
  readonly amounts: Float64Array;
  readonly offsets: Int32Array;
  /** The scripts of the transaction that this thread verifies in pieces. */
  whole: { readonly tx: number; readonly scripts: Uint8Array } | undefined;
}

let open: OpenBlock | undefined;

/** Verifies a job, on a worker. */
export function runScriptJob(job: ScriptJob): ScriptFailure | undefined {
  if (open?.id !== job.block.id) open = openBlock(job.block);
  const { table, amounts, offsets } = open;
  const { range, flags } = job;
  amounts.set(job.prevouts.amounts, job.prevouts.firstInput);
  offsets.set(job.prevouts.offsets, job.prevouts.firstInput);
  const prevouts = new Prevouts(amounts, offsets, ownScripts(open, job));
  return verifyInputs({ table, prevouts, flags, ...range });
}

/** The job's scripts in memory of this thread, copied once for all pieces of a transaction. */
function ownScripts(block: OpenBlock, { range, prevouts: { scripts } }: ScriptJob): Uint8Array {
  if (range.inputs === undefined) return scripts;
  if (block.whole?.tx !== range.fromTx) {
    block.whole = { tx: range.fromTx, scripts: copyBytes(scripts, new ArrayBuffer(scripts.length)) };
  }
  return block.whole.scripts;
}

/** Own memory, for hashing and signature libraries are not all prepared for shared one. */
function openBlock(block: SharedBlock): OpenBlock {
  const table = new TxTable(
    copyBytes(block.bytes, new ArrayBuffer(block.bytes.length)),
    block.txs,
    block.inputs,
    block.outputs,
  );
  return {
    id: block.id,
    table,
    amounts: new Float64Array(table.inputTotal),
    offsets: new Int32Array(table.inputTotal + 1),
    whole: undefined,
  };
}
