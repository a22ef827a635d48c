/** Bodies pass through the door at the pace of the slower end, and what is broken off leaves nothing behind. */
import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { systemClock } from "#base/lib/clock.ts";
import { silentLogger } from "#base/lib/logger.ts";
import type { Body, ObjectInfo } from "#sharing/storage/file-store.ts";
import { createS3Server } from "./server.ts";
import { presign } from "./sigv4/presign.ts";
import { expectError } from "./test-support/door-under-test.ts";
import { MemoryFileStore } from "./test-support/memory-file-store.ts";
import { CREDENTIALS, openDoorOver, REGION } from "./test-support/open-door.ts";

const PIECE = 64 * 1024;
const SIZE = 512 * 1024 * 1024;
/** What sockets of both ends may hold, with room. */
const BUFFERS = 32 * 1024 * 1024;

/** A store whose one large object is made while it is read, and whose bodies are read when told to. */
class EndlessStore extends MemoryFileStore {
  handedOut = 0;
  taken = 0;
  ended = Promise.withResolvers<unknown>();
  readonly gate = Promise.withResolvers<void>();

  override async head(bucket: string, key: string): Promise<ObjectInfo> {
    const rest = { versionId: "null", latest: true, deleteMarker: false, etag: "0", modified: 0 };
    return { bucket, key, size: SIZE, ...rest };
  }

  override async *read(): Body {
    this.reading++;
    try {
      for (; this.handedOut < SIZE; this.handedOut += PIECE) yield new Uint8Array(PIECE);
    } finally {
      this.reading--;
    }
  }

  override async put(bucket: string, key: string, body: Body): Promise<ObjectInfo> {
    await this.gate.promise;
    try {
      for await (const piece of body) this.taken += piece.length;
    } catch (error) {
      this.ended.resolve(error);
      throw error;
    }
    return await this.head(bucket, key);
  }
}

async function openDoor(t: TestContext) {
  const files = new EndlessStore(systemClock);
  await files.createBucket("bucket");
  const options = { region: REGION, clock: systemClock, log: silentLogger, corsOrigins: [], baseDomains: [] };
  const door = createS3Server({ files, credentials: [CREDENTIALS], ...options });
  t.after(() => door.close());
  const { url, port } = await door.listen({ host: "127.0.0.1", port: 0 });
  const target = (method: "GET" | "PUT") => {
    const now = Date.now();
    const what = { bucket: "bucket", key: "large", seconds: 60, region: REGION, credentials: CREDENTIALS };
    const { pathname, search, host } = new URL(presign({ method, endpoint: url, now, ...what }));
    return `${method} ${pathname}${search} HTTP/1.1\r\nHost: ${host}\r\n`;
  };
  return { files, port, target };
}

async function dial(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  await new Promise((resolve) => socket.once("connect", resolve));
  return socket;
}

/** Waits until a count has stopped growing. @returns where it stopped */
async function settled(read: () => number): Promise<number> {
  let last = -1;
  for (let same = 0; same < 20; ) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    same = read() === last ? same + 1 : 0;
    last = read();
  }
  return last;
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
}

test("a client that reads slowly holds the store back, and one that leaves ends the reading", async (t) => {
  const { files, port, target } = await openDoor(t);
  const socket = await dial(port);
  socket.pause();
  socket.write(`${target("GET")}\r\n`);
  await until(() => files.reading === 1);
  const stopped = await settled(() => files.handedOut);
  assert.ok(stopped > 0 && stopped < BUFFERS, `${stopped} bytes were fetched for a client that reads none`);
  socket.destroy();
  await until(() => files.reading === 0);
  assert.ok(files.handedOut < SIZE);
});

test("a store that is slow holds the client back, and a client that leaves stores nothing", async (t) => {
  const { files, port, target } = await openDoor(t);
  const socket = await dial(port);
  socket.on("error", () => undefined);
  socket.write(`${target("PUT")}Content-Length: ${SIZE}\r\n\r\n`);
  const fill = () => {
    while (socket.write(new Uint8Array(PIECE)));
  };
  socket.on("drain", fill);
  fill();
  const sent = await settled(() => socket.bytesWritten - socket.writableLength);
  assert.ok(sent > PIECE && sent < BUFFERS, `${sent} bytes were taken in that nobody read`);
  files.gate.resolve();
  await until(() => files.taken > BUFFERS);
  socket.destroy();
  assert.match(String(await files.ended.promise), /connection ended within the body/);
  assert.ok(files.taken < SIZE);
});

test("what is too large to copy at once is refused as S3 refuses it", async () => {
  class LargeStore extends MemoryFileStore {
    override async head(bucket: string, key: string): Promise<ObjectInfo> {
      return { ...(await super.head(bucket, key)), size: 5 * 1024 ** 3 + 1 };
    }
  }
  const door = await openDoorOver(new LargeStore(systemClock), async () => undefined);
  try {
    await door.client.send("PUT", "/bucket");
    await door.client.send("PUT", "/bucket/large", { body: "x" });
    const copy = { headers: { "x-amz-copy-source": "bucket/large" } };
    expectError(await door.client.send("PUT", "/bucket/copy", copy), 400, "InvalidRequest");
  } finally {
    await door.close();
  }
});

test("512 MiB up and down in bounded memory", async (t) => {
  const { files, port, target } = await openDoor(t);
  files.gate.resolve();
  let peak = 0;
  const sampler = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss());
  }, 5);
  t.after(() => clearInterval(sampler));
  const before = process.memoryUsage.rss();

  const up = await dial(port);
  up.write(`${target("PUT")}Content-Length: ${SIZE}\r\n\r\n`);
  let left = SIZE;
  const piece = new Uint8Array(16 * PIECE);
  while (left > 0) {
    left -= piece.length;
    if (!up.write(piece)) await new Promise((resolve) => up.once("drain", resolve));
  }
  assert.match(String(await new Promise((resolve) => up.once("data", resolve))), /200 OK/);
  up.destroy();
  assert.equal(files.taken, SIZE);

  const down = await dial(port);
  down.write(`${target("GET")}Connection: close\r\n\r\n`);
  let size = 0;
  for await (const chunk of down) size += (chunk as Uint8Array).length;
  assert.ok(size > SIZE && size < SIZE + 2000);
  assert.ok(peak - before < 200 * 1024 * 1024, `${(peak - before) >> 20} MiB grew`);
});
