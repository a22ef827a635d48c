import { sha256 } from "#base/crypto/sha256.ts";
import { ByteWriter } from "#base/lib/byte-writer.ts";
import { readU32 } from "#base/lib/bytes.ts";
import type { Random } from "#base/lib/random.ts";

/** A hash under a secret of its own: the same input gives the same value here, and nobody outside can foretell it. */
export class SaltedHash {
  readonly #salt: Uint8Array;

  constructor(random: Random) {
    this.#salt = random.fill(new Uint8Array(32));
  }

  /** 52 bits of a byte string and integers. */
  number(bytes: Uint8Array, ...integers: readonly number[]): number {
    const digest = this.#digest(bytes, integers);
    return (readU32(digest, 0) & 0xf_ffff) * 0x1_0000_0000 + readU32(digest, 4);
  }

  /** 64 bits. */
  u64(bytes: Uint8Array, ...integers: readonly number[]): bigint {
    const digest = this.#digest(bytes, integers);
    return (BigInt(readU32(digest, 0)) << 32n) | BigInt(readU32(digest, 4));
  }

  /** One bit, 0 or 1. */
  bit(bytes: Uint8Array): number {
    return this.#digest(bytes, [])[0]! & 1;
  }

  #digest(bytes: Uint8Array, integers: readonly number[]): Uint8Array {
    const writer = new ByteWriter(128).bytes(this.#salt).bytes(bytes);
    for (const integer of integers) writer.i64(integer);
    return sha256(writer.finish());
  }
}
