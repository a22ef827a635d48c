/**
 * The link between the ledger's process and the sharing process: calls, streams and cancellation both ways over one
 * inherited pipe. Either side holds the other to the same limits, and the ledger's takes the other for hostile: all
 * that can wait here is bounded by frames in flight, what does not fit is refused, and who goes on is cut off.
 *
 * What bounds memory, for each direction: `frameBytes` a frame; `calls` and `callBytes` in flight, each counted until
 * its answer has left through the pipe, so that a side that does not read cannot ask for more; `windowBytes` of a
 * stream sent ahead of what was consumed; `lineLength` calls of our own that wait for their turn.
 */
import type { Duplex } from "node:stream";
import type { z } from "zod";
import type { Clock } from "#base/lib/clock.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import type { Logger } from "#base/lib/logger.ts";
import { decodeFrame, encodeFrame, type Frame, FrameReader, type LinkRefusal } from "./link/frame.ts";
import { ItemQueue } from "./link/item-queue.ts";

export interface LinkLimits {
  /** Longest frame that may come in, bytes of CBOR. */
  readonly frameBytes: number;
  /** Longest frame that the other side takes. */
  readonly sentFrameBytes: number;
  /** Calls in flight, each way. */
  readonly calls: number;
  /** Bytes of the calls in flight, each way; one more is taken while the sum before it is under this. */
  readonly callBytes: number;
  /** Bytes of one stream sent ahead; one more item is sent while the sum before it is under this. */
  readonly windowBytes: number;
  /** Own calls that wait for a place in flight. */
  readonly lineLength: number;
  /** Frames taken in within a second; beyond, the pipe is left unread until the second is over. */
  readonly framesPerSecond: number;
  /** Refused calls within a minute that are borne; one more ends the link. */
  readonly refusalsPerMinute: number;
  /** Longest that the other side may leave the pipe full, ms. */
  readonly stallMs: number;
}

const MIB = 1024 * 1024;

export const LINK_LIMITS: LinkLimits = {
  frameBytes: 4 * MIB,
  sentFrameBytes: 4 * MIB,
  calls: 64,
  callBytes: 4 * MIB,
  windowBytes: 256 * 1024,
  lineLength: 1024,
  framesPerSecond: 5000,
  refusalsPerMinute: 100,
  stallMs: 60_000,
};

/** What came of a call: a verdict is a value. `closed`: the link went before the answer came. */
export type LinkOutcome =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly code: LinkRefusal | "closed"; readonly text: string };

/** A stream that broke off: the other side refused it, or the link went. */
export class LinkFailure extends Error {
  override readonly name = "LinkFailure";
  /** What a door over HTTP answers: the other process is not there, and may be again. */
  readonly statusCode = 503;
  readonly code: LinkRefusal | "closed";

  constructor(code: LinkRefusal | "closed", text: string) {
    super(text);
    this.code = code;
  }
}

/** A method that this side answers. The argument fits `request` by the time it arrives. */
export type ServedMethod =
  | {
      readonly request: z.ZodType;
      readonly answer: (argument: never, signal: AbortSignal) => Promise<unknown>;
    }
  | {
      readonly request: z.ZodType;
      readonly items: (argument: never, signal: AbortSignal) => AsyncIterable<unknown>;
    };

export type ServedMethods = Readonly<Record<string, ServedMethod>>;

/** A method with the type of its argument. */
export function served<Q>(
  request: z.ZodType<Q>,
  answer: (argument: Q, signal: AbortSignal) => Promise<unknown>,
): ServedMethod {
  return { request, answer };
}

/** A stream with the type of its argument. */
export function servedStream<Q>(
  request: z.ZodType<Q>,
  items: (argument: Q, signal: AbortSignal) => AsyncIterable<unknown>,
): ServedMethod {
  return { request, items };
}

export interface LinkDependencies {
  readonly clock: Clock;
  readonly log: Logger;
}

/** A call of ours that waits for its end. */
interface Pending {
  readonly bytes: number;
  readonly settle: (outcome: LinkOutcome) => void;
  /** Set for a stream. */
  readonly items: ItemQueue | undefined;
}

/** A call of the other side that runs here. */
interface Running {
  readonly bytes: number;
  readonly cancel: AbortController;
  /** Bytes of items that may be sent; undefined for a plain call. */
  window: number | undefined;
  wake: (() => void) | undefined;
}

const MINUTE = 60_000;
const SECOND = 1000;

