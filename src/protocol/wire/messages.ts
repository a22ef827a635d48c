/** Every v1 message by its type (command), and both directions of it. */
import { ByteReader } from "#base/lib/byte-reader.ts";
import { ByteWriter } from "#base/lib/byte-writer.ts";
import { type Codec, empty, list, rest, type ValueOf } from "./codec.ts";
import { inventory, MAX_INVENTORY } from "./inventory.ts";
import { addr, addrv2 } from "./messages/addresses.ts";
import {
  cfcheckpt,
  cfheaders,
  cfilter,
  getcfcheckpt,
  getcfheaders,
  getcfilters,
} from "./messages/block-filters.ts";
import { getblocks, getheaders, headers } from "./messages/blocks.ts";
import { filteradd, filterload, merkleblock } from "./messages/bloom.ts";
import { blocktxn, cmpctblock, getblocktxn } from "./messages/compact-blocks.ts";
import { feefilter, sendcmpct, sendtxrcncl, version } from "./messages/handshake.ts";

/** A nonce, which peers before BIP31 leave out. */
const ping: Codec<bigint | undefined> = {
  read: (reader) => (reader.remaining === 0 ? undefined : reader.bigU64()),
  write(writer, nonce) {
    if (nonce !== undefined) writer.bigU64(nonce);
  },
};

const inventoryList = list(inventory, MAX_INVENTORY, 36);

/** `tx` and `block` are handed on as they are: parseTx and parseBlock read them. */
export const MESSAGES = {
  version,
  verack: empty,
  wtxidrelay: empty,
  sendaddrv2: empty,
  sendheaders: empty,
  sendcmpct,
  sendtxrcncl,
  feefilter,
  addr,
  addrv2,
  getaddr: empty,
  inv: inventoryList,
  getdata: inventoryList,
  notfound: inventoryList,
  getblocks,
  getheaders,
  headers,
  block: rest,
  tx: rest,
  mempool: empty,
  ping,
  /** The nonce as it came, which may be too short. */
  pong: rest,
  cmpctblock,
  getblocktxn,
  blocktxn,
  filterload,
  filteradd,
  filterclear: empty,
  merkleblock,
  getcfilters,
  cfilter,
  getcfheaders,
  cfheaders,
  getcfcheckpt,
  cfcheckpt,
} as const;

export type MessageType = keyof typeof MESSAGES;
/** The body of a message of one type. */
export type MessageBody<T extends MessageType> = ValueOf<(typeof MESSAGES)[T]>;

export function isMessageType(type: string): type is MessageType {
  return Object.hasOwn(MESSAGES, type);
}

/**
 * Reads a message's payload. Bytes after what is known are ignored, as Core does; byte strings in the result are
 * views into the payload. @throws DecodeError, LimitError
 */
export function decodeMessage<T extends MessageType>(type: T, payload: Uint8Array): MessageBody<T> {
  return codecOf(type).read(new ByteReader(payload));
}

/** The payload of a message. */
export function encodeMessage<T extends MessageType>(type: T, body: MessageBody<T>): Uint8Array {
  if (type === "block" || type === "tx") return body as Uint8Array;
  const writer = new ByteWriter();
  codecOf(type).write(writer, body);
  return writer.finish();
}

/** The table's entry, whose type cannot be told from a type parameter without this. */
function codecOf<T extends MessageType>(type: T): Codec<MessageBody<T>> {
  return MESSAGES[type] as unknown as Codec<MessageBody<T>>;
}
