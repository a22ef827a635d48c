/**
 * Protocols of the mesh as values: a name, a major version, and methods with the schema of request and reply. A
 * protocol is `/freehold/<name>/<major>` on the wire; its frames are in docs/protocols/mesh.md.
 */
import type { z } from "zod";

/** One request and its reply; both are validated on arrival. */
export interface MethodSpec<Q = unknown, A = unknown> {
  readonly request: z.ZodType<Q>;
  readonly reply: z.ZodType<A>;
  /** Longest frame of a request, bytes; default 64 KiB. */
  readonly requestLimit?: number;
  /** Longest frame of a reply, bytes; default 64 KiB. */
  readonly replyLimit?: number;
}

export interface ProtocolSpec {
  readonly name: string;
  readonly major: number;
  // biome-ignore lint/suspicious/noExplicitAny: a method's request is contravariant; the specs keep their own types
  readonly methods: Readonly<Record<string, MethodSpec<any, any>>>;
}

/** Declares a method, with the types of its schemas. */
export function method<Q, A>(spec: MethodSpec<Q, A>): MethodSpec<Q, A> {
  return spec;
}

/** Declares a protocol; the methods keep their own types. */
export function protocol<P extends ProtocolSpec>(spec: P): P {
  return spec;
}

/** Why a request was not served. Codes are stable and on the wire; `docs/protocols/mesh.md` lists them. */
export const REFUSAL_CODES = [
  "bad-request", // does not fit the schema or the rules of the method
  "unknown-method",
  "no-terms", // no open terms between the two for this service
  "not-allowed", // the allow list, a ban, or a key that is not the caller's
  "limit", // too many requests, streams or bytes; try later
  "full", // no room left
  "not-found",
  "conflict", // contradicts what was agreed or stored
  "unavailable", // switched off, failing disk, shutting down
  "expired",
  "unpaid", // credit is used up
  "internal",
] as const;
export type RefusalCode = (typeof REFUSAL_CODES)[number];

export interface Refusal {
  readonly code: RefusalCode;
  /** For people, at most 200 characters. */
  readonly text: string;
}

/** Failures on our side of a call, beside what the peer refused. */
export type CallFailure =
  | Refusal
  | { readonly code: "unreachable" | "timeout" | "bad-reply" | "aborted"; readonly text: string };

/** What came of a request: a verdict is a value. */
export type Outcome<A> =
  | { readonly ok: true; readonly value: A }
  | { readonly ok: false; readonly refusal: CallFailure };

export function refuse(code: RefusalCode, text: string): { readonly ok: false; readonly refusal: Refusal } {
  return { ok: false, refusal: { code, text } };
}

export function accept<A>(value: A): { readonly ok: true; readonly value: A } {
  return { ok: true, value };
}
