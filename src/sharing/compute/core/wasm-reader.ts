/** Reads the binary format of WebAssembly (core specification, chapter 5) within bounds. */
import { DecodeError } from "#base/lib/decode-error.ts";

const NUMERIC = [0x7f, 0x7e, 0x7d, 0x7c, 0x7b]; // i32 i64 f32 f64 v128
const REFERENCES = [0x70, 0x6f]; // funcref externref

export class WasmReader {
  readonly bytes: Uint8Array;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get done(): boolean {
    return this.at >= this.bytes.length;
  }

  peek(): number {
    const value = this.bytes[this.at];
    if (value === undefined) throw new DecodeError("the module ends too early");
    return value;
  }

  byte(): number {
    const value = this.peek();
    this.at++;
    return value;
  }

  skip(count: number): void {
    if (count > this.bytes.length - this.at) throw new DecodeError("the module ends too early");
    this.at += count;
  }

  /** An unsigned LEB128 number of 32 bits: at most five bytes, nothing beyond bit 31. */
  u32(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      if (shift === 28 && byte > 0x0f) throw new DecodeError("a number beyond 32 bits");
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new DecodeError("a number beyond 32 bits");
  }

  /** A count of items that follow, each of at least one byte. */
  count(): number {
    const count = this.u32();
    if (count > this.bytes.length - this.at) throw new DecodeError("more items than bytes");
    return count;
  }

  /** Passes a signed LEB128 number of at most `most` bytes. */
  skipLeb(most: number): void {
    for (let i = 0; i < most; i++) if (this.byte() < 0x80) return;
    throw new DecodeError("a number that is too long");
  }

  name(): string {
    const length = this.u32();
    const start = this.at;
    this.skip(length);
    if (length > 1024) throw new DecodeError("a name of more than 1024 bytes");
    try {
      return new TextDecoder("utf-8", { fatal: true }).decode(this.bytes.subarray(start, this.at));
    } catch {
      throw new DecodeError("a name that is not UTF-8");
    }
  }

  valueType(): void {
    const type = this.byte();
    if (!NUMERIC.includes(type) && !REFERENCES.includes(type)) {
      throw new DecodeError("garbage-collected types are not supported");
    }
  }

  referenceType(): void {
    if (!REFERENCES.includes(this.byte())) throw new DecodeError("typed references are not supported");
  }
}
