import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteWriter } from "#base/lib/byte-writer.ts";
import { concatBytes, hex, toHex } from "#base/lib/bytes.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import type { BlockHash } from "#protocol/bitcoin/hashes.ts";
import { InvType } from "./inventory.ts";
import { LimitError } from "./limit-error.ts";
import { decodeMessage, encodeMessage, type MessageBody, type MessageType } from "./messages.ts";
import { parseEndpoint } from "./net-address.ts";

const HASH = hex("11".repeat(32)) as BlockHash;
const HEADER = hex("22".repeat(80));
/** One input, one output, no witness. */
const TX = hex(`01000000${"01"}${"33".repeat(36)}00ffffffff01${"00".repeat(8)}0000000000`);
const here = parseEndpoint("1.2.3.4:8333", 0)!;

const BODIES: { [T in MessageType]: MessageBody<T> } = {
  version: {
    version: 70016,
    services: 1033n,
    time: 1_700_000_000,
    receiverServices: 0n,
    receiver: here,
    senderServices: 1033n,
    sender: here,
    nonce: 0x0102_0304_0506_0708n,
    userAgent: "/Satoshi:29.0.0/Freehold:0.1.0/",
    startHeight: 4312,
    relay: false,
  },
  verack: undefined,
  wtxidrelay: undefined,
  sendaddrv2: undefined,
  sendheaders: undefined,
  sendcmpct: { highBandwidth: true, version: 2n },
  sendtxrcncl: { version: 1, salt: 7n },
  feefilter: 100_000,
  addr: [{ time: 5, services: 9n, endpoint: here }],
  addrv2: [{ time: 5, services: 1n << 63n, endpoint: here }],
  getaddr: undefined,
  inv: [{ type: InvType.WTX, hash: HASH }],
  getdata: [{ type: InvType.WITNESS_BLOCK, hash: HASH }],
  notfound: [],
  getblocks: { version: 70016, locator: [HASH, HASH], stop: HASH },
  getheaders: { version: 70016, locator: [], stop: HASH },
  headers: concatBytes(HEADER, HEADER),
  block: TX,
  tx: TX,
  mempool: undefined,
  ping: 5n,
  pong: hex("0500000000000000"),
  cmpctblock: {
    header: HEADER,
    nonce: 3n,
    shortIds: [hex("010203040506")],
    prefilled: [
      { index: 0, tx: TX },
      { index: 9, tx: TX },
    ],
  },
  getblocktxn: { block: HASH, indexes: [1, 2, 300] },
  blocktxn: { block: HASH, txs: [TX, TX] },
  filterload: { filter: hex("0102"), functions: 11, tweak: 5, flags: 1 },
  filteradd: hex("aabb"),
  filterclear: undefined,
  merkleblock: { header: HEADER, txCount: 7, hashes: [HASH], flags: hex("1d") },
  getcfilters: { filterType: 0, startHeight: 1, stop: HASH },
  cfilter: { filterType: 0, block: HASH, filter: hex("0102") },
  getcfheaders: { filterType: 0, startHeight: 1, stop: HASH },
  cfheaders: { filterType: 0, stop: HASH, previousHeader: HASH, hashes: [HASH] },
  getcfcheckpt: { filterType: 0, stop: HASH },
  cfcheckpt: { filterType: 0, stop: HASH, headers: [HASH, HASH] },
};

test("every message goes both ways", () => {
  for (const type of Object.keys(BODIES) as MessageType[]) {
    const payload = encodeMessage(type, BODIES[type]);
    assert.deepEqual(decodeMessage(type, payload), BODIES[type], type);
    assert.equal(toHex(encodeMessage(type, decodeMessage(type, payload))), toHex(payload), type);
  }
});

test("every message with content refuses to be cut short", () => {
  const whole: MessageType[] = ["block", "tx", "pong"];
  for (const type of Object.keys(BODIES) as MessageType[]) {
    const payload = encodeMessage(type, BODIES[type]);
    if (payload.length === 0 || whole.includes(type) || type === "version" || type === "ping") continue;
    assert.throws(() => decodeMessage(type, payload.subarray(0, payload.length - 1)), DecodeError, type);
  }
});

test("version of peers from before each field was added", () => {
  const payload = encodeMessage("version", BODIES.version);
  const old = decodeMessage("version", payload.subarray(0, 46));
  assert.equal(old.nonce, 1n);
  assert.equal(old.userAgent, "");
  assert.equal(old.startHeight, -1);
  assert.equal(old.relay, true);
  assert.equal(decodeMessage("version", payload.subarray(0, payload.length - 1)).relay, true);
  assert.throws(() => decodeMessage("version", payload.subarray(0, 60)), DecodeError);
});

test("a subversion over 256 characters does not parse", () => {
  const payload = encodeMessage("version", { ...BODIES.version, userAgent: "x".repeat(257) });
  assert.throws(() => decodeMessage("version", payload), new DecodeError("String length limit exceeded"));
});

test("one item more than a list may hold is told apart from bad bytes", () => {
  const entry = BODIES.inv[0]!;
  const limits: [MessageType, number, Uint8Array][] = [
    ["inv", 50_000, new ByteWriter().u32(entry.type).bytes(entry.hash).finish()],
    ["headers", 2000, concatBytes(HEADER, hex("00"))],
    ["addr", 1000, new Uint8Array(30)],
    ["addrv2", 1000, hex("0500000009010401020304208d")],
  ];
  for (const [type, limit, item] of limits) {
    const items = Array.from({ length: limit + 1 }, () => item);
    const payload = concatBytes(new ByteWriter().compactSize(limit + 1).finish(), ...items);
    assert.throws(
      () => decodeMessage(type, payload),
      (error) => error instanceof LimitError && error.count === limit + 1 && error.limit === limit,
      type,
    );
    const allowed = concatBytes(new ByteWriter().compactSize(limit).finish(), ...items.slice(1));
    assert.doesNotThrow(() => decodeMessage(type, allowed), type);
  }
});

test("a huge count without items fails before it costs anything", () => {
  for (const type of ["inv", "addr", "addrv2", "blocktxn", "getblocktxn", "cmpctblock"] as MessageType[]) {
    const count = new ByteWriter().compactSize(0x0200_0000).finish();
    const body = type === "blocktxn" || type === "getblocktxn" ? concatBytes(HASH, count) : count;
    assert.throws(() => decodeMessage(type, body), DecodeError, type);
  }
});

test("compact block positions may not run past 16 bits", () => {
  const indexes = new ByteWriter().bytes(HASH).compactSize(2).compactSize(65_535).compactSize(0).finish();
  assert.throws(() => decodeMessage("getblocktxn", indexes), new DecodeError("differential value overflow"));
  const last = new ByteWriter().bytes(HASH).compactSize(1).compactSize(65_535).finish();
  assert.deepEqual(decodeMessage("getblocktxn", last).indexes, [65_535]);
});
