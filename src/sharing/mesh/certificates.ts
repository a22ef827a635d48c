/**
 * Signed statements: whose a device is, who belongs to a circle, and invitations. A statement's body is canonical CBOR,
 * and the signature is over its domain, a zero byte and that body, so that none can stand for another.
 */
import { base64urlnopad } from "@scure/base";
import { z } from "zod";
import { sha256 } from "#base/crypto/sha256.ts";
import { concatBytes, toHex } from "#base/lib/bytes.ts";
import { decodedOrUndefined } from "#base/lib/decode-error.ts";
import { decodeCbor, encodeCbor } from "./cbor.ts";
import { type SigningKey, verifySignature } from "./identity.ts";
import { bytesOf, bytesUpTo, integer, textUpTo } from "./schema.ts";

/** Longest body of a statement, bytes. */
const MAX_BODY = 4096;
/** Most addresses of an invitation or a hello. */
export const MAX_ADDRESSES = 8;
/** Longest text of a multiaddr. */
export const MAX_ADDRESS = 160;

export const signedSchema = z.strictObject({ body: bytesUpTo(MAX_BODY, 1), signature: bytesOf(64) });
/** A statement's bytes and the signature over them. */
export type Signed = z.infer<typeof signedSchema>;

const utf8 = new TextEncoder();

/** What is signed: `freehold/<domain>`, a zero byte, the body. */
function signedMessage(domain: string, body: Uint8Array): Uint8Array {
  return concatBytes(utf8.encode(`freehold/${domain}\0`), body);
}

export function signStatement(key: SigningKey, domain: string, value: unknown): Signed {
  const body = encodeCbor(value);
  return { body, signature: key.sign(signedMessage(domain, body)) };
}

/** The statement, when it fits the schema; `signer` picks the key that must have signed it. */
export function openStatement<T>(
  signed: Signed,
  domain: string,
  schema: z.ZodType<T>,
  signer: (value: T) => Uint8Array,
): T | undefined {
  const parsed = schema.safeParse(decodedOrUndefined(() => decodeCbor(signed.body)));
  if (!parsed.success) return undefined;
  const message = signedMessage(domain, signed.body);
  return verifySignature(signer(parsed.data), message, signed.signature) ? parsed.data : undefined;
}

const deviceSchema = z.strictObject({
  device: bytesOf(32),
  account: bytesOf(32),
  /** Seconds since 1970. */
  issued: integer(0),
});
/** An account's word that a device is its own. */
export type DeviceCertificate = z.infer<typeof deviceSchema>;

export function certifyDevice(account: SigningKey, device: Uint8Array, issued: number): Signed {
  return signStatement(account, "device/1", { device, account: account.publicKey, issued });
}

export function openDeviceCertificate(signed: Signed): DeviceCertificate | undefined {
  return openStatement(signed, "device/1", deviceSchema, (value) => value.account);
}

const membershipSchema = z.strictObject({
  founder: bytesOf(32),
  /** Makes the circle one of many that its founder may have. */
  nonce: bytesOf(16),
  member: bytesOf(32),
  /** Seconds since 1970. */
  issued: integer(0),
});
/** A founder's word that an account belongs to a circle. */
export type Membership = z.infer<typeof membershipSchema>;

export interface Circle {
  readonly founder: Uint8Array;
  readonly nonce: Uint8Array;
}

/** A circle's id: SHA-256 over `freehold/circle/1`, a zero byte, its founder's key and its nonce; hex. */
export function circleId(circle: Circle): string {
  return toHex(sha256(concatBytes(utf8.encode("freehold/circle/1\0"), circle.founder, circle.nonce)));
}

export function certifyMember(
  founder: SigningKey,
  nonce: Uint8Array,
  member: Uint8Array,
  issued: number,
): Signed {
  return signStatement(founder, "member/1", { founder: founder.publicKey, nonce, member, issued });
}

export function openMembership(signed: Signed): Membership | undefined {
  return openStatement(signed, "member/1", membershipSchema, (value) => value.founder);
}

const invitationSchema = z.strictObject({
  addresses: z.array(textUpTo(MAX_ADDRESS)).min(1).max(MAX_ADDRESSES),
  /** The founder's device. */
  device: bytesOf(32),
  founder: bytesOf(32),
  nonce: bytesOf(16),
  secret: bytesOf(16),
  uses: integer(1, 1000),
  /** Seconds since 1970. */
  expires: integer(0),
});
export type Invitation = z.infer<typeof invitationSchema>;

const LINK = "freehold:join/";
/** Longest link that is read. */
const MAX_LINK = 4096;

export function invitationLink(account: SigningKey, invitation: Invitation): string {
  const signed = signStatement(account, "invitation/1", invitation);
  return `${LINK}${base64urlnopad.encode(encodeCbor(signed))}`;
}

export function isInvitationLink(text: string): boolean {
  return text.trim().startsWith(LINK);
}

/** The invitation of a link that its founder signed; `undefined` for anything else. */
export function parseInvitationLink(text: string): Invitation | undefined {
  const link = text.trim();
  if (!link.startsWith(LINK) || link.length > MAX_LINK) return undefined;
  return openInvitation(link.slice(LINK.length));
}

function openInvitation(text: string): Invitation | undefined {
  let bytes: Uint8Array;
  try {
    bytes = base64urlnopad.decode(text);
  } catch {
    return undefined;
  }
  const signed = signedSchema.safeParse(decodedOrUndefined(() => decodeCbor(bytes)));
  if (!signed.success) return undefined;
  return openStatement(signed.data, "invitation/1", invitationSchema, (value) => value.founder);
}
