import assert from "node:assert/strict";
import { test } from "node:test";
import { sha256d } from "#base/crypto/sha256.ts";
import { concatBytes, hex, writeU32 } from "#base/lib/bytes.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { MAX_PROTOCOL_MESSAGE_LENGTH, type ReceivedMessage } from "./transport.ts";
import { V1Transport } from "./transport-v1.ts";

const MAGIC = hex("fabfb5da");

function frame(type: Uint8Array | string, payload: Uint8Array): Uint8Array {
  const header = new Uint8Array(24);
  header.set(MAGIC);
  header.set(typeof type === "string" ? new TextEncoder().encode(type) : type, 4);
  writeU32(header, 16, payload.length);
  header.set(sha256d(payload).subarray(0, 4), 20);
  return concatBytes(header, payload);
}

function takeAll(transport: V1Transport): ReceivedMessage[] {
  const messages: ReceivedMessage[] = [];
  for (let message = transport.take(); message; message = transport.take()) messages.push(message);
  return messages;
}

test("what one transport sends another receives, however the bytes are cut", () => {
  const random = new SeededRandom(1);
  const sender = new V1Transport(MAGIC);
  const sent: { type: string; payload: Uint8Array }[] = [];
  for (let i = 0; i < 50; i++) {
    const payload = random.fill(new Uint8Array(i === 7 ? 700_000 : random.below(300)));
    const type = i % 3 === 0 ? "verack" : "abcdefghijkl";
    sent.push({ type, payload });
    sender.push(type, payload);
  }
  const wire = concatBytes(...sender.pull());
  assert.deepEqual(sender.pull(), []);
  const receiver = new V1Transport(MAGIC);
  const received: ReceivedMessage[] = [];
  for (let at = 0; at < wire.length; ) {
    const end = Math.min(wire.length, at + 1 + random.below(random.below(4) === 0 ? 65_536 : 40));
    assert.equal(receiver.receive(wire.subarray(at, end)), undefined);
    received.push(...takeAll(receiver));
    at = end;
  }
  assert.deepEqual(
    received.map(({ type, payload, wireSize, rejected }) => ({ type, payload, wireSize, rejected })),
    sent.map(({ type, payload }) => ({ type, payload, wireSize: 24 + payload.length, rejected: undefined })),
  );
});

test("another network's magic ends the connection", () => {
  const bytes = frame("ping", new Uint8Array(8));
  bytes[0] = 0xf9;
  assert.equal(
    new V1Transport(MAGIC).receive(bytes)?.reason,
    "Header error: Wrong MessageStart f9bfb5da received",
  );
});

test("a message over the limit ends the connection before its payload comes", () => {
  const header = frame("block", new Uint8Array(0));
  writeU32(header, 16, MAX_PROTOCOL_MESSAGE_LENGTH + 1);
  assert.equal(
    new V1Transport(MAGIC).receive(header)?.reason,
    "Header error: Size too large (block, 4000001 bytes)",
  );
  writeU32(header, 16, MAX_PROTOCOL_MESSAGE_LENGTH);
  assert.equal(new V1Transport(MAGIC).receive(header), undefined);
});

test("a wrong checksum drops that message alone", () => {
  const bad = frame("tx", hex("0102030405"));
  bad[26] = 0xff;
  const transport = new V1Transport(MAGIC);
  assert.equal(transport.receive(concatBytes(bad, frame("ping", new Uint8Array(8)))), undefined);
  const [first, second] = takeAll(transport);
  assert.match(
    first!.rejected!,
    /^Header error: Wrong checksum \(tx, 5 bytes\), expected [0-9a-f]{8} was [0-9a-f]{8}$/,
  );
  assert.equal(first!.wireSize, 29);
  assert.equal(second!.type, "ping");
  assert.equal(second!.rejected, undefined);
});

test("a type with bytes after its end, or outside ASCII, drops that message alone", () => {
  for (const type of [hex("70696e670070000000000000"), hex("7f696e670000000000000000")]) {
    const transport = new V1Transport(MAGIC);
    assert.equal(transport.receive(frame(type, new Uint8Array(8))), undefined);
    assert.match(transport.take()!.rejected!, /^Header error: Invalid message type/);
  }
});

test("an announced length costs no memory before bytes come", () => {
  const header = frame("block", new Uint8Array(0));
  writeU32(header, 16, MAX_PROTOCOL_MESSAGE_LENGTH);
  const before = process.memoryUsage().arrayBuffers;
  const transports = Array.from({ length: 100 }, () => {
    const transport = new V1Transport(MAGIC);
    transport.receive(concatBytes(header, new Uint8Array(1)));
    return transport;
  });
  const grown = process.memoryUsage().arrayBuffers - before;
  assert.ok(grown < 40_000_000, `${transports.length} transports took ${grown} bytes`);
});
