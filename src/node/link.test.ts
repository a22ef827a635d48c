import assert from "node:assert/strict";
import { duplexPair } from "node:stream";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { ManualClock, systemClock } from "#base/lib/clock.ts";
import { silentLogger } from "#base/lib/logger.ts";
import { encodeFrame, type Frame } from "./link/frame.ts";
import type { LinkLimits } from "./link/link-limits.ts";
import { LinkFailure } from "./link/own-calls.ts";
import { Refused, type ServedMethods, served, servedStream } from "./link/served-calls.ts";
import { Link } from "./link.ts";

const parts = { clock: systemClock, log: silentLogger };

/** Two sides of one link. */
function pair(left: ServedMethods, right: ServedMethods, limits: Partial<LinkLimits> = {}): [Link, Link] {
  const [a, b] = duplexPair();
  return [new Link(a, left, parts, limits), new Link(b, right, parts, limits)];
}

/** One side of a link, and the raw end where a false process sits. */
function hostile(methods: ServedMethods, limits: Partial<LinkLimits> = {}, clock = systemClock) {
  const [a, raw] = duplexPair();
  raw.on("error", () => {});
  const link = new Link(a, methods, { ...parts, clock }, limits);
  const send = (frame: Frame) => raw.write(encodeFrame(frame));
  return { link, raw, send };
}

const echo: ServedMethods = { echo: served(z.unknown(), async (value) => value) };
const number = z.number();

test("a call carries its argument there and the answer back", async () => {
  const [left] = pair({}, echo);
  for (const value of [null, true, -5, 1.5, "text", [1, [2]], { a: Uint8Array.of(1, 2, 3), b: {} }]) {
    assert.deepEqual(await left.call("echo", value), { ok: true, value });
  }
});

test("what is refused is a value, with its reason", async () => {
  const [left] = pair(
    {},
    {
      half: served(number, async (value) => value / 2),
      never: served(number, async () => {
        throw new Refused("not-allowed", "this is not yours");
      }),
      bug: served(number, async () => {
        throw new TypeError("a secret of ours");
      }),
    },
  );
  const refused = async (method: string, argument: unknown) => {
    const outcome = await left.call(method, argument);
    assert.equal(outcome.ok, false);
    return outcome.ok ? [] : [outcome.code, outcome.text];
  };
  assert.deepEqual(await refused("nothing", 1), ["unknown-method", "there is no such method"]);
  assert.deepEqual(await refused("toString", 1), ["unknown-method", "there is no such method"]);
  assert.equal((await refused("half", "one"))[0], "bad-request");
  assert.deepEqual(await refused("never", 1), ["not-allowed", "this is not yours"]);
  assert.deepEqual(await refused("bug", 1), ["internal", "internal error"]);
  assert.deepEqual(await left.call("half", 8), { ok: true, value: 4 });
});

test("what does not fit into a frame is refused on the side that has it", async () => {
  const big = new Uint8Array(2000);
  const [left] = pair({}, { ...echo, big: served(z.null(), async () => big) }, { sentFrameBytes: 1000 });
  for (const [method, argument] of [
    ["echo", big],
    ["big", null],
  ] as const) {
    const outcome = await left.call(method, argument);
    assert.equal(!outcome.ok && outcome.code, "too-large");
  }
  assert.deepEqual(await left.call("echo", 1), { ok: true, value: 1 });
});

test("calls beyond those in flight wait for their turn, in order", async () => {
  const order: number[] = [];
  let running = 0;
  let most = 0;
  const [left] = pair(
    {},
    {
      slow: served(number, async (value) => {
        most = Math.max(most, ++running);
        await sleep(1);
        running--;
        order.push(value);
        return value;
      }),
    },
    { calls: 3, lineLength: 50 },
  );
  const outcomes = await Promise.all(Array.from({ length: 60 }, (_, i) => left.call("slow", i)));
  assert.equal(most, 3);
  const answered = outcomes.filter(({ ok }) => ok).length;
  assert.equal(answered, 53);
  assert.deepEqual(
    order,
    [...order].sort((a, b) => a - b),
  );
  assert.ok(outcomes.slice(answered).every((outcome) => !outcome.ok && outcome.code === "limit"));
});

