/**
 * The first transport: every message behind a header of magic, type, length and checksum, in the clear. Limits
 * and verdicts are those of Core's V1Transport (net.cpp).
 */
import { sha256d } from "#base/crypto/sha256.ts";
import { readU32, toHex, writeU32 } from "#base/lib/bytes.ts";
import {
  MAX_PROTOCOL_MESSAGE_LENGTH,
  type ReceivedMessage,
  type Transport,
  type TransportFailure,
} from "./transport.ts";

const V1_HEADER_LENGTH = 24;
const TYPE_LENGTH = 12;
/** A payload's buffer grows with what came, so that an announced length alone costs no memory. */
const FIRST_BUFFER = 256 * 1024;

export class V1Transport implements Transport {
  readonly kind = "v1";
  readonly sessionId = "";
  readonly #magic: Uint8Array;
  readonly #header = new Uint8Array(V1_HEADER_LENGTH);
  #headerFilled = 0;
  #payload: Uint8Array = EMPTY;
  #payloadFilled = 0;
  /** Length of the payload that is being received; −1 while in the header. */
  #payloadLength = -1;
  #received: ReceivedMessage[] = [];
  #toSend: Uint8Array[] = [];

  constructor(magic: Uint8Array) {
    this.#magic = magic;
  }

  receive(bytes: Uint8Array): TransportFailure | undefined {
    let at = 0;
    while (at < bytes.length) {
      if (this.#payloadLength < 0) {
        at = this.#fillHeader(bytes, at);
        if (this.#headerFilled < V1_HEADER_LENGTH) return undefined;
        const failure = this.#openPayload();
        if (failure !== undefined) return failure;
      }
      at = this.#fillPayload(bytes, at);
      if (this.#payloadFilled === this.#payloadLength) this.#closePayload();
    }
    return undefined;
  }

  take(): ReceivedMessage | undefined {
    return this.#received.shift();
  }

  push(type: string, payload: Uint8Array): void {
    const header = new Uint8Array(V1_HEADER_LENGTH);
    header.set(this.#magic);
    for (let i = 0; i < type.length; i++) header[4 + i] = type.charCodeAt(i);
    writeU32(header, 16, payload.length);
    header.set(sha256d(payload).subarray(0, 4), 20);
    this.#toSend.push(header);
    if (payload.length > 0) this.#toSend.push(payload);
  }

  pull(): Uint8Array[] {
    const chunks = this.#toSend;
    this.#toSend = [];
    return chunks;
  }

  #fillHeader(bytes: Uint8Array, at: number): number {
    const end = Math.min(bytes.length, at + V1_HEADER_LENGTH - this.#headerFilled);
    this.#header.set(bytes.subarray(at, end), this.#headerFilled);
    this.#headerFilled += end - at;
    return end;
  }

  /** Checks a whole header and makes ready for its payload. */
  #openPayload(): TransportFailure | undefined {
    const header = this.#header;
    for (let i = 0; i < 4; i++) {
      if (header[i] !== this.#magic[i]) {
        return { reason: `Header error: Wrong MessageStart ${toHex(header.subarray(0, 4))} received` };
      }
    }
    const length = readU32(header, 16);
    if (length > MAX_PROTOCOL_MESSAGE_LENGTH) {
      return { reason: `Header error: Size too large (${printable(header)}, ${length} bytes)` };
    }
    this.#payloadLength = length;
    this.#payloadFilled = 0;
    this.#payload = EMPTY;
    return undefined;
  }

  #fillPayload(bytes: Uint8Array, at: number): number {
    const end = Math.min(bytes.length, at + this.#payloadLength - this.#payloadFilled);
    const filled = this.#payloadFilled + end - at;
    if (filled > this.#payload.length) this.#grow(filled);
    this.#payload.set(bytes.subarray(at, end), this.#payloadFilled);
    this.#payloadFilled = filled;
    return end;
  }

  #grow(least: number): void {
    const wanted = Math.max(least, 2 * this.#payload.length, FIRST_BUFFER);
    const grown = new Uint8Array(Math.min(this.#payloadLength, wanted));
    grown.set(this.#payload.subarray(0, this.#payloadFilled));
    this.#payload = grown;
  }

  /** A whole message is there: hands it out, or says why it is dropped. */
  #closePayload(): void {
    const payload = this.#payload;
    const header = this.#header;
    const wireSize = V1_HEADER_LENGTH + this.#payloadLength;
    const checksum = sha256d(payload).subarray(0, 4);
    const size = `(${printable(header)}, ${payload.length} bytes)`;
    const expected = toHex(header.subarray(20, 24));
    const type = messageType(header);
    if (toHex(checksum) !== expected) {
      const rejected = `Header error: Wrong checksum ${size}, expected ${toHex(checksum)} was ${expected}`;
      this.#received.push({ type: type ?? "", payload, wireSize, rejected });
    } else if (type === undefined) {
      const rejected = `Header error: Invalid message type ${size}`;
      this.#received.push({ type: "", payload, wireSize, rejected });
    } else {
      this.#received.push({ type, payload, wireSize });
    }
    this.#headerFilled = 0;
    this.#payloadLength = -1;
    this.#payload = EMPTY;
  }
}

const EMPTY = new Uint8Array(0);

/** The type in a header; undefined unless it is printable ASCII with nothing but zeros after it. */
function messageType(header: Uint8Array): string | undefined {
  let type = "";
  for (let i = 4; i < 4 + TYPE_LENGTH; i++) {
    const byte = header[i]!;
    if (byte === 0) {
      for (let j = i + 1; j < 4 + TYPE_LENGTH; j++) if (header[j] !== 0) return undefined;
      return type;
    }
    if (byte < 0x20 || byte > 0x7e) return undefined;
    type += String.fromCharCode(byte);
  }
  return type;
}

/** The type field as it may stand in a log: letters, digits and few signs (Core's SanitizeString). */
function printable(header: Uint8Array): string {
  const end = header.indexOf(0, 4);
  const field = header.subarray(4, end < 0 || end > 16 ? 16 : end);
  return String.fromCharCode(...field).replace(/[^a-zA-Z0-9 .,;_/:?@()-]/g, "");
}
