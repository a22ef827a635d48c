/**
 * A wire format declared once gives both directions: small codecs, and ways to join them.
 */
import type { ByteReader } from "#base/lib/byte-reader.ts";
import type { ByteWriter } from "#base/lib/byte-writer.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import { LimitError } from "./limit-error.ts";

/** Both directions of a format. `read` throws DecodeError; byte strings it returns are views into its input. */
export interface Codec<T> {
  read(reader: ByteReader): T;
  write(writer: ByteWriter, value: T): void;
}

/** What a codec's values look like. */
export type ValueOf<C> = C extends Codec<infer T> ? T : never;

export const u8: Codec<number> = {
  read: (reader) => reader.u8(),
  write: (writer, value) => writer.u8(value),
};

export const u16be: Codec<number> = {
  read: (reader) => reader.u16be(),
  write: (writer, value) => writer.u16be(value),
};

export const u32: Codec<number> = {
  read: (reader) => reader.u32(),
  write: (writer, value) => writer.u32(value),
};

export const i32: Codec<number> = {
  read: (reader) => reader.i32(),
  write: (writer, value) => writer.u32(value),
};

/** Signed 64-bit as a number; beyond 2^53 the nearest double. */
export const i64: Codec<number> = {
  read: (reader) => reader.i64(),
  write: (writer, value) => writer.i64(value),
};

export const u64: Codec<bigint> = {
  read: (reader) => reader.bigU64(),
  write: (writer, value) => writer.bigU64(value),
};

/** One byte, any but 0 being true. */
export const bool: Codec<boolean> = {
  read: (reader) => reader.u8() !== 0,
  write: (writer, value) => writer.u8(value ? 1 : 0),
};

/** CompactSize with no upper bound but 2^53. */
export const compactSize: Codec<number> = {
  read: (reader) => reader.compactSize(false),
  write: (writer, value) => writer.compactSize(value),
};

/** Services as addrv2 carries them: a CompactSize of up to 64 bits (BIP155). */
export const compactU64: Codec<bigint> = {
  read(reader) {
    if (reader.remaining > 0 && reader.bytes[reader.at] === 0xff) {
      reader.u8();
      const value = reader.bigU64();
      if (value < 0x1_0000_0000n) throw new DecodeError("non-canonical ReadCompactSize()");
      return value;
    }
    return BigInt(reader.compactSize(false));
  },
  write(writer, value) {
    if (value < 0x1_0000_0000n) writer.compactSize(Number(value));
    else writer.u8(0xff).bigU64(value);
  },
};

/** Exactly `length` bytes. */
export function fixed<T extends Uint8Array = Uint8Array>(length: number): Codec<T> {
  return {
    read: (reader) => reader.view(length) as T,
    write: (writer, value) => writer.bytes(value),
  };
}

/** A byte string with its length in front. @throws LimitError when it is longer than `limit`. */
export function varBytes(limit: number): Codec<Uint8Array> {
  return {
    read(reader) {
      const length = reader.compactSize();
      if (length > reader.remaining) throw new DecodeError("end of data");
      if (length > limit) throw new LimitError(length, limit);
      return reader.view(length);
    },
    write: (writer, value) => writer.varBytes(value),
  };
}

/** Text, one character a byte (Latin-1), as Core keeps the strings of the protocol. */
export function varText(limit: number): Codec<string> {
  return {
    read(reader) {
      const length = reader.compactSize();
      if (length > limit) throw new DecodeError("String length limit exceeded");
      return String.fromCharCode(...reader.view(length));
    },
    write(writer, value) {
      writer.compactSize(value.length);
      for (let i = 0; i < value.length; i++) writer.u8(value.charCodeAt(i) & 0xff);
    },
  };
}

/**
 * A list with its count in front. `least` is the size of the smallest item: a count that cannot fit is refused
 * before anything is allocated. @throws LimitError when there are more than `limit`.
 */
export function list<T>(item: Codec<T>, limit: number, least: number): Codec<T[]> {
  return {
    read: (reader) => readList(reader, limit, least, item.read),
    write(writer, items) {
      writer.compactSize(items.length);
      for (const value of items) item.write(writer, value);
    },
  };
}

/** The items of a {@link list}, for those that are not read alike. */
export function readList<T>(
  reader: ByteReader,
  limit: number,
  least: number,
  read: (reader: ByteReader) => T,
): T[] {
  const count = reader.compactSize();
  if (count * least > reader.remaining) throw new DecodeError("end of data");
  if (count > limit) throw new LimitError(count, limit);
  const items: T[] = [];
  for (let i = 0; i < count; i++) items.push(read(reader));
  return items;
}

/** Fields one after the other, in the order they are written. */
export function struct<T extends object>(fields: { readonly [K in keyof T]: Codec<T[K]> }): Codec<T> {
  const names = Object.keys(fields) as (keyof T)[];
  return {
    read(reader) {
      const value: Partial<T> = {};
      for (const name of names) value[name] = fields[name].read(reader);
      return value as T;
    },
    write(writer, value) {
      for (const name of names) fields[name].write(writer, value[name]);
    },
  };
}

/** A field that older peers leave out at the end of a message. */
export function trailing<T>(codec: Codec<T>, absent: T): Codec<T> {
  return {
    read: (reader) => (reader.remaining === 0 ? absent : codec.read(reader)),
    write: (writer, value) => codec.write(writer, value),
  };
}

/** All that is left. */
export const rest: Codec<Uint8Array> = {
  read: (reader) => reader.view(reader.remaining),
  write: (writer, value) => writer.bytes(value),
};

/** A message without content. What stands in it is not read. */
export const empty: Codec<undefined> = {
  read: () => undefined,
  write() {},
};
