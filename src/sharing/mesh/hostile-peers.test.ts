import assert from "node:assert/strict";
import { connect } from "node:net";
import { type TestContext, test } from "node:test";
import type { Connection } from "@libp2p/interface";
import { type Clock, systemClock } from "#base/lib/clock.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { encodeCbor } from "./cbor.ts";
import { certifyDevice } from "./certificates.ts";
import { closed, firstBytes, HostilePeer } from "./hostile-peer.ts";
import type { Libp2pMesh } from "./libp2p-mesh.ts";
import { ECHO, serveEcho } from "./mesh-suite.ts";
import { addressOf, LoggedErrors, openTestMesh } from "./mesh-world.ts";
import { requestFrame } from "./rpc-frames.ts";

const random = new SeededRandom(7);
const ECHO_ID = "/freehold/echo/1";
const { small, echo } = ECHO.methods;

/** A clock that hurries while a time-out is waited for, and not while anything must be done in time. */
class HastyClock implements Clock {
  #pace = 1;
  /** The machine's time and this clock's when the pace was set. */
  #since = systemClock.monotonic();
  #then = 0;

  now(): number {
    return systemClock.now();
  }

  monotonic(): number {
    return this.#then + this.#pace * (systemClock.monotonic() - this.#since);
  }

  after(delay: number, action: () => void): () => void {
    return systemClock.after(delay / this.#pace, action);
  }

  setPace(pace: number): void {
    this.#then = this.monotonic();
    this.#since = systemClock.monotonic();
    this.#pace = pace;
  }
}

interface Scene {
  readonly victim: Libp2pMesh;
  readonly friend: Libp2pMesh;
  readonly mallory: HostilePeer;
  readonly address: string;
  readonly errors: LoggedErrors;
}

let hosts = 0;

async function scene(context: TestContext, clock?: Clock): Promise<Scene> {
  const errors = new LoggedErrors();
  const victim = await openTestMesh(context, { listen: ["/ip4/127.0.0.1/tcp/0"] }, errors, clock);
  serveEcho(victim);
  const friend = await openTestMesh(context);
  const { link } = await victim.createInvitation({ uses: 1, seconds: 600 });
  assert.ok((await friend.acceptInvitation(link)).ok);
  const mallory = await HostilePeer.start(context, `127.66.${++hosts}.1`);
  return { victim, friend, mallory, address: addressOf(victim), errors };
}

/** The victim still serves its friend, and nothing of ours failed. */
async function assertWell({ victim, friend, errors }: Scene): Promise<void> {
  const outcome = await friend.call(victim.self, ECHO, small, { n: 1 });
  assert.ok(outcome.ok, JSON.stringify(outcome));
  assert.deepEqual(errors.errors, []);
}

async function assertBanned(of: Scene, connection: Connection): Promise<void> {
  await closed(connection);
  assert.equal(of.victim.view(of.mallory.peer)?.standing, "banned");
  await assert.rejects(of.mallory.meet(of.address), "a banned peer came in");
}

/** Sends these bytes on new streams until the connection goes. */
async function offend(connection: Connection, bytes: () => Uint8Array): Promise<number> {
  let offences = 0;
  while (connection.status === "open" && offences < 20) {
    try {
      const stream = await connection.newStream(ECHO_ID, { signal: AbortSignal.timeout(3000) });
      const gone = closed(stream);
      stream.send(bytes());
      offences++;
      await gone;
    } catch {
      // The connection goes while a stream is opened or written.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  return offences;
}

function framed(body: Uint8Array, length = body.length): Uint8Array {
  const frame = new Uint8Array(4 + body.length);
  new DataView(frame.buffer).setUint32(0, length);
  frame.set(body, 4);
  return frame;
}

const OFFENCES: Readonly<Record<string, () => Uint8Array>> = {
  "garbage instead of frames": () => random.fill(new Uint8Array(5000)),
  "frames that are no CBOR": () => framed(random.fill(new Uint8Array(50))),
  "an oversized frame": () => framed(new Uint8Array(10), 0xffff_ffff),
  "an empty frame": () => framed(new Uint8Array(0)),
  "CBOR as deep as it is long": () => framed(new Uint8Array(60_000).fill(0x81)),
  "an array of four thousand million": () => framed(Uint8Array.of(0x9a, 0xff, 0xff, 0xff, 0xff)),
  "a reply to nothing": () => framed(encodeCbor([1, 0, {}])),
  "an id used before": () => {
    const frame = requestFrame(5, "small", encodeCbor({ n: 1 }));
    const twice = new Uint8Array(2 * frame.length);
    twice.set(frame);
    twice.set(frame, frame.length);
    return twice;
  },
};

for (const [name, bytes] of Object.entries(OFFENCES)) {
  test(`${name}: refused, and banned the second time`, async (context) => {
    const of = await scene(context);
    const connection = await of.mallory.meet(of.address);
    const offences = await offend(connection, bytes);
    assert.ok(offences >= 2 && offences <= 4, `${offences} offences`);
    await assertBanned(of, connection);
    await assertWell(of);
  });
}

test("a new identity from a banned address is not let in; its neighbour is", async (context) => {
  const of = await scene(context);
  const ip = `127.66.${hosts}.1`;
  await offend(await of.mallory.meet(of.address), () => framed(new Uint8Array(0)));
  await assert.rejects((await HostilePeer.start(context, ip)).meet(of.address));
  const neighbour = await HostilePeer.start(context, `127.66.${hosts}.2`);
  assert.equal((await neighbour.meet(of.address)).status, "open");
  await assertWell(of);
});

test("random bytes on the bare socket, by the hundred", async (context) => {
  const of = await scene(context);
  const port = Number(/\/tcp\/(\d+)/.exec(of.address)?.[1]);
  const attempts = Array.from({ length: 100 }, (_, i) => {
    return new Promise<void>((resolve) => {
      const socket = connect({ host: "127.0.0.1", port, localAddress: `127.77.${i}.1` });
      socket.on("error", () => resolve());
      socket.on("close", () => resolve());
      socket.end(i % 2 === 0 ? "GET / HTTP/1.1\r\n\r\n" : random.fill(new Uint8Array(1000)));
      socket.resume();
    });
  });
  await Promise.all(attempts);
  await assertWell(of);
});

test("who says no hello, another's, or a false one, is let go and can ask nothing", async (context) => {
  const clock = new HastyClock();
  const of = await scene(context, clock);
  // Who said no good hello is let go after a second, in which what follows must be said.
  clock.setPace(10);
  const silent = await of.mallory.dial(of.address);
  // Its time may be over before it has asked.
  await assert.rejects(async () => {
    const stream = await silent.newStream(ECHO_ID);
    stream.send(requestFrame(0, "small", encodeCbor({ n: 1 })));
    await firstBytes(stream);
  });
  await closed(silent);
  const other = await HostilePeer.start(context, `127.66.${++hosts}.1`);
  const stolen = certifyDevice(other.account, other.device.publicKey, 0);
  const forged = { ...of.mallory.hello().certificate, signature: new Uint8Array(64) };
  for (const certificate of [stolen, forged]) {
    const connection = await of.mallory.dial(of.address);
    const mesh = await connection.newStream("/freehold/mesh/1");
    mesh.send(requestFrame(0, "hello", encodeCbor(of.mallory.hello({ certificate }))));
    assert.match(Buffer.from(await firstBytes(mesh)).toString("latin1"), /not-allowed/);
    await closed(connection);
  }
  assert.equal(of.victim.view(of.mallory.peer)?.connected ?? false, false);
  await assertWell(of);
});

test("a frame that never ends is not waited for", async (context) => {
  const clock = new HastyClock();
  const of = await scene(context, clock);
  const connection = await of.mallory.meet(of.address);
  clock.setPace(50);
  const offences = await offend(connection, () => framed(new Uint8Array(1000), 500_000));
  assert.ok(offences >= 2 && offences <= 4, `${offences} offences`);
  await assertBanned(of, connection);
});

test("a flood of streams ends in a ban", async (context) => {
  const of = await scene(context);
  const connection = await of.mallory.meet(of.address);
  let opened = 0;
  while (connection.status === "open" && opened < 3000) {
    const streams = Array.from({ length: 4 }, () => connection.newStream(ECHO_ID));
    for (const outcome of await Promise.allSettled(streams)) {
      opened++;
      if (outcome.status === "fulfilled") outcome.value.abort(new Error("next"));
    }
  }
  assert.ok(opened < 1000, `${opened} streams`);
  await assertBanned(of, connection);
  await assertWell(of);
});

test("who asks for much and reads nothing fills no memory", async (context) => {
  const of = await scene(context);
  const connection = await of.mallory.meet(of.address);
  const stream = await connection.newStream(ECHO_ID);
  stream.addEventListener("message", () => {});
  stream.pause();
  let answered = 0;
  const before = of.victim.view(of.mallory.peer)!.bytesReceived;
  const data = encodeCbor({ data: new Uint8Array(1024 * 1024) });
  for (let i = 0; i < 100; i++) stream.send(requestFrame(i, "echo", data));
  // It takes in what it may hold, and no more while a friend's requests come and go.
  for (; answered < 200; answered++) {
    const outcome = await of.friend.call(of.victim.self, ECHO, echo, { data: new Uint8Array(1000) });
    assert.ok(outcome.ok);
  }
  const taken = of.victim.view(of.mallory.peer)!.bytesReceived - before;
  assert.ok(taken < 40 * 1024 * 1024, `${taken} bytes were taken in`);
  await assertWell(of);
});

test("a peer that answers with lies or garbage is banned", async (context) => {
  const of = await scene(context);
  await of.mallory.node.handle(ECHO_ID, async (stream) => {
    await firstBytes(stream).catch(() => {});
    if (stream.status === "open") stream.send(framed(random.fill(new Uint8Array(100))));
  });
  const connection = await of.mallory.meet(of.address);
  for (let i = 0; i < 2; i++) {
    const outcome = await of.victim.call(of.mallory.peer, ECHO, small, { n: 1 }, { timeoutMs: 5000 });
    assert.ok(!outcome.ok && outcome.refusal.code === "unreachable", JSON.stringify(outcome));
  }
  await assertBanned(of, connection);
  await assertWell(of);
});