export class Link {
  /** Settles with the reason when the link has gone, for whatever reason. */
  readonly closed: Promise<string>;
  readonly #pipe: Duplex;
  readonly #methods: ServedMethods;
  readonly #limits: LinkLimits;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #reader: FrameReader;
  readonly #closing: (reason: string) => void;
  readonly #pending = new Map<number, Pending>();
  readonly #running = new Map<number, Running>();
  readonly #line: (() => void)[] = [];
  #lastId = 0;
  /** Taken by own calls in flight, or about to be. */
  #places = 0;
  #pendingBytes = 0;
  #runningBytes = 0;
  #reason: string | undefined;
  #frames = 0;
  #secondBegan: number;
  #refusals = 0;
  #minuteBegan: number;
  #endStall: (() => void) | undefined;
  #endPause: (() => void) | undefined;

  constructor(
    pipe: Duplex,
    methods: ServedMethods,
    { clock, log }: LinkDependencies,
    limits: Partial<LinkLimits> = {},
  ) {
    this.#pipe = pipe;
    this.#methods = methods;
    this.#limits = { ...LINK_LIMITS, ...limits };
    this.#clock = clock;
    this.#log = log;
    this.#reader = new FrameReader(this.#limits.frameBytes);
    this.#secondBegan = clock.monotonic();
    this.#minuteBegan = this.#secondBegan;
    const { promise, resolve } = Promise.withResolvers<string>();
    this.closed = promise;
    this.#closing = resolve;
    pipe.on("data", (chunk: Uint8Array) => this.#take(chunk));
    pipe.on("drain", () => this.#drained());
    pipe.on("error", (error) => this.close(`the pipe failed: ${error.message}`));
    for (const event of ["end", "close"]) pipe.on(event, () => this.close("the other side is gone"));
  }

  get isClosed(): boolean {
    return this.#reason !== undefined;
  }

  /** Calls and items that this side holds, for tests and figures. */
  get load(): { readonly pending: number; readonly running: number; readonly queuedBytes: number } {
    const { writableLength } = this.#pipe;
    return { pending: this.#pending.size, running: this.#running.size, queuedBytes: writableLength };
  }

  /** Asks the other side. Never throws for what it does; aborting gives `cancelled`. */
  async call(method: string, argument: unknown, signal?: AbortSignal): Promise<LinkOutcome> {
    const started = await this.#start(method, argument, undefined, signal);
    return "refused" in started ? started.refused : started.outcome;
  }

  /**
   * Follows a stream of the other side, in order and no faster than it is read.
   * @throws LinkFailure when it is refused, or the link goes
   */
  async *stream(method: string, argument: unknown, signal?: AbortSignal): AsyncGenerator<unknown, void> {
    const items = new ItemQueue(this.#limits.windowBytes + this.#limits.frameBytes);
    const started = await this.#start(method, argument, items, signal);
    if ("refused" in started) {
      if (signal?.aborted) return;
      throw new LinkFailure(started.refused.code, started.refused.text);
    }
    const { id, outcome } = started;
    void outcome.then(() => items.end());
    try {
      for (;;) {
        const item = await items.next();
        if (item === undefined) break;
        if (this.#pending.has(id)) this.#send({ kind: "credit", id, bytes: item.bytes });
        yield item.value;
      }
    } finally {
      this.#cancel(id);
    }
    const end = await outcome;
    if (!end.ok && !signal?.aborted) throw new LinkFailure(end.code, end.text);
  }

  /** Ends the link; every call in flight ends with `closed`. */
  close(reason: string): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#endStall?.();
    this.#endPause?.();
    for (const { settle } of [...this.#pending.values()]) settle(closedOutcome(reason));
    this.#pending.clear();
    for (const call of this.#running.values()) {
      call.cancel.abort();
      call.wake?.();
    }
    for (const turn of this.#line.splice(0)) turn();
    this.#pipe.destroy();
    this.#closing(reason);
  }

  async #start(
    method: string,
    argument: unknown,
    items: ItemQueue | undefined,
    signal: AbortSignal | undefined,
  ): Promise<{ id: number; outcome: Promise<LinkOutcome> } | { refused: LinkOutcome & { ok: false } }> {
    const refused = (code: LinkRefusal | "closed", text: string) =>
      ({ refused: { ok: false, code, text } }) as const;
    if (!(await this.#turn())) return refused("limit", "too many calls wait for the other process");
    if (this.#reason !== undefined) return refused("closed", this.#reason);
    if (signal?.aborted) {
      this.#leave();
      return refused("cancelled", "cancelled");
    }
    const id = this.#newId();
    const frame = encodeFrame({ kind: "call", id, method, argument });
    if (frame.length > this.#limits.sentFrameBytes) {
      this.#leave();
      return refused("too-large", `an argument of ${frame.length} bytes`);
    }
    const { promise, resolve } = Promise.withResolvers<LinkOutcome>();
    const abort = () => {
      this.#cancel(id);
      // The place stays taken until the other side has answered, but nobody waits for that.
      resolve({ ok: false, code: "cancelled", text: "cancelled" });
    };
    signal?.addEventListener("abort", abort, { once: true });
    this.#pendingBytes += frame.length;
    this.#pending.set(id, {
      bytes: frame.length,
      items,
      settle: (outcome) => {
        signal?.removeEventListener("abort", abort);
        resolve(outcome);
      },
    });
    this.#write(frame);
    return { id, outcome: promise };
  }

  /** Waits for a place in flight, in order, and takes it. False when too many wait already. */
  async #turn(): Promise<boolean> {
    if (this.#isFull() && this.#reason === undefined) {
      if (this.#line.length >= this.#limits.lineLength) return false;
      await new Promise<void>((resolve) => this.#line.push(resolve));
      return true;
    }
    this.#places++;
    return true;
  }

  #isFull(): boolean {
    return this.#places >= this.#limits.calls || this.#pendingBytes >= this.#limits.callBytes;
  }

  /** Gives a place back, and those that are free to who waits longest. */
  #leave(): void {
    this.#places--;
    while (this.#line.length > 0 && !this.#isFull()) {
      this.#places++;
      this.#line.shift()!();
    }
  }

  #newId(): number {
    do this.#lastId = this.#lastId >= 0xffff_ffff ? 1 : this.#lastId + 1;
    while (this.#pending.has(this.#lastId));
    return this.#lastId;
  }

  /** Our own call is of no more interest. */
  #cancel(id: number): void {
    const call = this.#pending.get(id);
    if (call === undefined || this.#reason !== undefined) return;
    call.items?.end();
    this.#send({ kind: "cancel", id });
  }

  #settle(id: number, outcome: LinkOutcome): void {
    const call = this.#pending.get(id)!;
    this.#pending.delete(id);
    this.#pendingBytes -= call.bytes;
    call.settle(outcome);
    this.#leave();
  }

  #take(chunk: Uint8Array): void {
    if (this.#reason !== undefined) return;
    this.#reader.push(chunk);
    this.#takeFrames();
  }

  #takeFrames(): void {
    try {
      while (this.#reason === undefined && !this.#pauseWhenFlooded()) {
        const body = this.#reader.next();
        if (body === undefined) return;
        this.#frames++;
        this.#handle(decodeFrame(body), body.length);
      }
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.close(`it broke the protocol: ${error.message}`);
    }
  }

  /** Leaves the pipe unread for the rest of the second in which too many frames came: the sender has to wait. */
  #pauseWhenFlooded(): boolean {
    const now = this.#clock.monotonic();
    if (now - this.#secondBegan >= SECOND) {
      this.#secondBegan = now;
      this.#frames = 0;
    }
    if (this.#frames < this.#limits.framesPerSecond) return false;
    if (this.#endPause !== undefined) return true;
    this.#pipe.pause();
    this.#endPause = this.#clock.after(this.#secondBegan + SECOND - now, () => {
      this.#endPause = undefined;
      this.#pipe.resume();
      this.#takeFrames();
    });
    return true;
  }

  #handle(frame: Frame, bytes: number): void {
    switch (frame.kind) {
      case "call":
        this.#answer(frame, bytes);
        break;
      case "cancel":
        this.#running.get(frame.id)?.cancel.abort();
        this.#running.get(frame.id)?.wake?.();
        break;
      case "credit":
        this.#credited(frame.id, frame.bytes);
        break;
      case "reply":
        this.#settle(this.#expected(frame.id, false), { ok: true, value: frame.value });
        break;
      case "end":
        this.#settle(this.#expected(frame.id, true), { ok: true, value: null });
        break;
      case "refusal":
        if (!this.#pending.has(frame.id)) throw new DecodeError("an answer to no call");
        this.#settle(frame.id, { ok: false, code: frame.code, text: frame.text });
        break;
      case "item": {
        const { items } = this.#pending.get(this.#expected(frame.id, true))!;
        if (!items!.push(frame.value, bytes)) throw new DecodeError("more of a stream than was granted");
      }
    }
  }

  /** The id of an answer that we wait for, of that form. @throws DecodeError */
  #expected(id: number, isStream: boolean): number {
    const call = this.#pending.get(id);
    if (call !== undefined && (call.items !== undefined) === isStream) return id;
    throw new DecodeError("an answer to no call");
  }

  #credited(id: number, bytes: number): void {
    const call = this.#running.get(id);
    // A credit may cross the end of its stream.
    if (call?.window === undefined) return;
    call.window = Math.min(this.#limits.windowBytes, call.window + bytes);
    call.wake?.();
  }

  #answer(frame: Frame & { kind: "call" }, bytes: number): void {
    const { id } = frame;
    if (this.#running.has(id)) throw new DecodeError("two calls under one id");
    if (this.#isOverrun()) {
      this.#refuse(id, "limit", "too many calls in flight");
      return;
    }
    const method = Object.hasOwn(this.#methods, frame.method) ? this.#methods[frame.method] : undefined;
    if (method === undefined) {
      this.#refuse(id, "unknown-method", "there is no such method");
      return;
    }
    const read = method.request.safeParse(frame.argument);
    if (!read.success) {
      this.#refuse(id, "bad-request", firstIssue(read.error));
      return;
    }
    const call: Running = {
      bytes,
      cancel: new AbortController(),
      window: "items" in method ? this.#limits.windowBytes : undefined,
      wake: undefined,
    };
    this.#running.set(id, call);
    this.#runningBytes += bytes;
    void this.#run(id, call, method, read.data as never).catch((error: Error) => {
      if (!call.cancel.signal.aborted)
        this.#log.error(`link: ${frame.method}: ${error.stack ?? error.message}`);
      this.#finish(id, refusalOf(id, error, call.cancel.signal));
    });
  }

  /**
   * Whether the other side asks for more than it may. Its place is free for it when it has the answer, for us when the
   * answer has left the pipe: in between there can be as many again.
   */
  #isOverrun(): boolean {
    const { calls, callBytes } = this.#limits;
    return this.#running.size >= 2 * calls || this.#runningBytes >= 2 * callBytes;
  }

