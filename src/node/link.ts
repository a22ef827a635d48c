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
import type { Clock } from "#base/lib/clock.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import type { Logger } from "#base/lib/logger.ts";
import { decodeFrame, type Frame, FrameReader } from "./link/frame.ts";
import { LINK_LIMITS, type LinkLimits } from "./link/link-limits.ts";
import { type LinkOutcome, OwnCalls } from "./link/own-calls.ts";
import { ServedCalls, type ServedMethods } from "./link/served-calls.ts";

export interface LinkDependencies {
  readonly clock: Clock;
  readonly log: Logger;
}

const SECOND = 1000;

export class Link {
  /** Settles with the reason when the link has gone, for whatever reason. */
  readonly closed: Promise<string>;
  readonly #pipe: Duplex;
  readonly #limits: LinkLimits;
  readonly #clock: Clock;
  readonly #reader: FrameReader;
  readonly #closing: (reason: string) => void;
  readonly #own: OwnCalls;
  readonly #served: ServedCalls;
  #reason: string | undefined;
  #frames = 0;
  #secondBegan: number;
  #endStall: (() => void) | undefined;
  #endPause: (() => void) | undefined;

  constructor(
    pipe: Duplex,
    methods: ServedMethods,
    { clock, log }: LinkDependencies,
    given: Partial<LinkLimits> = {},
  ) {
    const limits = { ...LINK_LIMITS, ...given };
    const write = (frame: Uint8Array, left?: () => void) => this.#write(frame, left);
    this.#pipe = pipe;
    this.#limits = limits;
    this.#clock = clock;
    this.#reader = new FrameReader(limits.frameBytes);
    this.#own = new OwnCalls(limits, write);
    this.#served = new ServedCalls({ methods, limits, clock, log, write });
    this.#secondBegan = clock.monotonic();
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
    return { pending: this.#own.size, running: this.#served.size, queuedBytes: this.#pipe.writableLength };
  }

  /** Asks the other side. Never throws for what it does; aborting gives `cancelled`. */
  call(method: string, argument: unknown, signal?: AbortSignal): Promise<LinkOutcome> {
    return this.#own.call(method, argument, signal);
  }

  /**
   * Follows a stream of the other side, in order and no faster than it is read.
   * @throws LinkFailure when it is refused, or the link goes
   */
  stream(method: string, argument: unknown, signal?: AbortSignal): AsyncGenerator<unknown, void> {
    return this.#own.stream(method, argument, signal);
  }

  /** Ends the link; every call in flight ends with `closed`. */
  close(reason: string): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#endStall?.();
    this.#endPause?.();
    this.#served.end();
    this.#own.end(reason);
    this.#pipe.destroy();
    this.#closing(reason);
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
        this.#served.take(frame, bytes);
        break;
      case "cancel":
        this.#served.cancel(frame.id);
        break;
      case "credit":
        this.#served.credited(frame.id, frame.bytes);
        break;
      default:
        this.#own.take(frame, bytes);
    }
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
