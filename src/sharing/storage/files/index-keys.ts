/**
 * Keys of the index, so that byte order is the order of listing: a letter for the kind, then names. A name ends with
 * 00 01, and a zero byte inside one is 00 FF, so that "a" stands before "a\0b" and both before "ab".
 */
import { concatBytes, fromHex } from "#base/lib/bytes.ts";
import type { Stamp } from "./log-entry.ts";

const encoder = new TextEncoder();
const END = new Uint8Array([0, 1]);
/** Sorts after every row of the name before it, and before the next name. */
const AFTER = new Uint8Array([0, 2]);

/** What a row of the index is about. */
export type RowKind =
  | "bucket"
  | "version" // a version of an object, newest first within its key
  | "register" // the stamp of a version, living or gone
  | "upload"
  | "uploadOf" // upload id → its row
  | "part"
  | "slab"
  | "references" // how many extents lie in a slab
  | "garbage" // since when a slab has none
  | "remap"
  | "state"
  | "pending" // slabs under way, and shards to be dropped
  | "moved" // slabs whose new places the log does not say yet
  | "host";

const LETTERS: Readonly<Record<RowKind, number>> = {
  bucket: 0x62,
  version: 0x76,
  register: 0x72,
  upload: 0x75,
  uploadOf: 0x55,
  part: 0x70,
  slab: 0x73,
  references: 0x63,
  garbage: 0x67,
  remap: 0x6d,
  state: 0x2e,
  pending: 0x71,
  moved: 0x6e,
  host: 0x68,
};

/** A name as it sorts, without its end. */
export function sortable(name: string): Uint8Array {
  const bytes = encoder.encode(name);
  if (!bytes.includes(0)) return bytes;
  const out: number[] = [];
  for (const byte of bytes) {
    out.push(byte);
    if (byte === 0) out.push(0xff);
  }
  return new Uint8Array(out);
}

export function row(kind: RowKind, ...names: readonly string[]): Uint8Array {
  return concatBytes(new Uint8Array([LETTERS[kind]]), ...names.flatMap((name) => [sortable(name), END]));
}

/** Where the rows of the names begin that start with `prefix`, below `names`. */
export function rowsFrom(kind: RowKind, names: readonly string[], prefix: string): Uint8Array {
  return concatBytes(row(kind, ...names), sortable(prefix));
}

/** The first key after all rows of exactly these names. */
export function afterRows(kind: RowKind, ...names: readonly string[]): Uint8Array {
  const last = names.at(-1)!;
  return concatBytes(row(kind, ...names.slice(0, -1)), sortable(last), AFTER);
}

/** The first key after all that start with `prefix`; undefined when there is none. */
export function afterPrefix(prefix: Uint8Array): Uint8Array | undefined {
  let end = prefix.length;
  while (end > 0 && prefix[end - 1] === 0xff) end--;
  if (end === 0) return undefined;
  const next = prefix.slice(0, end);
  next[end - 1]!++;
  return next;
}

/** The range of all rows below these names. */
export function rowsOf(kind: RowKind, ...names: readonly string[]): { gte: Uint8Array; lt: Uint8Array } {
  const gte = row(kind, ...names);
  return { gte, lt: afterPrefix(gte)! };
}

/** A version's row: later stamps first. */
export function versionRow(bucket: string, key: string, stamp: Stamp): Uint8Array {
  return concatBytes(row("version", bucket, key), descending(stamp));
}

function descending({ counter, chain }: Stamp): Uint8Array {
  const out = new Uint8Array(8 + chain.length);
  const view = new DataView(out.buffer);
  view.setBigUint64(0, 0xffff_ffff_ffff_ffffn - BigInt(counter));
  for (let i = 0; i < chain.length; i++) out[8 + i] = 255 - (chain.charCodeAt(i) & 0x7f);
  return out;
}

/** A row of a slab: the id's own bytes. */
export function slabRow(
  kind: "slab" | "references" | "garbage" | "remap" | "pending" | "moved",
  id: string,
): Uint8Array {
  return concatBytes(new Uint8Array([LETTERS[kind]]), fromHex(id)!);
}

/** The range of all rows of a kind. */
export function allRows(kind: RowKind): { gte: Uint8Array; lt: Uint8Array } {
  return { gte: new Uint8Array([LETTERS[kind]]), lt: new Uint8Array([LETTERS[kind] + 1]) };
}

export function partRow(upload: string, part: number): Uint8Array {
  return concatBytes(row("part", upload), new Uint8Array([part >> 8, part & 255]));
}
