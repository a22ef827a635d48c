/**
 * Verifies the scripts of many inputs. Spends of the usual shapes (spend-template.ts) take a straight path: all
 * their hashes by the kernel, their signatures in batches, no object for any of them. It only ever accepts;
 * what it cannot accept, and every other spend, the interpreter judges and names the error.
 */

import { hasHighS, normalizeS } from "#base/crypto/lax-der.ts";
import { verifier as defaultVerifier, type SignatureBatch, type Verifier } from "#base/crypto/secp256k1.ts";
import { ripemd160 } from "#base/crypto/sha256.ts";
import type { Prevouts } from "#protocol/bitcoin/prevouts.ts";
import { SighashMidstates } from "#protocol/bitcoin/sighash.ts";
import { SighashBatch } from "#protocol/bitcoin/sighash-batch.ts";
import type { TxTable } from "#protocol/bitcoin/tx-table.ts";
import { verifyScript } from "./interpreter.ts";
import type { ScriptError } from "./script-error.ts";
import { SCRIPT_VERIFY_LOW_S } from "./script-flags.ts";
import { TxSignatureChecker } from "./signature-checker.ts";
import {
  matchTemplate,
  NESTED_PUBKEY_HASH,
  NO_TEMPLATE,
  PUBKEY_HASH,
  SPEND_INPUT,
  SPEND_KEY,
  SPEND_KEY_DIGEST,
  SPEND_KEY_LENGTH,
  SPEND_SHARED,
  SPEND_SIGHASH,
  SPEND_SIGNATURE,
  SPEND_SIGNATURE_LENGTH,
  SPEND_STRIDE,
  SPEND_TEMPLATE,
  SPEND_TX,
  TAPROOT_KEY,
  taprootHashType,
} from "./spend-template.ts";
import { readStrictSignature } from "./strict-signature.ts";

/** The first input, in the table's order, whose script fails. */
export interface ScriptFailure {
  readonly tx: number;
  /** Index over the whole table. */
  readonly input: number;
  readonly error: ScriptError;
}

/** Some inputs of one transaction, by index over the table. */
export interface InputRange {
  readonly from: number;
  /** One after the last. */
  readonly to: number;
}

/** A range of transactions and what they spend. */
export interface VerifyInputsJob {
  readonly table: TxTable;
  /** One slot for each input of the table; only those of the range are read. */
  readonly prevouts: Prevouts;
  /** SCRIPT_VERIFY_* for every transaction of the range. */
  readonly flags: number;
  readonly fromTx: number;
  /** One after the last transaction. */
  readonly toTx: number;
  /** Only these inputs of the range are verified; all when left out. The prevouts of the others are read, too. */
  readonly inputs?: InputRange | undefined;
}

/** Straight spends that are gathered, to the end of their transaction, before their hashes are made. */
const GROUP = 256;
/** Signatures checked in one call. */
const SIGNATURES = 64;

/** Verifies every input of a range of transactions (coinbases are passed over). */
export function verifyInputs(job: VerifyInputsJob): ScriptFailure | undefined {
  if (job.fromTx >= job.toTx) return undefined;
  return shared().verify(job, true);
}

/** Verifies every input of a table with one transaction, as the mempool does. `input` counts within it. */
export function verifyTransaction(
  table: TxTable,
  prevouts: Prevouts,
  flags: number,
): { readonly input: number; readonly error: ScriptError } | undefined {
  const failure = shared().verify({ table, prevouts, flags, fromTx: 0, toTx: 1 }, false);
  return failure === undefined ? undefined : { input: failure.input, error: failure.error };
}

let sharedVerifier: InputVerifier | undefined;

function shared(): InputVerifier {
  sharedVerifier ??= new InputVerifier(defaultVerifier);
  return sharedVerifier;
}

