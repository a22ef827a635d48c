import { nodeDigestInto } from "./node-digest.ts";
import { growMemory, newSha256Kernel, type Sha256Kernel } from "./sha256-kernel.ts";

/** Bytes of a digest. */
const DIGEST = 32;

/**
 * SHA-256 of many messages in one call of the SIMD kernel, four at a time. A message is a list of pieces of the
 * **arena**: the loaded bytes and what was appended after them. So a block's txids, wtxids and sighash midstates
 * are one call each over its own bytes, and nothing is allocated per message.
 *
 * ```
 * batch.load(block);
 * for each message: batch.piece(offset, length) …; batch.end();
 * const digests = batch.digest(2);
 * ```
 *
 * {@link keep} leaves the digests in the arena, so that the next messages can have them as pieces (BIP143's
 * midstates). Messages should be added with similar ones in any order: they are sorted by their length.
 * An instance has its own memory, which grows to what was needed most and stays; it is not for two threads.
 */
export class Sha256Batch {
  readonly #kernel: Sha256Kernel;
  /** Address of the arena. */
  readonly #arena: number;
  #arenaLength = 0;
  #arenaCapacity: number;
  #bytes: Uint8Array;

  /** Pieces and message ends wait here, in JavaScript's memory, which the JIT writes fastest. */
  #pieces = new Int32Array(4096);
  #pieceWords = 0;
  #ends = new Int32Array(1024);
  #count = 0;

  constructor() {
    this.#kernel = newSha256Kernel();
    this.#arena = (this.#kernel.heapBase() + 15) & ~15;
    this.#bytes = new Uint8Array(this.#kernel.memory.buffer);
    this.#arenaCapacity = this.#bytes.length - this.#arena;
  }

  /** Makes `bytes` the whole arena, from offset 0, and drops messages that were not hashed. */
  load(bytes: Uint8Array): void {
    this.#arenaLength = 0;
    this.#pieceWords = 0;
    this.#count = 0;
    this.append(bytes);
  }

  /** Copies `bytes` to the end of the arena; returns their offset. */
  append(bytes: Uint8Array): number {
    const offset = this.#grow(bytes.length);
    const to = this.#arena + offset;
    if (bytes.length <= 48) {
      // A call of set() costs more than a short loop.
      const memory = this.#bytes;
      for (let i = 0; i < bytes.length; i++) memory[to + i] = bytes[i]!;
    } else {
      this.#bytes.set(bytes, to);
    }
    return offset;
  }

  /** Appends a 32-bit integer, little-endian; returns its offset. */
  appendU32(value: number): number {
    const offset = this.#grow(4);
    const memory = this.#bytes;
    const to = this.#arena + offset;
    memory[to] = value;
    memory[to + 1] = value >>> 8;
    memory[to + 2] = value >>> 16;
    memory[to + 3] = value >>> 24;
    return offset;
  }

  /** Bytes of the arena in use: the offset that the next append will return. */
  get length(): number {
    return this.#arenaLength;
  }

