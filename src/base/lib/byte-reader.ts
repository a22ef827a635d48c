import { readBigU64, readI32, readI64, readU16, readU32 } from "./bytes.ts";
import { DecodeError } from "./decode-error.ts";

/** Core's MAX_SIZE: no serialised vector or string announces more (serialize.h). */
export const MAX_SIZE = 0x0200_0000;

/** Reads a serialised value from the front. Every method throws {@link DecodeError} past the end. */
export class ByteReader {
  readonly bytes: Uint8Array;
  at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.bytes = bytes;
    this.at = at;
  }

  get remaining(): number {
    return this.bytes.length - this.at;
  }

  #take(length: number): number {
    const at = this.at;
    if (length > this.bytes.length - at) throw new DecodeError("end of data");
    this.at = at + length;
    return at;
  }

  u8(): number {
    return this.bytes[this.#take(1)]!;
  }

  u16(): number {
    return readU16(this.bytes, this.#take(2));
  }

  /** Big-endian, as ports are sent (BIP155). */
  u16be(): number {
    const at = this.#take(2);
    return (this.bytes[at]! << 8) | this.bytes[at + 1]!;
  }

  u32(): number {
    return readU32(this.bytes, this.#take(4));
  }

  i32(): number {
    return readI32(this.bytes, this.#take(4));
  }

  /** Signed 64-bit; see {@link readI64} for values beyond 2^53. */
  i64(): number {
    return readI64(this.bytes, this.#take(8));
  }

  bigU64(): bigint {
    return readBigU64(this.bytes, this.#take(8));
  }

  /** A view into the input, not a copy. */
  view(length: number): Uint8Array {
    const at = this.#take(length);
    return this.bytes.subarray(at, at + length);
  }

  copy(length: number): Uint8Array {
    const at = this.#take(length);
    return this.bytes.slice(at, at + length);
  }

  /**
   * CompactSize (Bitcoin's variable-length count). Throws unless it is the shortest form, and with `ranged`
   * (the default) unless it is at most {@link MAX_SIZE}; unranged values beyond 2^53 throw too.
   */
  compactSize(ranged = true): number {
    const first = this.u8();
    let value = first;
    if (first === 0xfd) {
      value = this.u16();
      if (value < 0xfd) throw new DecodeError("non-canonical ReadCompactSize()");
    } else if (first === 0xfe) {
      value = this.u32();
      if (value < 0x1_0000) throw new DecodeError("non-canonical ReadCompactSize()");
    } else if (first === 0xff) {
      const low = this.u32();
      value = this.u32() * 0x1_0000_0000 + low;
      if (value < 0x1_0000_0000) throw new DecodeError("non-canonical ReadCompactSize()");
    }
    if ((ranged && value > MAX_SIZE) || !Number.isSafeInteger(value)) {
      throw new DecodeError("ReadCompactSize(): size too large");
    }
    return value;
  }

  /** A byte string with its CompactSize in front, as a view. */
  varBytes(): Uint8Array {
    return this.view(this.compactSize());
  }

  /** Throws unless every byte was read. */
  end(): void {
    if (this.remaining !== 0) throw new DecodeError(`${this.remaining} bytes left over`);
  }
}
