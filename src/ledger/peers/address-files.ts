/** peers.dat and anchors.dat, as Core writes them (addrdb.cpp, addrman.cpp): magic, content, double SHA-256 of both. */
import { sha256d } from "#base/crypto/sha256.ts";
import { ByteReader } from "#base/lib/byte-reader.ts";
import { ByteWriter } from "#base/lib/byte-writer.ts";
import { concatBytes, equalBytes } from "#base/lib/bytes.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import type { Random } from "#base/lib/random.ts";
import { type AddressEntry, bip155Entry } from "#protocol/wire/messages/addresses.ts";
import { bip155Endpoint, type NetAddress, NodeEndpoint } from "#protocol/wire/net-address.ts";
import { AddressBook } from "./address-book.ts";
import { BUCKET_SIZE, KnownAddress, NEW_BUCKETS, TRIED_BUCKETS } from "./known-address.ts";

/** Format 4: an address may stand in the book with several ports. */
const FORMAT = 4;
/** The second byte of the file is this and the lowest format that a reader must know. */
const INCOMPATIBILITY_BASE = 32;
/** Makes the count of buckets unreadable for formats before 1. */
const BUCKETS_MARK = 1 << 30;
/** CAddress's version on disk: what is left of a client version, and the mark of BIP155 addresses. */
const DISK_VERSION = 220_000 | (1 << 29);
const DISK_VERSION_IGNORE_MASK = 0x0007_ffff;
const NO_ASMAP = new Uint8Array(32);

/** The book as peers.dat. */
export function encodeAddressBook(book: AddressBook, magic: Uint8Array): Uint8Array {
  const numbers = new Map<KnownAddress, number>();
  const buckets: number[][] = Array.from({ length: NEW_BUCKETS }, () => []);
  for (const { bucket, known } of book.places("new")) {
    if (!numbers.has(known)) numbers.set(known, numbers.size);
    buckets[bucket]!.push(numbers.get(known)!);
  }
  const tried = [...book.places("tried")].map(({ known }) => known);
  const writer = new ByteWriter(1 << 16);
  writer
    .u8(FORMAT)
    .u8(INCOMPATIBILITY_BASE + FORMAT)
    .bytes(book.key);
  writer
    .u32(numbers.size)
    .u32(tried.length)
    .u32(NEW_BUCKETS ^ BUCKETS_MARK);
  for (const known of numbers.keys()) writeKnown(writer, known);
  for (const known of tried) writeKnown(writer, known);
  for (const bucket of buckets) {
    writer.u32(bucket.length);
    for (const number of bucket) writer.u32(number);
  }
  writer.bytes(NO_ASMAP);
  return sealed(magic, writer.finish());
}

/** Reads peers.dat. @throws DecodeError when it is damaged, of another network, or of a later format. */
export function decodeAddressBook(
  bytes: Uint8Array,
  magic: Uint8Array,
  options: { random: Random; now: () => number },
): AddressBook {
  const reader = new ByteReader(opened(bytes, magic));
  const format = reader.u8();
  const lowest = reader.u8() - INCOMPATIBILITY_BASE;
  if (lowest < 0) throw new DecodeError("Corrupted addrman database: The compat value is too low");
  if (lowest > FORMAT || format < 3)
    throw new DecodeError(`Unsupported format of addrman database: ${format}`);
  const book = new AddressBook({ ...options, key: reader.copy(32) });
  const newCount = boundedCount(reader.u32(), NEW_BUCKETS * BUCKET_SIZE, "nNew");
  const triedCount = boundedCount(reader.u32(), TRIED_BUCKETS * BUCKET_SIZE, "nTried");
  const bucketCount = reader.u32() ^ BUCKETS_MARK;
  const fresh: KnownAddress[] = [];
  for (let i = 0; i < newCount; i++) fresh.push(readKnown(reader));
  for (let i = 0; i < triedCount; i++) book.restoreTried(readKnown(reader));
  const sameBuckets = bucketCount === NEW_BUCKETS;
  for (let bucket = 0; bucket < bucketCount; bucket++) {
    const entries = reader.u32();
    for (let i = 0; i < entries; i++) {
      const known = fresh[reader.u32()];
      if (known !== undefined) book.restoreNew(known, sameBuckets ? bucket : undefined);
    }
  }
  return book;
}

/** Addresses to connect to first at the next start, as anchors.dat. */
export function encodeAnchors(anchors: readonly AddressEntry[], magic: Uint8Array): Uint8Array {
  const writer = new ByteWriter();
  writer.compactSize(anchors.length);
  for (const anchor of anchors) writeEntry(writer, anchor);
  return sealed(magic, writer.finish());
}

/** Reads anchors.dat. @throws DecodeError */
export function decodeAnchors(bytes: Uint8Array, magic: Uint8Array): AddressEntry[] {
  const reader = new ByteReader(opened(bytes, magic));
  const anchors: AddressEntry[] = [];
  for (let left = reader.compactSize(); left > 0; left--) anchors.push(readEntry(reader));
  return anchors;
}

function sealed(magic: Uint8Array, content: Uint8Array): Uint8Array {
  const body = concatBytes(magic, content);
  return concatBytes(body, sha256d(body));
}

function opened(bytes: Uint8Array, magic: Uint8Array): Uint8Array {
  if (bytes.length < magic.length + 32) throw new DecodeError("end of data");
  if (!equalBytes(bytes.subarray(0, magic.length), magic))
    throw new DecodeError("Invalid network magic number");
  const body = bytes.subarray(0, bytes.length - 32);
  if (!equalBytes(sha256d(body), bytes.subarray(bytes.length - 32))) {
    throw new DecodeError("Checksum mismatch, data corrupted");
  }
  return body.subarray(magic.length);
}

function boundedCount(count: number, limit: number, name: string): number {
  if (count > limit) throw new DecodeError(`Corrupt AddrMan serialization: ${name}=${count}`);
  return count;
}

function writeEntry(writer: ByteWriter, entry: AddressEntry): void {
  writer.u32(DISK_VERSION);
  bip155Entry.write(writer, entry);
}

function readEntry(reader: ByteReader): AddressEntry {
  const version = reader.u32() & ~DISK_VERSION_IGNORE_MASK;
  if (version !== (DISK_VERSION & ~DISK_VERSION_IGNORE_MASK)) {
    throw new DecodeError("Unsupported CAddress disk format version");
  }
  return bip155Entry.read(reader);
}

function writeKnown(writer: ByteWriter, known: KnownAddress): void {
  writeEntry(writer, { time: known.time, services: known.services, endpoint: known.endpoint });
  writeSource(writer, known.source);
  writer.i64(known.lastSuccess).u32(known.attempts);
}

function readKnown(reader: ByteReader): KnownAddress {
  const entry = readEntry(reader);
  const known = new KnownAddress(entry.endpoint, readSource(reader), entry.services, entry.time);
  known.lastSuccess = Math.max(0, reader.i64());
  known.attempts = Math.max(0, reader.i32());
  return known;
}

/** An address without a port: that of BIP155, less its last two bytes. */
function writeSource(writer: ByteWriter, source: NetAddress): void {
  const inner = new ByteWriter();
  bip155Endpoint.write(inner, new NodeEndpoint(source, 0));
  const bytes = inner.finish();
  writer.bytes(bytes.subarray(0, bytes.length - 2));
}

function readSource(reader: ByteReader): NetAddress {
  const start = reader.at;
  reader.u8();
  reader.varBytes();
  const bytes = concatBytes(reader.bytes.subarray(start, reader.at), Uint8Array.of(0, 0));
  return bip155Endpoint.read(new ByteReader(bytes)).address;
}