test("a stream comes in order, no faster than it is read", async () => {
  let made = 0;
  const item = new Uint8Array(1000);
  const [left] = pair(
    {},
    {
      count: servedStream(number, async function* (to) {
        for (let i = 0; i < to; i++) {
          made++;
          yield [i, item];
        }
      }),
    },
    { windowBytes: 10_000, frameBytes: 2000 },
  );
  const seen: number[] = [];
  for await (const value of left.stream("count", 500)) {
    seen.push((value as [number])[0]);
    if (seen.length % 100 === 1) {
      await sleep(5);
      // What is on its way is bounded by the window, whatever there is to send.
      assert.ok(made - seen.length <= 14, `${made} made, ${seen.length} read`);
    }
  }
  assert.deepEqual(
    seen,
    Array.from({ length: 500 }, (_, i) => i),
  );
  assert.deepEqual([left.load.pending, left.load.running], [0, 0]);
});

test("a stream that nobody reads on is ended on the other side", async () => {
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  const [left] = pair(
    {},
    {
      forever: servedStream(z.null(), async function* (_none, signal) {
        try {
          for (let i = 0; !signal.aborted; i++) {
            yield i;
            await sleep(1);
          }
        } finally {
          end();
        }
      }),
      broken: servedStream(z.null(), async function* () {
        yield 1;
        throw new Refused("limit", "no more");
      }),
    },
  );
  for await (const value of left.stream("forever", null)) if (value === 3) break;
  await ended;
  await assert.rejects(
    async () => {
      for await (const _ of left.stream("broken", null));
    },
    (error: LinkFailure) => error.code === "limit" && error.message === "no more",
  );
});

test("a call that is given up gives its answer at once, and its place back when the other side ends it", async () => {
  const [left] = pair(
    {},
    {
      wait: served(z.null(), async (_none, signal) => {
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        return null;
      }),
      ...echo,
    },
    { calls: 1 },
  );
  const gaveUp = new AbortController();
  const waiting = left.call("wait", null, gaveUp.signal);
  gaveUp.abort();
  assert.deepEqual(await waiting, { ok: false, code: "cancelled", text: "cancelled" });
  assert.deepEqual(await left.call("echo", 7), { ok: true, value: 7 });
});

test("when the link goes, every call and stream on it ends", async () => {
  const [left, right] = pair(
    {},
    {
      wait: served(z.null(), () => new Promise(() => {})),
      items: servedStream(z.null(), async function* () {
        yield 1;
        await new Promise(() => {});
      }),
    },
  );
  const call = left.call("wait", null);
  const stream = left.stream("items", null);
  assert.equal((await stream.next()).value, 1);
  right.close("enough");
  const outcome = await call;
  assert.equal(!outcome.ok && outcome.code, "closed");
  await assert.rejects(stream.next(), LinkFailure);
  assert.equal(await right.closed, "enough");
  assert.equal(await left.closed, "the other side is gone");
  assert.deepEqual(await left.call("wait", null), {
    ok: false,
    code: "closed",
    text: "the other side is gone",
  });
});

/** A frame of so many arrays, each within the one before. */
function nested(depth: number): Uint8Array {
  const bytes = new Uint8Array(4 + depth).fill(0x81);
  new DataView(bytes.buffer).setUint32(0, depth, true);
  return bytes;
}