  async #run(id: number, call: Running, method: ServedMethod, argument: never): Promise<void> {
    const { signal } = call.cancel;
    if ("answer" in method) {
      this.#finish(id, { kind: "reply", id, value: await method.answer(argument, signal) });
      return;
    }
    for await (const value of method.items(argument, signal)) {
      while (call.window! <= 0 && !signal.aborted) await this.#credit(call);
      if (signal.aborted) break;
      const frame = encodeFrame({ kind: "item", id, value });
      if (frame.length > this.#limits.sentFrameBytes) {
        throw new Refused("too-large", `an item of ${frame.length} bytes does not fit`);
      }
      call.window! -= frame.length;
      this.#write(frame);
    }
    this.#finish(id, { kind: "end", id });
  }

  #credit(call: Running): Promise<void> {
    return new Promise((resolve) => {
      call.wake = () => {
        call.wake = undefined;
        resolve();
      };
    });
  }

  /** Sends the end of a call. Its place is free again only when the end has left. */
  #finish(id: number, frame: Frame): void {
    let bytes = encodeFrame(frame);
    if (bytes.length > this.#limits.sentFrameBytes) {
      const text = `an answer of ${bytes.length} bytes does not fit`;
      bytes = encodeFrame({ kind: "refusal", id, code: "too-large", text });
    }
    this.#write(bytes, () => {
      const call = this.#running.get(id);
      if (call === undefined) return;
      this.#running.delete(id);
      this.#runningBytes -= call.bytes;
    });
  }

  #refuse(id: number, code: LinkRefusal, text: string): void {
    const now = this.#clock.monotonic();
    if (now - this.#minuteBegan >= MINUTE) {
      this.#minuteBegan = now;
      this.#refusals = 0;
    }
    this.#refusals++;
    if (this.#refusals > this.#limits.refusalsPerMinute)
      throw new DecodeError(`too many refused calls (${code})`);
    this.#send({ kind: "refusal", id, code, text });
  }

  #send(frame: Frame): void {
    this.#write(encodeFrame(frame));
  }

  #write(bytes: Uint8Array, left?: () => void): void {
    if (this.#reason !== undefined) return;
    if (this.#pipe.write(bytes, left) || this.#endStall !== undefined) return;
    this.#endStall = this.#clock.after(this.#limits.stallMs, () => this.close("it does not read"));
  }

  #drained(): void {
    this.#endStall?.();
    this.#endStall = undefined;
  }
}

function closedOutcome(reason: string): LinkOutcome {
  return { ok: false, code: "closed", text: reason };
}

/** What the other side is told of a failure: no more than that it was one of ours, unless it was refused as a value. */
function refusalOf(id: number, error: Error, signal: AbortSignal): Frame {
  if (signal.aborted) return { kind: "refusal", id, code: "cancelled", text: "cancelled" };
  if (error instanceof Refused) return { kind: "refusal", id, code: error.code, text: error.message };
  return { kind: "refusal", id, code: "internal", text: "internal error" };
}

/** Thrown by a served method to refuse the call; the text goes to the caller. */
export class Refused extends Error {
  override readonly name = "Refused";
  readonly code: LinkRefusal;

  constructor(code: LinkRefusal, text: string) {
    super(text);
    this.code = code;
  }
}

function firstIssue(error: z.ZodError): string {
  const issue = error.issues[0];
  return issue === undefined ? "it does not fit" : `${issue.path.join(".")}: ${issue.message}`;
}