/** Keeps its buffers from job to job; one job at a time. */
export class InputVerifier {
  readonly #verifier: Verifier;
  readonly #signatures: SignatureBatch;
  readonly #sighashes = new SighashBatch();
  // Set by verify().
  #table!: TxTable;
  #prevouts!: Prevouts;
  #flags = 0;
  #fromInput = 0;
  #toInput = 0;
  /** Of the transaction whose inputs were interpreted last. */
  #midstates: SighashMidstates | undefined;
  /** The straight spends that wait. */
  #rows = new Int32Array(2 * GROUP * SPEND_STRIDE);
  #count = 0;
  /** Row of each signature in the batch. */
  readonly #batchRows = new Int32Array(SIGNATURES);
  // What the kernel made of the waiting spends.
  #keyDigests: Uint8Array = EMPTY;
  #doubleSighashes: Uint8Array = EMPTY;
  #singleSighashes: Uint8Array = EMPTY;
  // Where signatures, keys and digests are gathered for the batch.
  readonly #signature = new Uint8Array(64);
  readonly #compressed = new Uint8Array(33);
  readonly #uncompressed = new Uint8Array(65);
  readonly #xOnly = new Uint8Array(32);
  readonly #digest = new Uint8Array(32);

  constructor(verifier: Verifier) {
    this.#verifier = verifier;
    this.#signatures = verifier.batch();
  }

  verify(job: VerifyInputsJob, passCoinbase: boolean): ScriptFailure | undefined {
    const { table, fromTx, toTx } = job;
    this.#table = table;
    this.#prevouts = job.prevouts;
    this.#flags = job.flags;
    this.#fromInput = job.inputs?.from ?? 0;
    this.#toInput = job.inputs?.to ?? table.inputTotal;
    this.#midstates = undefined;
    this.#count = 0;
    this.#signatures.reset();
    this.#sighashes.open(table, fromTx, toTx);
    for (let tx = fromTx; tx < toTx; tx++) {
      if (passCoinbase && table.isCoinbase(tx)) continue;
      const failure = this.#gather(tx);
      if (failure !== undefined) return failure;
      if (this.#count < GROUP) continue;
      const waiting = this.#settle();
      if (waiting !== undefined) return waiting;
    }
    return this.#settle();
  }

  /** Interprets a transaction's unusual inputs and lets the others wait. */
  #gather(tx: number): ScriptFailure | undefined {
    const table = this.#table;
    const first = Math.max(table.firstInput(tx), this.#fromInput);
    const end = Math.min(table.firstInput(tx) + table.inputCount(tx), this.#toInput);
    for (let input = first; input < end; input++) {
      const row = this.#reserveRow();
      const template = matchTemplate(table, this.#prevouts, input, this.#flags, this.#rows, row);
      if (template !== NO_TEMPLATE) {
        this.#rows[row + SPEND_TX] = tx;
        this.#rows[row + SPEND_INPUT] = input;
        this.#rows[row + SPEND_TEMPLATE] = template;
        this.#count++;
        continue;
      }
      const failure = this.#interpret(tx, input);
      // A spend that waits comes before this one: if it fails too, it is the first.
      if (failure !== undefined) return this.#settle() ?? failure;
    }
    return undefined;
  }

  #reserveRow(): number {
    const row = this.#count * SPEND_STRIDE;
    if (row + SPEND_STRIDE > this.#rows.length) {
      const grown = new Int32Array(this.#rows.length * 2);
      grown.set(this.#rows);
      this.#rows = grown;
    }
    return row;
  }

  #midstatesOf(tx: number): SighashMidstates {
    if (this.#midstates?.tx !== tx) this.#midstates = new SighashMidstates(this.#table, tx, this.#prevouts);
    return this.#midstates;
  }

  #interpret(tx: number, input: number): ScriptFailure | undefined {
    const table = this.#table;
    const prevouts = this.#prevouts;
    const checker = new TxSignatureChecker(
      this.#midstatesOf(tx),
      input,
      prevouts.amount(input),
      this.#verifier,
    );
    const error = verifyScript(
      table.inputScript(input),
      prevouts.script(input),
      table.witness(input),
      this.#flags,
      checker,
    );
    return error === undefined ? undefined : { tx, input, error };
  }

  /** Verifies the spends that wait, in their order, and forgets them. */
  #settle(): ScriptFailure | undefined {
    const count = this.#count;
    this.#count = 0;
    if (count === 0) return undefined;
    this.#makeHashes(count * SPEND_STRIDE);
    for (let row = 0; row < count * SPEND_STRIDE; row += SPEND_STRIDE) {
      let failure: ScriptFailure | undefined;
      if (!this.#addSignature(row)) failure = this.#runBatch() ?? this.#interpretRow(row);
      else if (this.#signatures.length === SIGNATURES) failure = this.#runBatch();
      if (failure !== undefined) return failure;
    }
    return this.#runBatch();
  }

  #interpretRow(row: number): ScriptFailure | undefined {
    return this.#interpret(this.#rows[row + SPEND_TX]!, this.#rows[row + SPEND_INPUT]!);
  }

  /** All hashes of the rows before `end`. */
  #makeHashes(end: number): void {
    const sighashes = this.#sighashes;
    sighashes.rewind();
    this.#shareDoubles(end);
    sighashes.closeDouble();
    const keys = this.#shareSingles(end);
    sighashes.closeSingle();
    this.#keyDigests = keys === 0 ? EMPTY : sighashes.singleHashes(keys);
    this.#addSighashes(end);
  }

  /** What BIP143 shares within a transaction. */
  #shareDoubles(end: number): void {
    const rows = this.#rows;
    let last = -1;
    let slot = 0;
    for (let row = 0; row < end; row += SPEND_STRIDE) {
      const template = rows[row + SPEND_TEMPLATE];
      if (template === PUBKEY_HASH || template === TAPROOT_KEY) continue;
      const tx = rows[row + SPEND_TX]!;
      if (tx !== last) {
        slot = this.#sighashes.shareSegwitV0(tx);
        last = tx;
      }
      rows[row + SPEND_SHARED] = slot;
    }
  }

  /** Hashes of keys and redeem scripts, then what BIP341 shares. @returns how many the first are. */
  #shareSingles(end: number): number {
    const rows = this.#rows;
    const table = this.#table;
    let keys = 0;
    for (let row = 0; row < end; row += SPEND_STRIDE) {
      const template = rows[row + SPEND_TEMPLATE];
      if (template === TAPROOT_KEY) continue;
      rows[row + SPEND_KEY_DIGEST] = keys++;
      this.#sighashes.shareHash(rows[row + SPEND_KEY]!, rows[row + SPEND_KEY_LENGTH]!);
      if (template !== NESTED_PUBKEY_HASH) continue;
      this.#sighashes.shareHash(table.inputScriptStart(rows[row + SPEND_INPUT]!) + 1, 22);
      keys++;
    }
    let last = -1;
    let slot = 0;
    for (let row = 0; row < end; row += SPEND_STRIDE) {
      if (rows[row + SPEND_TEMPLATE] !== TAPROOT_KEY) continue;
      const tx = rows[row + SPEND_TX]!;
      if (tx !== last) {
        slot = this.#sighashes.shareTaproot(tx, this.#prevouts);
        last = tx;
      }
      rows[row + SPEND_SHARED] = slot;
    }
    return keys;
  }

