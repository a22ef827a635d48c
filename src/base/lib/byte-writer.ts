import { writeBigU64, writeI64, writeU16, writeU32 } from "./bytes.ts";

/** Length of a count in CompactSize form: 1, 3, 5 or 9 bytes. */
export function compactSizeLength(value: number): number {
  return value < 0xfd ? 1 : value < 0x1_0000 ? 3 : value < 0x1_0000_0000 ? 5 : 9;
}

/** Appends serialised values to a buffer that grows. */
export class ByteWriter {
  #bytes: Uint8Array;
  #length = 0;

  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(capacity);
  }

  get length(): number {
    return this.#length;
  }

  #room(length: number): number {
    const at = this.#length;
    const end = at + length;
    if (end > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(end, this.#bytes.length * 2));
      grown.set(this.#bytes.subarray(0, at));
      this.#bytes = grown;
    }
    this.#length = end;
    return at;
  }

  u8(value: number): this {
    const at = this.#room(1);
    this.#bytes[at] = value;
    return this;
  }

  u16(value: number): this {
    const at = this.#room(2);
    writeU16(this.#bytes, at, value);
    return this;
  }

  u16be(value: number): this {
    return this.u8(value >>> 8).u8(value);
  }

  /** Any 32-bit integer, signed or not. */
  u32(value: number): this {
    const at = this.#room(4);
    writeU32(this.#bytes, at, value);
    return this;
  }

  i64(value: number): this {
    const at = this.#room(8);
    writeI64(this.#bytes, at, value);
    return this;
  }

  bigU64(value: bigint): this {
    const at = this.#room(8);
    writeBigU64(this.#bytes, at, value);
    return this;
  }

  bytes(bytes: Uint8Array): this {
    const at = this.#room(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }

  compactSize(value: number): this {
    if (value < 0xfd) return this.u8(value);
    if (value < 0x1_0000) return this.u8(0xfd).u16(value);
    if (value < 0x1_0000_0000) return this.u8(0xfe).u32(value);
    return this.u8(0xff).i64(value);
  }

  varBytes(bytes: Uint8Array): this {
    return this.compactSize(bytes.length).bytes(bytes);
  }

  /** A copy of what was written; the writer can go on. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }
}
