/**
 * Frames of the link between the two processes: a length (u32, little endian) and one canonical CBOR array. Ids are
 * the caller's, 1 … 2^32 − 1, never two calls in flight with the same one.
 *
 * | kind | array | from |
 * |---|---|---|
 * | call | [0, id, method, argument] | caller |
 * | reply | [1, id, value] | callee: the end of a plain call |
 * | refusal | [2, id, code, text] | callee: the end of any call |
 * | item | [3, id, value] | callee: one of a stream |
 * | end | [4, id] | callee: the end of a stream |
 * | cancel | [5, id] | caller |
 * | credit | [6, id, bytes] | caller: so many bytes of a stream were consumed |
 */
import { DecodeError } from "#base/lib/decode-error.ts";
import { decodeCbor, encodeCbor } from "#sharing/mesh/cbor.ts";

const REFUSALS = [
  "unknown-method",
  "bad-request", // the argument does not fit
  "limit", // too much in flight, or more than was granted
  "too-large", // the answer does not fit into a frame
  "not-allowed",
  "internal", // a bug on the other side; its log has the stack
  "cancelled",
] as const;
export type LinkRefusal = (typeof REFUSALS)[number];

export type Frame =
  | { readonly kind: "call"; readonly id: number; readonly method: string; readonly argument: unknown }
  | { readonly kind: "reply"; readonly id: number; readonly value: unknown }
  | { readonly kind: "refusal"; readonly id: number; readonly code: LinkRefusal; readonly text: string }
  | { readonly kind: "item"; readonly id: number; readonly value: unknown }
  | { readonly kind: "end"; readonly id: number }
  | { readonly kind: "cancel"; readonly id: number }
  | { readonly kind: "credit"; readonly id: number; readonly bytes: number };

const HEADER = 4;
const MAX_ID = 0xffff_ffff;
const MAX_METHOD = 64;
export const MAX_TEXT = 500;

/** Values and keys of one frame; what we send ourselves is too long before it has so many. */
const MAX_ITEMS = 1_000_000;

/** The frame with its length before it. */
export function encodeFrame(frame: Frame): Uint8Array {
  const body = encodeCbor(fieldsOf(frame));
  const bytes = new Uint8Array(HEADER + body.length);
  new DataView(bytes.buffer).setUint32(0, body.length, true);
  bytes.set(body, HEADER);
  return bytes;
}

function fieldsOf(frame: Frame): unknown[] {
  switch (frame.kind) {
    case "call":
      return [0, frame.id, frame.method, frame.argument ?? null];
    case "reply":
      return [1, frame.id, frame.value ?? null];
    case "refusal":
      return [2, frame.id, frame.code, frame.text.slice(0, MAX_TEXT)];
    case "item":
      return [3, frame.id, frame.value ?? null];
    case "end":
      return [4, frame.id];
    case "cancel":
      return [5, frame.id];
    case "credit":
      return [6, frame.id, frame.bytes];
  }
}

/** A frame from its CBOR, without the length. @throws DecodeError */
export function decodeFrame(body: Uint8Array): Frame {
  const fields = decodeCbor(body, MAX_ITEMS);
  if (!Array.isArray(fields)) throw new DecodeError("a frame is no array");
  const [kind, id] = fields as unknown[];
  if (!isInteger(id) || id < 1 || id > MAX_ID) throw new DecodeError("a frame without an id");
  const expect = (length: number) => {
    if (fields.length !== length)
      throw new DecodeError(`a frame of kind ${kind} with ${fields.length} fields`);
  };
  switch (kind) {
    case 0:
      expect(4);
      return { kind: "call", id, method: text(fields[2], MAX_METHOD), argument: fields[3] };
    case 1:
      expect(3);
      return { kind: "reply", id, value: fields[2] };
    case 2:
      expect(4);
      return { kind: "refusal", id, code: refusalCode(fields[2]), text: text(fields[3], MAX_TEXT) };
    case 3:
      expect(3);
      return { kind: "item", id, value: fields[2] };
    case 4:
      expect(2);
      return { kind: "end", id };
    case 5:
      expect(2);
      return { kind: "cancel", id };
    case 6:
      expect(3);
      return { kind: "credit", id, bytes: positive(fields[2]) };
    default:
      throw new DecodeError("a frame of no known kind");
  }
}

function isInteger(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value);
}

function positive(value: unknown): number {
  if (isInteger(value) && value > 0 && value <= MAX_ID) return value;
  throw new DecodeError("a credit that is no positive integer");
}

function text(value: unknown, limit: number): string {
  if (typeof value === "string" && value.length <= limit) return value;
  throw new DecodeError("a text that is missing or too long");
}

function refusalCode(value: unknown): LinkRefusal {
  const code = REFUSALS.find((known) => known === value);
  if (code === undefined) throw new DecodeError("a refusal of no known code");
  return code;
}

const FIRST_CAPACITY = 4096;

/** Cuts a byte stream into frames. Holds at most one frame and the chunk that completes it, however it is cut. */
export class FrameReader {
  readonly #limit: number;
  #buffer = new Uint8Array(FIRST_CAPACITY);
  #start = 0;
  #end = 0;

  /** @param limit longest frame, bytes of its CBOR */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Bytes held that no frame was made of yet. */
  get held(): number {
    return this.#end - this.#start;
  }

  push(chunk: Uint8Array): void {
    if (this.#end + chunk.length > this.#buffer.length) this.#makeRoom(chunk.length);
    this.#buffer.set(chunk, this.#end);
    this.#end += chunk.length;
  }

  /** The next whole frame's CBOR; undefined until it is there. @throws DecodeError when it would be too long */
  next(): Uint8Array | undefined {
    if (this.held < HEADER) return undefined;
    const length = new DataView(this.#buffer.buffer).getUint32(this.#start, true);
    if (length > this.#limit) throw new DecodeError(`a frame of ${length} bytes, of ${this.#limit} allowed`);
    if (this.held < HEADER + length) return undefined;
    const from = this.#start + HEADER;
    const body = this.#buffer.slice(from, from + length);
    this.#start = from + length;
    if (this.held === 0) this.#release();
    return body;
  }

  #makeRoom(more: number): void {
    const needed = this.held + more;
    // Twice what is needed: a frame that comes byte by byte is moved a few times, not at every byte.
    const target = needed > this.#buffer.length / 2 ? new Uint8Array(needed * 2) : this.#buffer;
    target.set(this.#buffer.subarray(this.#start, this.#end));
    this.#buffer = target;
    this.#end = this.held;
    this.#start = 0;
  }

  #release(): void {
    this.#start = 0;
    this.#end = 0;
    if (this.#buffer.length > 16 * FIRST_CAPACITY) this.#buffer = new Uint8Array(FIRST_CAPACITY);
  }
}
