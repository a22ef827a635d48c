import { ByteReader } from "#base/lib/byte-reader.ts";
import { concatBytes, equalBytes, hex } from "#base/lib/bytes.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import { decodeMessage, encodeMessage, MESSAGES, type MessageType } from "#protocol/wire/messages.ts";
import { V1Transport } from "#protocol/wire/transport-v1.ts";
import type { FuzzTarget } from "./fuzz.ts";

const MAGIC = hex("fabfb5da");
const TYPES = Object.keys(MESSAGES) as MessageType[];

const HASH = "11".repeat(32);
const HEADER = "22".repeat(80);
const TX = `0100000001${"33".repeat(36)}00ffffffff01${"00".repeat(8)}0000000000`;
const ENDPOINT = "00000000000000000000ffff01020304208d";

/** A payload of each type with content. */
const PAYLOADS: Partial<Record<MessageType, string>> = {
  version: `80110100${"09".padEnd(16, "0")}${"01".padEnd(16, "0")}${"00".repeat(8)}${ENDPOINT}${"00".repeat(8)}${ENDPOINT}${"05".repeat(8)}042f782f2f0a00000001`,
  sendcmpct: "010200000000000000",
  sendtxrcncl: "010000000700000000000000",
  feefilter: "a086010000000000",
  addr: `0105000000${"09".padEnd(16, "0")}${ENDPOINT}`,
  addrv2: "0205000000fd0904010401020304208d0500000000aa0401020304208d",
  inv: `0205000000${HASH}01000000${HASH}`,
  getdata: `0102000040${HASH}`,
  notfound: "00",
  getblocks: `8011010001${HASH}${HASH}`,
  getheaders: `8011010002${HASH}${HASH}${HASH}`,
  headers: `01${HEADER}00`,
  block: `${HEADER}01${TX}`,
  tx: TX,
  ping: "0500000000000000",
  pong: "0500000000000000",
  cmpctblock: `${HEADER}030000000000000001010203040506020000${TX}`.replace("020000", "0100"),
  getblocktxn: `${HASH}020102`,
  blocktxn: `${HASH}01${TX}`,
  filterload: "0201020b0000000500000001",
  filteradd: "02aabb",
  merkleblock: `${HEADER}0700000001${HASH}011d`,
  getcfilters: `0001000000${HASH}`,
  cfilter: `00${HASH}020102`,
  getcfheaders: `0001000000${HASH}`,
  cfheaders: `00${HASH}${HASH}01${HASH}`,
  getcfcheckpt: `00${HASH}`,
  cfcheckpt: `00${HASH}01${HASH}`,
};

/** Input: a byte that picks the message type (255: the bytes of a connection), then the payload. */
export const target: FuzzTarget = {
  name: "wire",
  seeds: [
    ...TYPES.map((type, i) => concatBytes(Uint8Array.of(i), hex(PAYLOADS[type] ?? ""))),
    concatBytes(Uint8Array.of(255), connection()),
  ],
  run(input) {
    if (input.length === 0) return;
    if (input[0] === 255) runTransport(input.subarray(1));
    else runMessage(TYPES[input[0]! % TYPES.length]!, input.subarray(1));
  },
};

function connection(): Uint8Array {
  const transport = new V1Transport(MAGIC);
  for (const type of ["verack", "ping", "inv"] as const) transport.push(type, hex(PAYLOADS[type] ?? ""));
  return concatBytes(...transport.pull());
}

/** What parses must be written to something that parses to the same again. */
function runMessage(type: MessageType, payload: Uint8Array): void {
  const body = decodeMessage(type, payload);
  const once = encodeMessage(type, body);
  const twice = encodeMessage(type, decodeMessage(type, once));
  if (!equalBytes(once, twice)) throw new Error(`${type} is not stable`);
  if (once.length > payload.length + 64)
    throw new Error(`${type} grew from ${payload.length} to ${once.length}`);
}

/** Cut in two at any place it must give what it gives whole. */
function runTransport(bytes: Uint8Array): void {
  const cut = bytes.length === 0 ? 0 : new ByteReader(bytes).u8() % bytes.length;
  const whole = receive([bytes]);
  const halves = receive([bytes.subarray(0, cut), bytes.subarray(cut)]);
  if (whole !== halves) throw new Error(`cut at ${cut}: ${halves} instead of ${whole}`);
  if (whole.startsWith("failed")) throw new DecodeError(whole);
}

function receive(chunks: readonly Uint8Array[]): string {
  const transport = new V1Transport(MAGIC);
  const seen: string[] = [];
  for (const chunk of chunks) {
    const failure = transport.receive(chunk);
    for (let message = transport.take(); message; message = transport.take()) {
      seen.push(`${message.type} ${message.wireSize} ${message.rejected ?? ""}`);
    }
    if (failure !== undefined) return `failed ${failure.reason} after ${seen.join("; ")}`;
  }
  return seen.join("; ");
}
