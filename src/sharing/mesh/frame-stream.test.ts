import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { type Stream, StreamMessageEvent } from "@libp2p/interface";
import { streamPair } from "@libp2p/utils";
import { ManualClock } from "#base/lib/clock.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { FrameStream } from "./frame-stream.ts";

const MAX_FRAME = 1024 * 1024;

/** A clock of a machine that may sleep: its timers then come late. */
class SleepingClock extends ManualClock {
  #slept = 0;

  override monotonic(): number {
    return super.monotonic() + this.#slept;
  }

  sleep(ms: number): void {
    this.#slept += ms;
  }
}

/** A reader of frames, the other side's bare stream, and the time between them. */
class Reader {
  readonly clock = new SleepingClock();
  readonly frames: Uint8Array[] = [];
  readonly stream: FrameStream;
  readonly sender: Stream;
  readonly #receiver: Stream;
  #end: { readonly reason: string; readonly fault: boolean } | undefined;
  #received = 0;
  #sent = 0;
  #moved = (): void => {};

  static async open(context: TestContext): Promise<Reader> {
    const [sender, receiver] = await streamPair();
    context.after(() => sender.abort(new Error("the test is over")));
    return new Reader(sender, receiver);
  }

  private constructor(sender: Stream, receiver: Stream) {
    this.sender = sender;
    this.#receiver = receiver;
    const handlers = {
      onFrame: (bytes: Uint8Array): void => void this.frames.push(bytes),
      onEnd: (reason: string, fault: boolean): void => {
        this.#end = { reason, fault };
        this.#moved();
      },
      onWritten: (): void => {},
      onTraffic: (_sent: number, received: number): void => {
        this.#received += received;
        this.#moved();
      },
    };
    this.stream = new FrameStream(receiver, { maxFrame: MAX_FRAME }, { clock: this.clock, handlers });
  }

  /** Why the reader ended, `fault: ` before it when the sender is to blame. */
  ended(): string | undefined {
    return this.#end === undefined ? undefined : `${this.#end.fault ? "fault: " : ""}${this.#end.reason}`;
  }

  /** Sends bytes and waits until the reader has them, or has ended. */
  async send(bytes: Uint8Array): Promise<void> {
    this.#sent += bytes.length;
    this.sender.send(bytes);
    while (this.#received < this.#sent && this.#end === undefined) {
      await new Promise<void>((resolve) => {
        this.#moved = resolve;
      });
    }
    // What was received is parsed after it was counted.
    await Promise.resolve();
  }

  /** What the transport hands over, without the way there. */
  receive(bytes: Uint8Array): void {
    this.#receiver.dispatchEvent(new StreamMessageEvent(bytes));
  }

  /** Sends `piece` bytes every `everyMs` until `bytes` have gone or the stream has ended. */
  async drip(bytes: Uint8Array, piece: number, everyMs: number): Promise<void> {
    for (let at = 0; at < bytes.length && this.#end === undefined; at += piece) {
      await this.send(bytes.subarray(at, at + piece));
      this.clock.advance(everyMs);
    }
  }
}

function framed(length: number): Uint8Array {
  const frame = new Uint8Array(4 + length).fill(7, 4);
  new DataView(frame.buffer).setUint32(0, length);
  return frame;
}

test("a slow peer may take as long as its frame needs, while bytes keep coming", async (context) => {
  const reader = await Reader.open(context);
  // 64 KiB at 600 bytes a second, every piece long after the last.
  await reader.drip(framed(65_536), 18_000, 30_000);
  assert.equal(reader.ended(), undefined);
  assert.deepEqual(
    reader.frames.map(({ length }) => length),
    [65_536],
  );
  reader.clock.advance(1e6);
  assert.equal(reader.ended(), undefined, "a stream without a frame under way is waited for");
});

test("a frame whose bytes stop coming ends the stream a minute after the last one", async (context) => {
  const reader = await Reader.open(context);
  const frame = framed(200_000);
  await reader.drip(frame.subarray(0, 100_000), 50_000, 50_000);
  reader.clock.advance(9_999);
  assert.equal(reader.ended(), undefined);
  reader.clock.advance(1);
  assert.match(reader.ended() ?? "", /^fault: no byte of a frame/);
});

test("a peer that drips bytes loses: a frame comes at a least rate after its first minute", async (context) => {
  const reader = await Reader.open(context);
  await reader.drip(framed(1000), 1, 59_000);
  assert.match(reader.ended() ?? "", /^fault: .*slower than/);
  assert.ok(reader.clock.monotonic() <= 2 * 59_000, `it held out ${reader.clock.monotonic()} ms`);
});

test("the time in which this side takes nothing does not count", async (context) => {
  const reader = await Reader.open(context);
  const frame = framed(1000);
  await reader.send(frame.subarray(0, 100));
  reader.clock.advance(30_000);
  reader.stream.pause();
  reader.clock.advance(3_600_000);
  assert.equal(reader.ended(), undefined);
  reader.stream.resume();
  reader.clock.advance(29_999);
  assert.equal(reader.ended(), undefined);
  await reader.send(frame.subarray(100));
  assert.equal(reader.frames.length, 1);
});

test("each frame has its own time", async (context) => {
  const reader = await Reader.open(context);
  // Pieces that each end one frame and begin the next.
  const frames = new Uint8Array(10 * 1004);
  for (let i = 0; i < 10; i++) frames.set(framed(1000), i * 1004);
  await reader.drip(frames, 1005, 50_000);
  assert.equal(reader.ended(), undefined);
  assert.equal(reader.frames.length, 10);
});

test("a machine that slept does not count its sleep against its peers", async (context) => {
  const reader = await Reader.open(context);
  await reader.send(framed(1000).subarray(0, 500));
  // Nothing ran for an hour: the timer comes late, before the bytes that waited in the socket.
  reader.clock.sleep(3_600_000);
  reader.clock.advance(60_000);
  assert.equal(reader.ended(), undefined);
  await reader.send(framed(1000).subarray(500));
  assert.equal(reader.frames.length, 1);
});

test("frames come whole out of pieces of any size", async (context) => {
  const reader = await Reader.open(context);
  const random = new SeededRandom(5);
  const sent = Array.from({ length: 60 }, () => random.fill(new Uint8Array(1 + random.below(9000))));
  const all = new Uint8Array(sent.reduce((sum, { length }) => sum + 4 + length, 0));
  let end = 0;
  for (const bytes of sent) {
    new DataView(all.buffer).setUint32(end, bytes.length);
    all.set(bytes, end + 4);
    end += 4 + bytes.length;
  }
  for (let at = 0; at < all.length; ) {
    const length = random.below(3) === 0 ? 1 + random.below(5000) : 1 + random.below(40);
    reader.receive(all.slice(at, at + length));
    at += length;
  }
  assert.deepEqual(reader.frames, sent);
  assert.equal(reader.ended(), undefined);
});

test("a frame in pieces of one byte takes about as much memory as it has bytes", async (context) => {
  const reader = await Reader.open(context);
  const frame = framed(150_000);
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const held = (): number => {
    collect();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  const before = held();
  for (let at = 0; at < frame.length - 1; at++) reader.receive(frame.slice(at, at + 1));
  const grown = held() - before;
  assert.ok(grown < 2_000_000, `${grown} bytes for ${frame.length}`);
  reader.receive(frame.slice(-1));
  assert.deepEqual(reader.frames, [frame.subarray(4)]);
});