  #addSighashes(end: number): void {
    const rows = this.#rows;
    const sighashes = this.#sighashes;
    let blankedTx = -1;
    let blanked = 0;
    for (let row = 0; row < end; row += SPEND_STRIDE) {
      const template = rows[row + SPEND_TEMPLATE];
      if (template === TAPROOT_KEY) continue;
      const tx = rows[row + SPEND_TX]!;
      if (template === PUBKEY_HASH && tx !== blankedTx) {
        blanked = sighashes.shareBlanked(this.#midstatesOf(tx));
        blankedTx = tx;
      }
      rows[row + SPEND_SIGHASH] = this.#addKeyHashSighash(row, blanked);
    }
    this.#doubleSighashes = sighashes.digestDouble();
    for (let row = 0; row < end; row += SPEND_STRIDE) {
      if (rows[row + SPEND_TEMPLATE] !== TAPROOT_KEY) continue;
      const hashType = taprootHashType(rows[row + SPEND_SIGNATURE_LENGTH]!);
      const shared = rows[row + SPEND_SHARED]!;
      const tx = rows[row + SPEND_TX]!;
      rows[row + SPEND_SIGHASH] = sighashes.addTaproot(tx, rows[row + SPEND_INPUT]!, shared, hashType);
    }
    this.#singleSighashes = sighashes.digestSingle();
  }

