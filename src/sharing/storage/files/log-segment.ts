/**
 * A segment of the log as bytes: what one group of writes changed, or a piece of a snapshot. It goes into a slab, whose
 * own random key encrypts it.
 */
import { deflateRawSync, inflateRawSync } from "node:zlib";
import { z } from "zod";
import { sha256 } from "#base/crypto/sha256.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import { decodeCbor, encodeCbor } from "#sharing/mesh/cbor.ts";
import { bytesOf, hexOf, integer, textUpTo } from "#sharing/mesh/schema.ts";
import { slabRecord } from "../renter/slab.ts";
import { type LogEntry, logEntry, type Stamp } from "./log-entry.ts";
import type { Seen, SegmentRef } from "./log-head.ts";

/** The slabs of a snapshot: the whole state, as far as `seen` says. */
export interface LogBase {
  readonly slabs: readonly SegmentRef[];
  readonly seen: Seen;
}

/** The segment before, and its sequence. */
export interface PreviousSegment extends SegmentRef {
  readonly sequence: number;
}

/** One link of a chain. Entry i has the counter `sequence` + i. */
export interface LogSegment {
  readonly chain: string;
  /** Which device wrote it: its peer id. */
  readonly device: string;
  readonly sequence: number;
  readonly previous?: PreviousSegment | undefined;
  /** From here on, only what `base.seen` does not cover need be read further back. */
  readonly base?: LogBase | undefined;
  readonly entries: readonly LogEntry[];
}

/** A piece of a snapshot: entries with the stamps they had. */
export interface SnapshotPiece {
  readonly entries: readonly { readonly stamp: Stamp; readonly entry: LogEntry }[];
}

/** Bytes that a segment may unpack to: no writer of ours makes one of a quarter of that. */
const MAX_UNPACKED = 256 << 20;
const MAX_ITEMS = 1 << 24;

const segmentRef: z.ZodType<SegmentRef> = z.strictObject({ record: slabRecord, hash: bytesOf(32) });
const chainId = hexOf(16);
const seen = z.record(chainId, integer(0));

const SEGMENT: z.ZodType<LogSegment> = z.strictObject({
  chain: chainId,
  device: textUpTo(64),
  sequence: integer(0),
  previous: z.strictObject({ record: slabRecord, hash: bytesOf(32), sequence: integer(0) }).optional(),
  base: z.strictObject({ slabs: z.array(segmentRef), seen }).optional(),
  entries: z.array(logEntry),
});

const PIECE: z.ZodType<SnapshotPiece> = z.strictObject({
  entries: z.array(
    z.strictObject({ stamp: z.strictObject({ counter: integer(0), chain: chainId }), entry: logEntry }),
  ),
});

export interface PackedSegment {
  readonly bytes: Uint8Array;
  readonly hash: Uint8Array;
}

export function packSegment(segment: LogSegment): PackedSegment {
  return pack(segment);
}

export function packPiece(piece: SnapshotPiece): PackedSegment {
  return pack(piece);
}

/** @throws DecodeError when the bytes are not those that were hashed, or no segment. */
export function unpackSegment(bytes: Uint8Array, hash: Uint8Array): LogSegment {
  return unpack(bytes, hash, SEGMENT);
}

/** @throws DecodeError when the bytes are not those that were hashed, or no piece of a snapshot. */
export function unpackPiece(bytes: Uint8Array, hash: Uint8Array): SnapshotPiece {
  return unpack(bytes, hash, PIECE);
}

/** Entries up to this length are not compressed to know what they take. */
const SURELY_SMALL = 64 << 10;

/** At least what entries take in a packed segment, bytes. */
export function packedLength(entries: readonly LogEntry[]): number {
  const bytes = encodeCbor(entries);
  return bytes.length <= SURELY_SMALL ? bytes.length : deflateRawSync(bytes).length;
}

function pack(value: LogSegment | SnapshotPiece): PackedSegment {
  const bytes = new Uint8Array(deflateRawSync(encodeCbor(value)));
  return { bytes, hash: sha256(bytes) };
}

function unpack<T>(bytes: Uint8Array, hash: Uint8Array, schema: z.ZodType<T>): T {
  if (Buffer.compare(sha256(bytes), hash) !== 0) throw new DecodeError("a segment with another hash");
  let plain: Uint8Array;
  try {
    plain = new Uint8Array(inflateRawSync(bytes, { maxOutputLength: MAX_UNPACKED }));
  } catch {
    throw new DecodeError("a segment that does not unpack");
  }
  const parsed = schema.safeParse(decodeCbor(plain, MAX_ITEMS));
  if (!parsed.success) throw new DecodeError("not a segment");
  return parsed.data;
}
