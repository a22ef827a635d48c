/**
 * Head records: where the newest end of an account's log stands, signed by the account's head key. Hosts keep the
 * record of the highest sequence for each device; what is inside is encrypted and none of their business.
 */
import { z } from "zod";
import { equalBytes } from "#base/lib/bytes.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import { decodeCbor, encodeCbor } from "#sharing/mesh/cbor.ts";
import { type SigningKey, verifySignature } from "#sharing/mesh/identity.ts";
import { bytesOf, bytesUpTo, integer } from "#sharing/mesh/schema.ts";
import { MAX_HEAD_BYTES } from "./messages.ts";

export interface HeadRecord {
  /** Ed25519 public key that the account's owner derives for its heads; 32 bytes. */
  readonly headKey: Uint8Array;
  /** 16 bytes: which of the owner's devices wrote it. */
  readonly device: Uint8Array;
  /** Grows with every record of a device. */
  readonly sequence: number;
  /** Encrypted by the owner; at most 1 KiB. */
  readonly body: Uint8Array;
}

/** Most bytes of a record's body. */
export const MAX_HEAD_BODY = 1_024;

const SIGNED_TAG = "freehold/head/1";

const SCHEMA: z.ZodType<HeadRecord & { readonly signature: Uint8Array }> = z.strictObject({
  headKey: bytesOf(32),
  device: bytesOf(16),
  sequence: integer(0),
  body: bytesUpTo(MAX_HEAD_BODY),
  signature: bytesOf(64),
});

function signedBytes(record: HeadRecord): Uint8Array {
  const { headKey, device, sequence, body } = record;
  return encodeCbor([SIGNED_TAG, headKey, device, sequence, body]);
}

/** A record as it travels, signed. @throws Error when `key` is not the record's head key. */
export function encodeHeadRecord(record: HeadRecord, key: SigningKey): Uint8Array {
  if (!equalBytes(key.publicKey, record.headKey)) throw new Error("another key than the record names");
  const { headKey, device, sequence, body } = record;
  const signature = key.sign(signedBytes(record));
  return new Uint8Array(encodeCbor({ headKey, device, sequence, body, signature }));
}

/** The record in these bytes, its signature checked. @throws DecodeError on anything else. */
export function decodeHeadRecord(bytes: Uint8Array): HeadRecord {
  if (bytes.length > MAX_HEAD_BYTES) throw new DecodeError("a head record too long");
  const parsed = SCHEMA.safeParse(decodeCbor(bytes, 16));
  if (!parsed.success) throw new DecodeError("not a head record");
  const { signature, ...record } = parsed.data;
  if (!verifySignature(record.headKey, signedBytes(record), signature)) {
    throw new DecodeError("a head record with a false signature");
  }
  return record;
}
