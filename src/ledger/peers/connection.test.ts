import assert from "node:assert/strict";
import { test } from "node:test";
import { concatBytes, hex } from "#base/lib/bytes.ts";
import { V1Transport } from "#protocol/wire/transport-v1.ts";
import { Connection } from "./connection.ts";
import type { Socket, SocketHandlers } from "./socket.ts";

const MAGIC = hex("fabfb5da");

class FakeSocket implements Socket {
  readonly remote = { host: "1.2.3.4", port: 1 };
  readonly local = { host: "5.6.7.8", port: 2 };
  handlers: SocketHandlers | undefined;
  paused = false;
  destroyed = false;
  pendingBytes = 0;
  written: Uint8Array[] = [];

  write(chunks: readonly Uint8Array[]): boolean {
    this.written.push(...chunks);
    return true;
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  destroy(): void {
    this.destroyed = true;
    this.handlers!.closed(undefined);
  }
}

function setUp(limits = { maxReceiveBuffer: 1000, maxSendBuffer: 1000 }): {
  socket: FakeSocket;
  connection: Connection;
  events: string[];
} {
  const socket = new FakeSocket();
  const events: string[] = [];
  const connection = new Connection(limits, {
    socket,
    transport: new V1Transport(MAGIC),
    now: () => 5000,
    events: {
      received: () => events.push("received"),
      drained: () => events.push("drained"),
      transferred: (direction, bytes) => events.push(`${direction} ${bytes}`),
      closed: (reason) => events.push(`closed ${reason}`),
    },
  });
  return { socket, connection, events };
}

function wire(...messages: readonly [string, Uint8Array][]): Uint8Array {
  const transport = new V1Transport(MAGIC);
  for (const [type, payload] of messages) transport.push(type, payload);
  return concatBytes(...transport.pull());
}

test("messages wait in order, and are counted by type", () => {
  const { socket, connection } = setUp();
  const bad = wire(["tx", Uint8Array.of(1, 2, 3)]);
  bad[20]! ^= 1;
  socket.handlers!.data(concatBytes(wire(["ping", new Uint8Array(8)], ["foo", new Uint8Array(2)]), bad));
  assert.equal(connection.take()!.type, "ping");
  assert.equal(connection.take()!.type, "foo");
  assert.equal(connection.take(), undefined);
  assert.deepEqual(
    [...connection.receivedByType],
    [
      ["ping", 32],
      ["*other*", 26 + 27],
    ],
  );
  assert.equal(connection.bytesReceived, 32 + 26 + 27);
  assert.equal(connection.lastReceive, 5000);
});

test("a sender that is ahead of us is held up, and nothing it sent is lost", () => {
  const { socket, connection } = setUp();
  const messages: [string, Uint8Array][] = Array.from({ length: 50 }, (_, i) => [
    "tx",
    new Uint8Array(100).fill(i),
  ]);
  socket.handlers!.data(wire(...messages));
  assert.equal(socket.paused, true);
  assert.ok(connection.queued < 10, `${connection.queued} messages wait`);
  const taken: number[] = [];
  for (let message = connection.take(); message; message = connection.take()) taken.push(message.payload[0]!);
  assert.deepEqual(
    taken,
    Array.from({ length: 50 }, (_, i) => i),
  );
  assert.equal(socket.paused, false);
});

test("a receiver that takes nothing pauses the handling of its messages", () => {
  const { socket, connection, events } = setUp();
  socket.pendingBytes = 1001;
  assert.equal(connection.sendPaused, true);
  socket.pendingBytes = 1000;
  assert.equal(connection.sendPaused, false);
  socket.handlers!.drain();
  assert.deepEqual(events, ["drained"]);
});

test("garbage ends the connection, once", () => {
  const { socket, connection, events } = setUp();
  socket.handlers!.data(new Uint8Array(24).fill(7));
  assert.equal(socket.destroyed, true);
  assert.equal(connection.closed, true);
  socket.handlers!.data(wire(["ping", new Uint8Array(8)]));
  connection.send("pong", new Uint8Array(8));
  connection.close("again");
  assert.deepEqual(events, [
    "in 24",
    "closed receiving message bytes failed: Header error: Wrong MessageStart 07070707 received",
  ]);
  assert.deepEqual(socket.written, []);
});

test("what is sent goes out framed and counted", () => {
  const { socket, connection, events } = setUp();
  connection.send("pong", new Uint8Array(8));
  assert.deepEqual(concatBytes(...socket.written), wire(["pong", new Uint8Array(8)]));
  assert.deepEqual(events, ["out 32"]);
  assert.deepEqual([...connection.sentByType], [["pong", 32]]);
});