  /** Gives back what was appended from `length` on. Messages that are not hashed yet must not need it. */
  rewind(length: number): void {
    if (length > this.#arenaLength) throw new RangeError("Sha256Batch: rewind beyond the end");
    this.#arenaLength = length;
  }

  /** Appends part of the arena to the current message. That it lies inside is checked when hashing. */
  piece(offset: number, length: number): void {
    const at = this.#pieceWords;
    if (at + 2 > this.#pieces.length) this.#pieces = enlarged(this.#pieces, at + 2);
    this.#pieces[at] = offset;
    this.#pieces[at + 1] = length;
    this.#pieceWords = at + 2;
  }

  /** Appends bytes from elsewhere to the current message. */
  literal(bytes: Uint8Array): void {
    this.piece(this.append(bytes), bytes.length);
  }

  /** Appends a 32-bit integer, little-endian, to the current message. */
  u32(value: number): void {
    this.piece(this.appendU32(value), 4);
  }

  /** Closes the current message; returns its index. */
  end(): number {
    const index = this.#count;
    if (index === this.#ends.length) this.#ends = enlarged(this.#ends, index + 1);
    this.#ends[index] = this.#pieceWords >> 1;
    this.#count = index + 1;
    return index;
  }

  /**
   * Adds messages of equally many pieces at once.
   * @param pieces offset and length, `piecesPerMessage` pairs a message; a length of 0 is no piece.
   * @returns the index of the first.
   */
  addMessages(pieces: Int32Array, piecesPerMessage: number): number {
    const first = this.#count;
    const count = pieces.length / (2 * piecesPerMessage);
    if (!Number.isInteger(count)) throw new RangeError("Sha256Batch: not a whole number of messages");
    const at = this.#pieceWords;
    if (at + pieces.length > this.#pieces.length) this.#pieces = enlarged(this.#pieces, at + pieces.length);
    if (first + count > this.#ends.length) this.#ends = enlarged(this.#ends, first + count);
    this.#pieces.set(pieces, at);
    this.#pieceWords = at + pieces.length;
    let end = at >> 1;
    for (let i = first; i < first + count; i++) {
      end += piecesPerMessage;
      this.#ends[i] = end;
    }
    this.#count = first + count;
    return first;
  }

  /** Messages that were closed and not hashed yet. */
  get count(): number {
    return this.#count;
  }

  /**
   * Hashes all messages and starts anew over the same arena.
   * @param rounds 1 for SHA-256, 2 for SHA-256 twice.
   * @returns 32 bytes a message, in the order they were closed.
   */
  digest(rounds: 1 | 2): Uint8Array {
    const count = this.#count;
    const length = this.#arenaLength;
    const at = this.keep(rounds);
    this.#arenaLength = length;
    return this.slice(at, count * DIGEST);
  }

  /** As {@link digest}, but appends the digests to the arena; returns their offset. */
  keep(rounds: 1 | 2): number {
    const count = this.#count;
    const pieceWords = this.#pieceWords;
    if (pieceWords !== (count === 0 ? 0 : this.#ends[count - 1]! << 1)) {
      throw new RangeError("Sha256Batch: the last message was not closed");
    }
    const limit = this.#arenaLength;
    const offset = this.#grow(count * DIGEST);
    if (count > 0) this.#hash(limit, offset, rounds);
    this.#pieceWords = 0;
    this.#count = 0;
    return offset;
  }

  /** A copy of part of the arena. */
  slice(offset: number, length: number): Uint8Array {
    if (offset + length > this.#bytes.length - this.#arena)
      throw new RangeError("Sha256Batch: outside the arena");
    return this.#bytes.slice(this.#arena + offset, this.#arena + offset + length);
  }

  /** Runs the kernel with its tables behind the arena. Pieces may reach up to `limit`. */
  #hash(limit: number, offset: number, rounds: 1 | 2): void {
    const count = this.#count;
    const pieces = (this.#arena + this.#arenaLength + 31) & ~15;
    const ends = pieces + 4 * this.#pieceWords;
    const blocks = ends + 4 * count;
    const order = blocks + 4 * count;
    this.#reserve(order + 4 * count);
    const words = new Int32Array(this.#bytes.buffer);
    words.set(this.#pieces.subarray(0, this.#pieceWords), pieces >> 2);
    words.set(this.#ends.subarray(0, count), ends >> 2);
    const out = this.#arena + offset;
    const kernel = this.#kernel;
    const long = kernel.digest(this.#arena, limit, pieces, ends, count, blocks, order, rounds, out);
    if (long < 0) {
      this.#pieceWords = 0;
      this.#count = 0;
      throw new RangeError("Sha256Batch: a piece lies outside the arena");
    }
    if (long > 0) {
      const messages = words.slice(order >> 2, (order >> 2) + long);
      for (const message of messages) this.#hashLong(message, pieces, ends, out + message * DIGEST, rounds);
    }
  }

  /** A message of more than 4 KB goes to OpenSSL, which is faster than one lane of the kernel from there on. */
  #hashLong(message: number, pieces: number, ends: number, out: number, rounds: 1 | 2): void {
    const to = ends + 12 * this.#count + 16;
    this.#reserve(to + this.#messageLength(message) + 16);
    const length = this.#kernel.assemble(this.#arena, pieces, ends, message, to);
    nodeDigestInto("sha256", this.#bytes.subarray(to, to + length), this.#bytes, out);
    if (rounds === 2) this.#kernel.rehash(out);
  }

  #messageLength(message: number): number {
    let length = 0;
    const first = message === 0 ? 0 : this.#ends[message - 1]!;
    for (let piece = first; piece < this.#ends[message]!; piece++) length += this.#pieces[2 * piece + 1]!;
    return length;
  }

  /** Extends the arena by `length`; returns the offset of the new part. */
  #grow(length: number): number {
    const offset = this.#arenaLength;
    if (offset + length > this.#arenaCapacity) this.#reserve(this.#arena + offset + length);
    this.#arenaLength = offset + length;
    return offset;
  }

  /** Makes memory reach to `end`, by doubling. */
  #reserve(end: number): void {
    const size = this.#bytes.length;
    if (end <= size) return;
    growMemory(this.#kernel.memory, Math.max(end, 2 * size));
    this.#bytes = new Uint8Array(this.#kernel.memory.buffer);
    this.#arenaCapacity = this.#bytes.length - this.#arena;
  }
}

function enlarged(words: Int32Array, length: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(Math.max(length, words.length * 2));
  larger.set(words);
  return larger;
}

let rowKernel: Sha256Kernel | undefined;
let rowBytes = new Uint8Array(0);

/**
 * The next row of a Merkle tree: double SHA-256 of each pair of the `count` digests that stand end to end; where
 * the count is odd, the last is paired with itself.
 * @returns ⌈count / 2⌉ digests.
 */
export function merkleRow(digests: Uint8Array, count: number): Uint8Array {
  rowKernel ??= newSha256Kernel();
  const base = (rowKernel.heapBase() + 15) & ~15;
  const pairs = (count + 1) >> 1;
  growMemory(rowKernel.memory, base + 64 * pairs);
  if (rowBytes.buffer !== rowKernel.memory.buffer) rowBytes = new Uint8Array(rowKernel.memory.buffer);
  rowBytes.set(digests.subarray(0, count * DIGEST), base);
  if ((count & 1) === 1) {
    const last = base + (count - 1) * DIGEST;
    rowBytes.copyWithin(last + DIGEST, last, last + DIGEST);
  }
  rowKernel.hashPairs(base, pairs, base);
  return rowBytes.slice(base, base + pairs * DIGEST);
}
