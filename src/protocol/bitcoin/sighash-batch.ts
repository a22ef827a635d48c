/**
 * Signature hashes of many inputs at once, by the hash kernel over the transactions' own bytes: first all that
 * the inputs of each transaction share, then a message for each input. Only what nearly every signature uses:
 * legacy and BIP143 with SIGHASH_ALL, BIP341 key path with SIGHASH_DEFAULT or SIGHASH_ALL. See sighash.ts for
 * one hash of any kind.
 */

import { sha256 } from "#base/crypto/sha256.ts";
import { Sha256Batch } from "#base/crypto/sha256-batch.ts";
import { compactSizeLength } from "#base/lib/byte-writer.ts";
import { writeI64, writeU32 } from "#base/lib/bytes.ts";
import { OP_CHECKSIG, OP_DUP, OP_EQUALVERIFY, OP_HASH160 } from "./opcodes.ts";
import type { Prevouts } from "./prevouts.ts";
import { outputsStart, SIGHASH_ALL, type SighashMidstates } from "./sighash.ts";
import type { TxTable } from "./tx-table.ts";

const DIGEST = 32;
/** The script code of a key hash with its length in front, and the amount after it. */
const KEY_HASH_CODE = 26;

/**
 * The order of calls: {@link open}; then for each group of inputs, of whole transactions, the `share…` methods
 * and {@link closeDouble}, the rest of them and {@link closeSingle}, the `add…` methods for double hashes and
 * {@link digestDouble}, that for taproot and {@link digestSingle}, {@link rewind}.
 */
export class SighashBatch {
  readonly #kernel = new Sha256Batch();
  #table: TxTable | undefined;
  /** Offset in the table's bytes of what stands at the arena's start. */
  #shift = 0;
  /** Arena length with the transactions and the constants, and nothing of a group. */
  #base = 0;
  /** Arena offset of 01 00 00 00. */
  #hashTypeAll = 0;
  /** Arena offset of BIP341's tag, epoch and SIGHASH_DEFAULT; 66 bytes on, the same with SIGHASH_ALL. */
  #taprootPrefix = 0;
  #doubles = 0;
  #singles = 0;
  readonly #code = new Uint8Array(KEY_HASH_CODE + 8);
  readonly #word = new Uint8Array(8);

  constructor() {
    this.#code.set([25, OP_DUP, OP_HASH160, 20]);
    this.#code[24] = OP_EQUALVERIFY;
    this.#code[25] = OP_CHECKSIG;
  }