  #addKeyHashSighash(row: number, blanked: number): number {
    const rows = this.#rows;
    const prevouts = this.#prevouts;
    const tx = rows[row + SPEND_TX]!;
    const input = rows[row + SPEND_INPUT]!;
    const script = prevouts.offsets[input]!;
    const template = rows[row + SPEND_TEMPLATE];
    if (template === PUBKEY_HASH) {
      return this.#sighashes.addLegacy(tx, input, blanked, prevouts.scripts, script + 3);
    }
    const nested = template === NESTED_PUBKEY_HASH;
    const hashes = nested ? this.#table.bytes : prevouts.scripts;
    const hashAt = nested ? this.#table.inputScriptStart(input) + 3 : script + 2;
    const shared = rows[row + SPEND_SHARED]!;
    return this.#sighashes.addSegwitV0(tx, input, shared, hashes, hashAt, prevouts.amounts[input]!);
  }

  /** Puts a row's signature into the batch; false when the straight path cannot accept it. */
  #addSignature(row: number): boolean {
    const rows = this.#rows;
    const at = rows[row + SPEND_SIGNATURE]!;
    const sighash = rows[row + SPEND_SIGHASH]! * 32;
    this.#batchRows[this.#signatures.length] = row;
    if (rows[row + SPEND_TEMPLATE] === TAPROOT_KEY) {
      const key = this.#prevouts.offsets[rows[row + SPEND_INPUT]!]! + 2;
      copyTo(this.#signature, this.#table.bytes, at);
      copyTo(this.#xOnly, this.#prevouts.scripts, key);
      copyTo(this.#digest, this.#singleSighashes, sighash);
      this.#signatures.addSchnorr(this.#signature, this.#xOnly, this.#digest);
      return true;
    }
    if (!this.#isKeyCommitted(row)) return false;
    const { bytes } = this.#table;
    if (!readStrictSignature(bytes, at, rows[row + SPEND_SIGNATURE_LENGTH]!, this.#signature)) return false;
    if (hasHighS(this.#signature)) {
      if ((this.#flags & SCRIPT_VERIFY_LOW_S) !== 0) return false;
      normalizeS(this.#signature);
    }
    const key = rows[row + SPEND_KEY_LENGTH] === 33 ? this.#compressed : this.#uncompressed;
    copyTo(key, bytes, rows[row + SPEND_KEY]!);
    copyTo(this.#digest, this.#doubleSighashes, sighash);
    this.#signatures.addEcdsa(this.#signature, key, this.#digest);
    return true;
  }

  /** Whether the output commits to the key, through the redeem script where it is nested. */
  #isKeyCommitted(row: number): boolean {
    const rows = this.#rows;
    const input = rows[row + SPEND_INPUT]!;
    const template = rows[row + SPEND_TEMPLATE];
    const slot = rows[row + SPEND_KEY_DIGEST]!;
    const { scripts, offsets } = this.#prevouts;
    const script = offsets[input]!;
    if (template === PUBKEY_HASH) return this.#isHash160(slot, scripts, script + 3);
    if (template !== NESTED_PUBKEY_HASH) return this.#isHash160(slot, scripts, script + 2);
    const program = this.#table.inputScriptStart(input) + 3;
    return (
      this.#isHash160(slot, this.#table.bytes, program) && this.#isHash160(slot + 1, scripts, script + 2)
    );
  }

  /** Whether the key digest in `slot` leads to the 20 bytes at `at` of `expected`. */
  #isHash160(slot: number, expected: Uint8Array, at: number): boolean {
    copyTo(this.#digest, this.#keyDigests, slot * 32);
    const hash = ripemd160(this.#digest);
    for (let i = 0; i < 20; i++) if (hash[i] !== expected[at + i]) return false;
    return true;
  }

  /** Checks the signatures in the batch; the interpreter tells what is wrong with the first that fails. */
  #runBatch(): ScriptFailure | undefined {
    const signatures = this.#signatures;
    const failed = signatures.run();
    signatures.reset();
    if (failed < 0) return undefined;
    const failure = this.#interpretRow(this.#batchRows[failed]!);
    if (failure === undefined)
      throw new Error("the interpreter accepts a spend whose signature does not hold");
    return failure;
  }
}

const EMPTY = new Uint8Array(0);

/** Fills `to` from the bytes at `at`. */
function copyTo(to: Uint8Array, from: Uint8Array, at: number): void {
  for (let i = 0; i < to.length; i++) to[i] = from[at + i]!;
}
