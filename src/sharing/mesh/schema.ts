/** Pieces of message schemas that every protocol needs: byte strings, text and integers with their bounds. */
import { z } from "zod";
import { publicKeyOfPeer } from "./identity.ts";
import type { AccountId, PeerId } from "./mesh.ts";

/** A byte string of exactly `length` bytes. */
export function bytesOf(length: number): z.ZodType<Uint8Array> {
  return z.custom<Uint8Array>((value) => value instanceof Uint8Array && value.length === length, {
    error: `expected ${length} bytes`,
  });
}

/** A byte string of at most `max` bytes, and at least `min`. */
export function bytesUpTo(max: number, min = 0): z.ZodType<Uint8Array> {
  return z.custom<Uint8Array>(
    (value) => value instanceof Uint8Array && value.length >= min && value.length <= max,
    { error: `expected ${min} to ${max} bytes` },
  );
}

/** Text of at most `max` UTF-16 units. */
export function textUpTo(max: number): z.ZodType<string> {
  return z.string().max(max);
}

/** A safe integer in `min` … `max`. */
export function integer(min: number, max: number = Number.MAX_SAFE_INTEGER): z.ZodType<number> {
  return z.int().min(min).max(max);
}

/** Lower-case hex of exactly `bytes` bytes. */
export function hexOf(bytes: number): z.ZodType<string> {
  return z.string().regex(new RegExp(`^[0-9a-f]{${2 * bytes}}$`));
}

/** Text of a peer id that holds an Ed25519 key. */
export const peerIdText: z.ZodType<PeerId> = z
  .string()
  .max(64)
  .refine((text) => publicKeyOfPeer(text) !== undefined, "not a peer id");

/** An account's public key, hex. */
export const accountIdText: z.ZodType<AccountId> = hexOf(32);