  /** Takes in the bytes of the transactions from `fromTx` to before `toTx`. */
  open(table: TxTable, fromTx: number, toTx: number): void {
    const kernel = this.#kernel;
    this.#table = table;
    this.#shift = table.start(fromTx);
    kernel.load(table.bytes.subarray(this.#shift, table.end(toTx - 1)));
    this.#hashTypeAll = kernel.appendU32(SIGHASH_ALL);
    this.#taprootPrefix = kernel.append(TAPROOT_PREFIXES);
    this.#base = kernel.length;
  }

  /** Forgets all groups; the transactions stay. */
  rewind(): void {
    this.#kernel.rewind(this.#base);
  }

  /** Adds BIP143's three hashes of a transaction; returns their slot. */
  shareSegwitV0(tx: number): number {
    const table = this.#table!;
    const kernel = this.#kernel;
    const first = table.firstInput(tx);
    const end = first + table.inputCount(tx);
    for (let input = first; input < end; input++) kernel.piece(table.outpoint(input) - this.#shift, 36);
    const slot = kernel.end();
    for (let input = first; input < end; input++) this.#sequence(table, input);
    kernel.end();
    this.#outputs(table, tx);
    kernel.end();
    return slot;
  }

  /** Hashes what was added so far, twice. Slots are offsets of it. */
  closeDouble(): void {
    this.#doubles = this.#kernel.keep(2);
  }

  /** Adds a single hash of `length` bytes at `offset` of the table's bytes; returns its slot. */
  shareHash(offset: number, length: number): number {
    this.#kernel.piece(offset - this.#shift, length);
    return this.#kernel.end();
  }

  /** Adds BIP341's five hashes of a transaction; returns their slot. */
  shareTaproot(tx: number, prevouts: Prevouts): number {
    const table = this.#table!;
    const kernel = this.#kernel;
    const first = table.firstInput(tx);
    const end = first + table.inputCount(tx);
    for (let input = first; input < end; input++) kernel.piece(table.outpoint(input) - this.#shift, 36);
    const slot = kernel.end();
    for (let input = first; input < end; input++) {
      writeI64(this.#word, 0, prevouts.amount(input));
      kernel.literal(this.#word);
    }
    kernel.end();
    for (let input = first; input < end; input++) this.#spentScript(prevouts, input);
    kernel.end();
    for (let input = first; input < end; input++) this.#sequence(table, input);
    kernel.end();
    this.#outputs(table, tx);
    kernel.end();
    return slot;
  }

  /** Hashes what was added since {@link closeDouble}, once. */
  closeSingle(): void {
    this.#singles = this.#kernel.keep(1);
  }

  /** A copy of the first `count` single hashes, end to end. */
  singleHashes(count: number): Uint8Array {
    return this.#kernel.slice(this.#singles, count * DIGEST);
  }

  /**
   * Puts the transaction with empty input scripts into the arena; returns its offset, for {@link addLegacy}.
   * @param midstates of that transaction.
   */
  shareBlanked(midstates: SighashMidstates): number {
    return this.#kernel.append(midstates.blanked);
  }

  /** The legacy hash of an input that spends to a key hash, which stands at `hashAt` of `hashes`. */
  addLegacy(tx: number, input: number, blanked: number, hashes: Uint8Array, hashAt: number): number {
    const table = this.#table!;
    const kernel = this.#kernel;
    const count = table.inputCount(tx);
    const at = 40 + compactSizeLength(count) + 41 * (input - table.firstInput(tx));
    const outputs = compactSizeLength(table.outputCount(tx)) + table.bodyEnd(tx) - outputsStart(table, tx);
    const length = 8 + compactSizeLength(count) + 41 * count + outputs;
    const code = this.#keyHashCode(hashes, hashAt, 0);
    kernel.piece(blanked, at);
    kernel.piece(code, KEY_HASH_CODE);
    kernel.piece(blanked + at + 1, length - at - 1);
    kernel.piece(this.#hashTypeAll, 4);
    return kernel.end();
  }

  /** The BIP143 hash of an input that spends `amount` satoshi to the key hash at `hashAt` of `hashes`. */
  addSegwitV0(
    tx: number,
    input: number,
    slot: number,
    hashes: Uint8Array,
    hashAt: number,
    amount: number,
  ): number {
    const table = this.#table!;
    const kernel = this.#kernel;
    const shift = this.#shift;
    const midstates = this.#doubles + slot * DIGEST;
    kernel.piece(table.start(tx) - shift, 4);
    kernel.piece(midstates, 2 * DIGEST);
    kernel.piece(table.outpoint(input) - shift, 36);
    kernel.piece(this.#keyHashCode(hashes, hashAt, amount), KEY_HASH_CODE + 8);
    this.#sequence(table, input);
    kernel.piece(midstates + 2 * DIGEST, DIGEST);
    kernel.piece(table.end(tx) - 4 - shift, 4);
    kernel.piece(this.#hashTypeAll, 4);
    return kernel.end();
  }

  /** Hashes all that `addLegacy` and `addSegwitV0` added: 32 bytes each, by the indexes that they returned. */
  digestDouble(): Uint8Array {
    return this.#kernel.digest(2);
  }

  /** The BIP341 hash of a key path spend without an annex. @param hashType SIGHASH_DEFAULT or SIGHASH_ALL. */
  addTaproot(tx: number, input: number, slot: number, hashType: number): number {
    const table = this.#table!;
    const kernel = this.#kernel;
    kernel.piece(this.#taprootPrefix + hashType * TAPROOT_PREFIX, TAPROOT_PREFIX);
    kernel.piece(table.start(tx) - this.#shift, 4);
    kernel.piece(table.end(tx) - 4 - this.#shift, 4);
    kernel.piece(this.#singles + slot * DIGEST, 5 * DIGEST);
    // The spend type, zero, and the input's position: one word and its fifth byte.
    const position = input - table.firstInput(tx);
    this.#word[0] = 0;
    writeU32(this.#word, 1, position);
    kernel.piece(kernel.append(this.#word), 5);
    return kernel.end();
  }

  /** Hashes all that `addTaproot` added. */
  digestSingle(): Uint8Array {
    return this.#kernel.digest(1);
  }

  #sequence(table: TxTable, input: number): void {
    this.#kernel.piece(table.inputScriptStart(input) + table.inputScriptLength(input) - this.#shift, 4);
  }

  #outputs(table: TxTable, tx: number): void {
    const start = outputsStart(table, tx);
    this.#kernel.piece(start - this.#shift, table.bodyEnd(tx) - start);
  }

  #spentScript(prevouts: Prevouts, input: number): void {
    const script = prevouts.script(input);
    const { length } = script;
    const word = this.#word;
    if (length < 0xfd) {
      word[0] = length;
    } else {
      word[0] = length < 0x1_0000 ? 0xfd : 0xfe;
      writeU32(word, 1, length);
    }
    this.#kernel.piece(this.#kernel.append(word), compactSizeLength(length));
    this.#kernel.literal(script);
  }

  #keyHashCode(hashes: Uint8Array, hashAt: number, amount: number): number {
    const code = this.#code;
    for (let i = 0; i < 20; i++) code[4 + i] = hashes[hashAt + i]!;
    writeI64(code, KEY_HASH_CODE, amount);
    return this.#kernel.append(code);
  }
}

/** The hash of the tag twice, the epoch and the hash type. */
const TAPROOT_PREFIX = 66;
const TAPROOT_PREFIXES = taprootPrefixes();

function taprootPrefixes(): Uint8Array {
  const tag = sha256(new TextEncoder().encode("TapSighash"));
  const prefixes = new Uint8Array(2 * TAPROOT_PREFIX);
  for (const hashType of [0, SIGHASH_ALL]) {
    prefixes.set(tag, hashType * TAPROOT_PREFIX);
    prefixes.set(tag, hashType * TAPROOT_PREFIX + DIGEST);
    prefixes[hashType * TAPROOT_PREFIX + 65] = hashType;
  }
  return prefixes;
}
