/** The whole sharing process without its process: its control directly, and behind the link. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { duplexPair, Readable } from "node:stream";
import { test } from "node:test";
import { z } from "zod";
import { systemClock } from "#base/lib/clock.ts";
import { silentLogger } from "#base/lib/logger.ts";
import type { SharingControl, SharingEvent } from "#doors/api/sharing-control.ts";
import { type ControlWorld, sharingControlSuite } from "#doors/api/test-support/sharing-control-suite.ts";
import { MemoryFileStore } from "#doors/s3/test-support/memory-file-store.ts";
import { FreeRail } from "#sharing/deals/free-rail.ts";
import type { PeerView } from "#sharing/mesh/mesh.ts";
import { composeSharing } from "../compose-sharing.ts";
import { Link } from "../link.ts";
import { EventFan } from "../sharing-control/event-fan.ts";
import { type FilesControlParts, filesControl } from "../sharing-control/files-control.ts";
import type { SharingStart } from "../sharing-start.ts";
import { linkedControl, serveControl } from "./control-link.ts";
import { serveRails } from "./rail-link.ts";
import { served } from "./served-calls.ts";

const parts = { clock: systemClock, log: silentLogger };
const KNOWN = "12D3KooWGBfKEM4JfMPBkQT8iQm6rjAH6QkYVp6S9Z2jKmXn5N3b";

function startIn(folder: string): SharingStart {
  return {
    folder,
    incoming: join(folder, "incoming"),
    network: "regtest",
    version: "0",
    name: "Test",
    meshBind: ["/ip4/127.0.0.1/tcp/0"],
    meshOrAny: true,
    mdns: false,
    s3Port: 0,
    s3OrNext: false,
    files: { diversity: "relaxed", auditEpoch: 3600, awayAfter: 3600, deadAfter: 3600 },
    keys: { account: new Uint8Array(32).fill(7), files: new Uint8Array(32).fill(8) },
  };
}

/** Known, and never met. */
const PEER: PeerView = {
  peer: KNOWN,
  account: undefined,
  name: "",
  standing: "stranger",
  connected: false,
  addresses: ["/ip4/127.0.0.1/tcp/1"],
  ip: undefined,
  latencyMs: undefined,
  bytesSent: 0,
  bytesReceived: 0,
  offers: { storage: Uint8Array.of(1, 2) },
};

/** Files in memory: with no host in reach real ones could not be stored. */
async function filesInMemory(): Promise<FilesControlParts["files"]> {
  const files = new MemoryFileStore(systemClock);
  await files.createBucket("bucket");
  await files.put("bucket", "key", Readable.from([new Uint8Array(5)]));
  const shards = { stored: 0, unproven: 0, lost: 0, repairing: 0 };
  const status = async () => ({ objects: 1, bytes: 5, slabs: 0, shards, hosts: [] });
  return Object.assign(files, { status });
}

