/**
 * A sharing process that is not what it should be, for tests: FREEHOLD_TEST_MODE says how. What it was answered goes to
 * standard error, one line of JSON each.
 */
import { once } from "node:events";
import { url } from "node:inspector";
import { Socket } from "node:net";
import { z } from "zod";
import { systemClock } from "#base/lib/clock.ts";
import { silentLogger } from "#base/lib/logger.ts";
import { encodeFrame } from "../link/frame.ts";
import { served } from "../link/served-calls.ts";
import { Link } from "../link.ts";
import { sharingStart } from "../sharing-start.ts";

const mode = process.env["FREEHOLD_TEST_MODE"] ?? "honest";
const pipe = new Socket({ fd: 3, readable: true, writable: true });
const PEER = { peer: "12D3KooWpeer", account: "aa".repeat(32) };
const REFERENCE = "ab".repeat(32);

function tell(value: unknown): void {
  process.stderr.write(`${JSON.stringify(value)}\n`);
}

function link(): Link {
  const methods = {
    start: served(sharingStart, async ({ keys }) => {
      if (mode === "refuses") return { ok: false, reason: "the port is in use" };
      if (mode === "nonsense") return { ok: "perhaps" };
      tell({ keys: Object.keys(keys), started: true, flags: process.execArgv, inspector: url() ?? "none" });
      setImmediate(() => void misbehave().catch((error: Error) => tell({ error: error.message })));
      return { ok: true };
    }),
    stop: served(z.null(), async () => {
      setImmediate(() => process.exit(0));
      return null;
    }),
    "control.peers": served(z.null(), async () => (mode === "liar" ? [{ peer: "me" }] : [])),
  };
  const made = new Link(pipe, methods, { clock: systemClock, log: silentLogger });
  void made.closed.then((reason) => {
    tell({ closed: reason });
    process.exit(1);
  });
  return made;
}

async function misbehave(): Promise<void> {
  if (mode === "greedy") await askForTooMuch();
  if (mode === "calls") await callWithoutEnd();
  if (mode === "provokes") await provoke();
}

/** Finds a bug of the other side, and asks for it again and again; then dies, to be forgotten what it did. */
async function provoke(): Promise<void> {
  for (let i = 0; i < 5; i++) await Promise.all(Array.from({ length: 60 }, () => us.call("bug", null)));
  process.exit(0);
}

/** Everything it has no right to. */
async function askForTooMuch(): Promise<void> {
  const asked: [string, unknown][] = [
    ["rail.pay", { rail: "free", peer: PEER, totalMsat: 1, reference: REFERENCE }],
    ["rail.open", { rail: "free", peer: PEER, limitMsat: 1000 }],
    ["rail.pay", { rail: "channel", peer: PEER, totalMsat: 501, reference: REFERENCE }],
    ["rail.pay", { rail: "channel", peer: PEER, totalMsat: 500, reference: REFERENCE }],
    ["rail.pay", { rail: "channel", peer: PEER, totalMsat: 501, reference: REFERENCE }],
    ["rail.pay", { rail: "lightning", peer: PEER, totalMsat: 1, reference: REFERENCE }],
    ["keys", { name: "channels" }],
    ["keys.derive", { purpose: 1, index: 0 }],
    ["start", null],
    ["wallet.seed", null],
    ["chain.watch", { follower: "wallet/freehold", scripts: [] }],
    ["chain.scan", { follower: "wallet/freehold", from: 0 }],
  ];
  for (const [method, argument] of asked) {
    if (method === "chain.scan") {
      const items = await Array.fromAsync(us.stream(method, argument)).catch((error: Error) => error.message);
      tell({ method, items: typeof items === "string" ? items : items.length });
    } else tell({ method, ...(await us.call(method, argument)) });
  }
  tell({ done: true });
}

/** Calls as fast as the pipe takes them; no answer is read. */
async function callWithoutEnd(): Promise<void> {
  pipe.pause();
  for (let id = 1_000_000; ; id++) {
    const frame = encodeFrame({ kind: "call", id, method: "chain.tip", argument: null });
    if (!pipe.write(frame)) await once(pipe, "drain");
  }
}

/** Bytes that never were a frame, or frames that never end; nothing is read. */
function flood(): void {
  const chunk = mode === "garbage" ? new Uint8Array(65_536).fill(0xa5) : oversized();
  const write = () => {
    while (pipe.write(chunk));
    pipe.once("drain", write);
  };
  pipe.on("error", () => process.exit(1));
  pipe.on("close", () => process.exit(1));
  write();
}

function oversized(): Uint8Array {
  const head = new Uint8Array(65_536);
  new DataView(head.buffer).setUint32(0, 512 * 1024 * 1024, true);
  return head;
}

const floods = mode === "garbage" || mode === "oversized";
if (floods) flood();
const us = floods ? (undefined as never) : link();
