/**
 * The messages of a stream: who opened it asks, the other side answers. A message is a canonical CBOR array after its
 * length in four bytes, big-endian; docs/protocols/mesh.md has the table.
 */
import { concatBytes } from "#base/lib/bytes.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import { decodeCbor, encodeCbor } from "./cbor.ts";
import { REFUSAL_CODES, type Refusal, type RefusalCode } from "./protocol.ts";
import { printable } from "./services.ts";

/** Bytes of a frame beyond its body: the array's head, kind, id, and the name of the method. */
export const FRAME_OVERHEAD = 96;
/** Longest name of a method. */
const MAX_METHOD = 64;
const MAX_REFUSAL_TEXT = 200;

const KIND = { request: 0, reply: 1, refusal: 2, cancel: 3 } as const;

/** What the side that opened the stream sends. */
export type Asked =
  | { readonly kind: "request"; readonly id: number; readonly method: string; readonly body: unknown }
  | { readonly kind: "cancel"; readonly id: number };

/** What the other side sends. */
export type Answered =
  | { readonly kind: "reply"; readonly id: number; readonly body: unknown }
  | { readonly kind: "refusal"; readonly id: number; readonly refusal: Refusal };

/** A whole frame with its length; `body` is CBOR already. */
export function requestFrame(id: number, method: string, body: Uint8Array): Uint8Array {
  return frame(4, [KIND.request, id, method], body);
}

export function replyFrame(id: number, body: Uint8Array): Uint8Array {
  return frame(3, [KIND.reply, id], body);
}

export function refusalFrame(id: number, refusal: Refusal): Uint8Array {
  const text = refusal.text.slice(0, MAX_REFUSAL_TEXT);
  return frame(4, [KIND.refusal, id, refusal.code], encodeCbor(text));
}

export function cancelFrame(id: number): Uint8Array {
  return frame(2, [KIND.cancel], encodeCbor(id));
}

/** The array's head and its first items, then the last one as it is: the body is copied once. */
function frame(items: number, first: readonly unknown[], last: Uint8Array): Uint8Array {
  const parts = first.map(encodeCbor);
  const head = new Uint8Array(5);
  const length = 1 + parts.reduce((sum, part) => sum + part.length, 0) + last.length;
  new DataView(head.buffer).setUint32(0, length);
  head[4] = 0x80 | items;
  return concatBytes(head, ...parts, last);
}

/** @throws DecodeError when it is no message that may be asked. */
export function parseAsked(bytes: Uint8Array): Asked {
  const [kind, id, ...rest] = arrayOf(bytes);
  if (kind === KIND.cancel && rest.length === 0) return { kind: "cancel", id: checkId(id) };
  const [method, body] = rest;
  if (kind !== KIND.request || rest.length !== 2 || typeof method !== "string") {
    throw new DecodeError("neither a request nor a cancel");
  }
  if (method.length > MAX_METHOD) throw new DecodeError("a method's name is too long");
  return { kind: "request", id: checkId(id), method, body };
}

/** @throws DecodeError when it is no message that may be answered. */
export function parseAnswered(bytes: Uint8Array): Answered {
  const [kind, id, ...rest] = arrayOf(bytes);
  if (kind === KIND.reply && rest.length === 1) return { kind: "reply", id: checkId(id), body: rest[0] };
  const [code, text] = rest;
  if (kind !== KIND.refusal || rest.length !== 2 || typeof text !== "string") {
    throw new DecodeError("neither a reply nor a refusal");
  }
  return {
    kind: "refusal",
    id: checkId(id),
    refusal: { code: checkCode(code), text: printable(text, MAX_REFUSAL_TEXT) },
  };
}

function arrayOf(bytes: Uint8Array): readonly unknown[] {
  const value = decodeCbor(bytes);
  if (!Array.isArray(value)) throw new DecodeError("a message that is no array");
  return value;
}

function checkId(id: unknown): number {
  if (typeof id !== "number" || !Number.isSafeInteger(id) || id < 0)
    throw new DecodeError("no id of a request");
  return id;
}

function checkCode(code: unknown): RefusalCode {
  const known = REFUSAL_CODES.find((one) => one === code);
  if (known === undefined) throw new DecodeError("no code of a refusal");
  return known;
}