/** The sharing process, composed in this one; its files, and whom it knows, are made up. */
async function composed(): Promise<{ control: SharingControl; fan: EventFan; end(): Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), "freehold-control-"));
  const [a, b] = duplexPair();
  const main = new Link(a, serveRails(new Map([["free", new FreeRail(() => true)]])), parts);
  const stack = new AsyncDisposableStack();
  const control = await composeSharing(startIn(folder), {
    link: new Link(b, {}, parts),
    log: silentLogger,
    stack,
    failed: (error) => {
      throw error;
    },
  });
  const fan = new EventFan();
  const credentials = { accessKey: "A".repeat(20), secretKey: "B".repeat(40) };
  const endpoint = "http://127.0.0.1:9000";
  const files = await filesInMemory();
  return {
    fan,
    control: {
      ...control,
      ...filesControl({ files, endpoint, region: "us-east-1", credentials, clock: systemClock }),
      peers: async () => [PEER],
      events: (signal) => fan.follow(signal),
    },
    async end() {
      await stack.disposeAsync();
      main.close("the test is over");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const FACTS = { bucket: "bucket", key: "key", known: KNOWN, unknown: `${KNOWN.slice(0, -1)}x` };

async function direct(): Promise<ControlWorld> {
  const { control, fan, end } = await composed();
  return { ...FACTS, control, tell: (event) => fan.emit(event), [Symbol.asyncDispose]: end };
}

async function acrossLink(): Promise<ControlWorld> {
  const { control, fan, end } = await composed();
  const [a, b] = duplexPair();
  const main = new Link(a, {}, parts);
  const child = new Link(b, serveControl(control), parts);
  return {
    ...FACTS,
    control: linkedControl(main),
    tell: (event) => fan.emit(event),
    async [Symbol.asyncDispose]() {
      child.close("the test is over");
      await end();
    },
  };
}

sharingControlSuite("the sharing control", direct);
sharingControlSuite("the sharing control behind the link", acrossLink);

test("a control whose process is gone says so, as a verdict where it can", async () => {
  const [a, b] = duplexPair();
  const main = new Link(a, {}, parts);
  const control = linkedControl(main);
  const calls = [control.job({ id: "1" }), control.jobs({ limit: 1 })] as const;
  new Link(b, {}, parts).close("it was killed");
  const verdict = await calls[0];
  assert.ok(!verdict.ok && /the sharing process did not do it: the other side is gone/.test(verdict.reason));
  await assert.rejects(calls[1], /the other side is gone/);
  const events: SharingEvent[] = [];
  await assert.rejects(async () => {
    for await (const event of control.events(new AbortController().signal)) events.push(event);
  }, /the other side is gone/);
});

const STATUS = {
  peer: KNOWN,
  account: "ab",
  name: "",
  listening: [],
  startedAt: 0,
  host: { on: false, limitBytes: 0, usedBytes: 0, shards: 0 },
  provider: { on: false, running: 0, done: 0, refused: 0, funnel: {} },
};

test("only a door of this machine is believed to be one", async (t) => {
  const [a, b] = duplexPair();
  const main = new Link(a, {}, parts);
  const said: Record<string, unknown> = { s3: undefined, url: undefined };
  const child = new Link(
    b,
    {
      "control.status": served(z.null(), async () => ({ ...STATUS, s3: said["s3"] })),
      "control.presign": served(z.unknown(), async () => ({ ok: true, value: { url: said["url"] } })),
    },
    parts,
  );
  t.after(() => child.close("the test is over"));
  const control = linkedControl(main);
  said["s3"] = "http://127.0.0.1:9000";
  assert.equal((await control.status()).s3, "http://127.0.0.1:9000");
  said["url"] = "http://127.0.0.1:9000/a/b?x";
  const presign = { method: "PUT", bucket: "a", key: "b", seconds: 1 } as const;
  assert.deepEqual(await control.presign(presign), { ok: true, value: { url: said["url"] } });
  for (const origin of [
    "https://127.0.0.1:9000",
    "http://127.0.0.1:9000/",
    "http://127.0.0.1:9000; script-src *",
    "http://127.0.0.1:9000\nset-cookie: a=b",
    "http://127.0.0.1:9000\n",
    "http://127.0.0.1:123456",
    "http://127.0.0.1",
    "http://localhost:9000",
    "http://127.0.0.1:9000@evil.example",
    "http://evil.example:9000",
    "*",
    "",
    9000,
  ]) {
    said["s3"] = origin;
    await assert.rejects(control.status(), /answered status with nonsense/, String(origin));
  }
  for (const url of [
    "http://evil.example:9000/a",
    "http://127.0.0.1:9000@evil.example/a",
    "javascript:alert(1)",
  ]) {
    said["url"] = url;
    const verdict = await control.presign(presign);
    assert.equal(verdict.ok, false, url);
  }
});

test("a reader that is slow loses traffic first", async () => {
  const fan = new EventFan();
  const gone = new AbortController();
  const events = fan.follow(gone.signal);
  const first = events.next();
  const traffic: SharingEvent = { type: "traffic", edges: [] };
  const object = (key: string): SharingEvent => ({ type: "object", bucket: "b", key, change: "put" });
  for (let i = 0; i < 10; i++) fan.emit(traffic);
  for (let i = 0; i < 995; i++) fan.emit(object(String(i)));
  fan.emit(traffic);
  const seen = [(await first).value];
  while (seen.length < 1000) seen.push((await events.next()).value);
  gone.abort();
  assert.equal((await events.next()).done, true);
  assert.equal(seen.filter((event) => event?.type === "traffic").length, 5);
  assert.equal(seen.filter((event) => event?.type === "object").length, 995);
});