test("bytes that are no frame end the link", async () => {
  const cases: [string, Uint8Array][] = [
    ["a length beyond the limit", Uint8Array.of(0xff, 0xff, 0xff, 0x7f)],
    ["no CBOR", Uint8Array.of(2, 0, 0, 0, 0xff, 0xff)],
    ["no array", Uint8Array.of(1, 0, 0, 0, 0xa0)],
    ["an unknown kind", Uint8Array.of(3, 0, 0, 0, 0x82, 0x09, 0x01)],
    ["an integer in a longer form than it needs", Uint8Array.of(4, 0, 0, 0, 0x82, 0x18, 0x04, 0x01)],
    ["arrays within arrays without end", nested(0x0f_0000)],
    ["an answer to no call", encodeFrame({ kind: "reply", id: 1, value: 1 })],
    ["an item of no stream", encodeFrame({ kind: "item", id: 1, value: 1 })],
  ];
  for (const [name, bytes] of cases) {
    const { link, raw } = hostile(echo);
    raw.write(bytes);
    assert.match(await link.closed, /^it broke the protocol: /, name);
  }
});

test("who calls more than it may is refused, and then cut off", async () => {
  const { link, raw, send } = hostile(
    { wait: served(z.null(), () => new Promise(() => {})) },
    { calls: 8, refusalsPerMinute: 100 },
  );
  let refused = 0;
  raw.on("data", (bytes: Uint8Array) => {
    refused += bytes.length > 0 ? 1 : 0;
  });
  for (let id = 1; id <= 16; id++) send({ kind: "call", id, method: "wait", argument: null });
  for (let id = 17; id <= 50; id++) send({ kind: "call", id, method: "wait", argument: null });
  while (link.load.running < 16 || refused === 0) await sleep(1);
  await sleep(20);
  assert.equal(link.isClosed, false);
  assert.equal(link.load.running, 16);
  for (let id = 100; id < 200; id++) send({ kind: "call", id, method: "wait", argument: null });
  assert.match(await link.closed, /too many refused calls \(limit\)/);
});

test("who does not read his answers can not ask for more", async () => {
  const answer = new Uint8Array(100_000);
  const { link, raw, send } = hostile(
    { big: served(z.null(), async () => answer) },
    { calls: 16, stallMs: 300, refusalsPerMinute: 1000 },
  );
  raw.pause();
  let most = 0;
  for (let id = 1; id < 500 && !link.isClosed; id++) {
    send({ kind: "call", id, method: "big", argument: null });
    if (id % 20 === 0) await sleep(1);
    most = Math.max(most, link.load.queuedBytes);
  }
  assert.ok(most > 0 && most <= 34 * 101_000, `${most} bytes queued`);
  assert.equal(await link.closed, "it does not read");
});

test("more of a stream than was granted ends the link", async () => {
  const { link, send } = hostile({}, { windowBytes: 1000, frameBytes: 1000 });
  const stream = link.stream("any", null);
  const first = stream.next();
  await sleep(1);
  for (let i = 0; i < 100; i++) send({ kind: "item", id: 1, value: new Uint8Array(100) });
  assert.equal(await link.closed, "it broke the protocol: more of a stream than was granted");
  await first;
});

test("a flood of frames is left in the pipe until its second is over", async () => {
  const clock = new ManualClock();
  let ticks = 0;
  const { link, raw } = hostile(
    {
      tick: served(z.null(), async () => {
        ticks++;
        return null;
      }),
    },
    { framesPerSecond: 50, calls: 1000 },
    clock,
  );
  raw.resume();
  const frames = Array.from({ length: 120 }, (_, i) =>
    encodeFrame({ kind: "call", id: i + 1, method: "tick", argument: null }),
  );
  raw.write(Buffer.concat(frames));
  for (const seen of [50, 100, 120]) {
    while (ticks < seen) await sleep(1);
    await sleep(50);
    assert.equal(ticks, seen);
    clock.advance(999);
    await sleep(50);
    assert.equal(ticks, seen, "the second is not over");
    clock.advance(1);
  }
  assert.equal(link.isClosed, false);
});
