import { Prevouts } from "#protocol/bitcoin/prevouts.ts";
import { TxTable } from "#protocol/bitcoin/tx-table.ts";
import { type ScriptFailure, verifyInputs } from "#protocol/consensus/verify-inputs.ts";

/** A block in memory that all threads see: copied there once, however many jobs it gives. */
export interface SharedBlock {
  /** Tells a worker whether it is the block of its job before. */
  readonly id: number;
  readonly bytes: Uint8Array;
  readonly txs: Int32Array;
  readonly inputs: Int32Array;
  readonly outputs: Int32Array;
}

/** The scripts of a range of a block's transactions. */
export interface ScriptJob {
  readonly block: SharedBlock;
  readonly flags: number;
  readonly fromTx: number;
  readonly toTx: number;
  /** Index over the block of the range's first input; what follows is for the inputs from it on. */
  readonly firstInput: number;
  readonly amounts: Float64Array;
  /** One more entry than amounts. */
  readonly offsets: Int32Array;
  readonly scripts: Uint8Array;
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

/** The job for the transactions from `fromTx` to before `toTx`, with its own arena of prevouts. */
export function scriptJob(
  block: SharedBlock,
  table: TxTable,
  prevouts: Prevouts,
  flags: number,
  fromTx: number,
  toTx: number,
): ScriptJob {
  const firstInput = table.firstInput(fromTx);
  const endInput = table.firstInput(toTx - 1) + table.inputCount(toTx - 1);
  const base = prevouts.offsets[firstInput]!;
  const offsets = prevouts.offsets.slice(firstInput, endInput + 1);
  for (let i = 0; i < offsets.length; i++) offsets[i]! -= base;
  return {
    block,
    flags,
    fromTx,
    toTx,
    firstInput,
    amounts: prevouts.amounts.slice(firstInput, endInput),
    offsets,
    scripts: prevouts.scripts.slice(base, prevouts.offsets[endInput]),
  };
}

/** A worker's own view of the block it works on, kept from job to job. */
interface OpenBlock {
  readonly id: number;
  readonly table: TxTable;
  readonly amounts: Float64Array;
  readonly offsets: Int32Array;
}

let open: OpenBlock | undefined;

/** Verifies a job, on a worker. */
export function runScriptJob(job: ScriptJob): ScriptFailure | undefined {
  if (open?.id !== job.block.id) open = openBlock(job.block);
  const { table, amounts, offsets } = open;
  amounts.set(job.amounts, job.firstInput);
  offsets.set(job.offsets, job.firstInput);
  const prevouts = new Prevouts(amounts, offsets, job.scripts);
  return verifyInputs({ table, prevouts, flags: job.flags, fromTx: job.fromTx, toTx: job.toTx });
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
  };
}
