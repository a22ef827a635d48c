/**
 * The head of a chain: where its newest segment lies, small enough for every host to keep. Roots stand whole; hosts as
 * the first 8 bytes of the SHA-256 of their peer id, since who reads it must know the peers anyway.
 */
import { createCipheriv, createDecipheriv } from "node:crypto";
import { z } from "zod";
import { sha256 } from "#base/crypto/sha256.ts";
import { concatBytes, fromHex, toHex, writeI64 } from "#base/lib/bytes.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import type { Random } from "#base/lib/random.ts";
import { decodeCbor, encodeCbor } from "#sharing/mesh/cbor.ts";
import type { PeerId } from "#sharing/mesh/mesh.ts";
import { bytesOf, bytesUpTo, integer } from "#sharing/mesh/schema.ts";
import { isScheme, slabCapacity } from "../codec/scheme.ts";
import { decodeHeadRecord, encodeHeadRecord } from "../head-record.ts";
import type { SlabRecord } from "../renter/slab.ts";
import type { FileKeys } from "./file-keys.ts";

/** A segment by where it lies and what it hashes to. */
export interface SegmentRef {
  readonly record: SlabRecord;
  /** SHA-256 of the segment's bytes. */
  readonly hash: Uint8Array;
}

/** How far each chain is covered by something, by chain id (hex): the sequence of its last segment in it. */
export type Seen = Readonly<Record<string, number>>;

export interface LogHead {
  /** 16 bytes, hex: one writer's chain of segments. */
  readonly chain: string;
  /** Of the newest segment. */
  readonly sequence: number;
  readonly segment: SegmentRef;
  /** What the chain's last snapshot covers of other chains, the latest of them. */
  readonly seen: Seen;
}

/** Chains named in a head at most; those that stand longest are left out first. */
const MAX_SEEN = 6;
const HOST_MARK = 8;
const NONCE = 12;
const TAG = 16;

const BODY = z.strictObject({
  id: bytesOf(16),
  key: bytesOf(32),
  scheme: z.tuple([integer(1, 255), integer(1, 255)]),
  length: integer(1),
  roots: bytesUpTo(255 * 32),
  hosts: bytesUpTo(255 * HOST_MARK),
  hash: bytesOf(32),
  sequence: integer(0),
  seen: z.array(z.tuple([bytesOf(16), integer(0)])).max(MAX_SEEN),
});

function hostMark(peer: PeerId | ""): Uint8Array {
  return peer === ""
    ? new Uint8Array(HOST_MARK)
    : sha256(new TextEncoder().encode(peer)).subarray(0, HOST_MARK);
}

/** Hosts by the mark that heads know them by. */
export type HostMarks = ReadonlyMap<string, PeerId>;

export function hostMarksOf(peers: readonly PeerId[]): HostMarks {
  return new Map(peers.map((peer) => [toHex(hostMark(peer)), peer]));
}

/** What binds a body to its record: the device and the number of the record. */
function binding(chain: Uint8Array, number: number): Uint8Array {
  const bytes = new Uint8Array(24);
  bytes.set(chain);
  writeI64(bytes, 16, number);
  return bytes;
}

/** A signed head record for hosts. @param number grows with every record of the chain. */
export function encodeHead(head: LogHead, number: number, keys: FileKeys, random: Random): Uint8Array {
  const { record, hash } = head.segment;
  const seen = Object.entries(head.seen)
    .sort(([, a], [, b]) => b - a)
    .slice(0, MAX_SEEN)
    .map(([chain, sequence]) => [fromHex(chain)!, sequence]);
  const plain = encodeCbor({
    id: fromHex(record.id)!,
    key: record.key,
    scheme: [record.scheme.needed, record.scheme.total],
    length: record.length,
    roots: concatBytes(...record.shards.map(({ root }) => root)),
    hosts: concatBytes(...record.shards.map(({ host }) => hostMark(host))),
    hash,
    sequence: head.sequence,
    seen,
  });
  const device = fromHex(head.chain)!;
  const nonce = random.fill(new Uint8Array(NONCE));
  const cipher = createCipheriv("chacha20-poly1305", keys.headBody, nonce, { authTagLength: TAG });
  cipher.setAAD(binding(device, number), { plaintextLength: plain.length });
  const sealed = concatBytes(cipher.update(plain), cipher.final());
  const body = concatBytes(nonce, sealed, cipher.getAuthTag());
  return encodeHeadRecord({ headKey: keys.head.publicKey, device, sequence: number, body }, keys.head);
}

/**
 * The head in a record, with the record's number.
 * @param marks of the peers that hosts may be found among.
 * @throws DecodeError when it is not a head of these keys.
 */
export function decodeHead(
  bytes: Uint8Array,
  keys: FileKeys,
  marks: HostMarks,
): { readonly head: LogHead; readonly number: number } {
  const record = decodeHeadRecord(bytes);
  if (toHex(record.headKey) !== toHex(keys.head.publicKey)) throw new DecodeError("a head of another key");
  const parsed = BODY.safeParse(decodeCbor(open(record.body, binding(record.device, record.sequence), keys)));
  if (!parsed.success) throw new DecodeError("not the body of a head");
  const { id, key, scheme, length, roots, hosts, hash, sequence, seen } = parsed.data;
  const [needed, total] = scheme;
  const fits = isScheme({ needed, total }) && length <= slabCapacity({ needed, total });
  if (!fits || roots.length !== 32 * total || hosts.length !== HOST_MARK * total) {
    throw new DecodeError("a head of a slab that can not be");
  }
  const shards = Array.from({ length: total }, (_, i) => ({
    root: roots.slice(32 * i, 32 * i + 32),
    host: marks.get(toHex(hosts.subarray(HOST_MARK * i, HOST_MARK * (i + 1)))) ?? ("" as const),
  }));
  return {
    number: record.sequence,
    head: {
      chain: toHex(record.device),
      sequence,
      segment: { record: { id: toHex(id), key, scheme: { needed, total }, length, shards }, hash },
      seen: Object.fromEntries(seen.map(([chain, at]) => [toHex(chain), at])),
    },
  };
}

function open(body: Uint8Array, bound: Uint8Array, keys: FileKeys): Uint8Array {
  if (body.length < NONCE + TAG) throw new DecodeError("a head too short");
  const end = body.length - TAG;
  const decipher = createDecipheriv("chacha20-poly1305", keys.headBody, body.subarray(0, NONCE), {
    authTagLength: TAG,
  });
  decipher.setAAD(bound, { plaintextLength: end - NONCE });
  decipher.setAuthTag(body.subarray(end));
  try {
    return concatBytes(decipher.update(body.subarray(NONCE, end)), decipher.final());
  } catch {
    throw new DecodeError("a head that does not open with these keys");
  }
}
