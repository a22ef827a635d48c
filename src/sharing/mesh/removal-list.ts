/**
 * Who a founder removed from a circle: one signed and numbered list a circle. An entry makes memberships of an account
 * void that were issued at its time or before, so a list only grows, and who was removed comes back by a new membership
 * alone.
 */
import { z } from "zod";
import { sha256 } from "#base/crypto/sha256.ts";
import { equalBytes, hex, toHex } from "#base/lib/bytes.ts";
import { type Circle, openStatement, type Signed, signStatement } from "./certificates.ts";
import { accountIdOf, type SigningKey } from "./identity.ts";
import type { AccountId } from "./mesh.ts";
import { bytesOf, bytesUpTo, integer } from "./schema.ts";

/** Most accounts that a founder can remove from one circle. */
export const MAX_REMOVED = 500;
/** Longest body of a list, bytes. */
const MAX_BODY = 32 * 1024;

/** A list as it travels. */
export const signedRemovalsSchema: z.ZodType<Signed> = z.strictObject({
  body: bytesUpTo(MAX_BODY, 1),
  signature: bytesOf(64),
});

/** What says which of two lists of a circle is newer, without the lists. */
export const removalsVersionSchema = z.strictObject({
  version: integer(1),
  /** SHA-256 of the body. Of two lists with one version, by two devices of the founder, the greater one stands. */
  digest: bytesOf(32),
});
export type RemovalsVersion = z.infer<typeof removalsVersionSchema>;

const removalsSchema = z
  .strictObject({
    founder: bytesOf(32),
    nonce: bytesOf(16),
    version: integer(1),
    removed: z
      .array(
        z.strictObject({
          member: bytesOf(32),
          /** Seconds since 1970: memberships issued then or before are void. */
          before: integer(0),
        }),
      )
      .min(1)
      .max(MAX_REMOVED),
  })
  .refine(({ removed }) => isAscending(removed.map(({ member }) => toHex(member))), "members out of order")
  .refine(
    ({ founder, removed }) => !removed.some(({ member }) => equalBytes(member, founder)),
    "founder removed",
  );

/** A founder's list that was checked. */
export interface RemovalList extends RemovalsVersion {
  readonly circle: Circle;
  readonly signed: Signed;
  /** By account: the time that memberships must be newer than. */
  readonly removed: ReadonlyMap<AccountId, number>;
}

/** Signs a list. @throws Error when it holds more than may be: a bug of the caller */
export function signRemovals(
  founder: SigningKey,
  nonce: Uint8Array,
  version: number,
  removed: ReadonlyMap<AccountId, number>,
): RemovalList {
  const entries = [...removed].sort(([a], [b]) => (a < b ? -1 : 1));
  const signed = signStatement(founder, "removals/1", {
    founder: founder.publicKey,
    nonce,
    version,
    removed: entries.map(([account, before]) => ({ member: hex(account), before })),
  });
  const list = openRemovals(signed);
  if (list === undefined) throw new Error("this list of removals is none");
  return list;
}

/** The list, when its founder signed it and it is well-formed. */
export function openRemovals(signed: Signed): RemovalList | undefined {
  if (signed.body.length > MAX_BODY) return undefined;
  const value = openStatement(signed, "removals/1", removalsSchema, ({ founder }) => founder);
  if (value === undefined) return undefined;
  const { founder, nonce, version, removed } = value;
  return {
    circle: { founder, nonce },
    version,
    digest: sha256(signed.body),
    signed,
    removed: new Map(removed.map(({ member, before }) => [accountIdOf(member), before])),
  };
}

/** Whether `a` takes the place of `b`. */
export function isNewer(a: RemovalsVersion, b: RemovalsVersion | undefined): boolean {
  if (b === undefined || a.version !== b.version) return a.version > (b?.version ?? 0);
  return toHex(a.digest) > toHex(b.digest);
}

/** Entries of both lists, each with its later time. */
export function unionOf(
  a: ReadonlyMap<AccountId, number>,
  b: ReadonlyMap<AccountId, number>,
): Map<AccountId, number> {
  const union = new Map(a);
  for (const [account, before] of b) union.set(account, Math.max(before, union.get(account) ?? 0));
  return union;
}

/** Whether every entry of `a` is in `b`, with its time or a later one. */
export function isCovered(a: ReadonlyMap<AccountId, number>, b: ReadonlyMap<AccountId, number>): boolean {
  return [...a].every(([account, before]) => (b.get(account) ?? -1) >= before);
}

function isAscending(texts: readonly string[]): boolean {
  return texts.every((text, i) => i === 0 || texts[i - 1]! < text);
}
