/** Calls of the other side that are answered here: what may be asked, what runs, and what of its answers has left. */
import type { z } from "zod";
import type { Clock } from "#base/lib/clock.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import type { Logger } from "#base/lib/logger.ts";
import { encodeFrame, type Frame, type LinkRefusal } from "./frame.ts";
import type { LinkLimits } from "./link-limits.ts";

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

/** Thrown by a served method to refuse the call; the text goes to the caller. */
export class Refused extends Error {
  override readonly name = "Refused";
  readonly code: LinkRefusal;

  constructor(code: LinkRefusal, text: string) {
    super(text);
    this.code = code;
  }
}

/** A call that runs. */
interface Running {
  readonly bytes: number;
  readonly cancel: AbortController;
  /** Bytes of items that may be sent; undefined for a plain call. */
  window: number | undefined;
  wake: (() => void) | undefined;
}

export interface ServedCallsParts {
  readonly methods: ServedMethods;
  readonly limits: LinkLimits;
  readonly clock: Clock;
  readonly log: Logger;
  /** Puts a frame into the pipe; `left` is called when it has left. */
  readonly write: (frame: Uint8Array, left?: () => void) => void;
}

const MINUTE = 60_000;

export class ServedCalls {
  readonly #parts: ServedCallsParts;
  readonly #running = new Map<number, Running>();
  #runningBytes = 0;
  #refusals = 0;
  #minuteBegan: number;

  constructor(parts: ServedCallsParts) {
    this.#parts = parts;
    this.#minuteBegan = parts.clock.monotonic();
  }

  /** Calls whose answer has not left yet. */
  get size(): number {
    return this.#running.size;
  }

  /** @throws DecodeError when the other side breaks the rules */
  take(frame: Frame & { kind: "call" }, bytes: number): void {
    const { id } = frame;
    const { methods, limits, log } = this.#parts;
    if (this.#running.has(id)) throw new DecodeError("two calls under one id");
    if (this.#isOverrun()) {
      this.#refuse(id, "limit", "too many calls in flight");
      return;
    }
    const method = Object.hasOwn(methods, frame.method) ? methods[frame.method] : undefined;
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
      window: "items" in method ? limits.windowBytes : undefined,
      wake: undefined,
    };
    this.#running.set(id, call);
    this.#runningBytes += bytes;
    void this.#run(id, call, method, read.data as never).catch((error: Error) => {
      if (!call.cancel.signal.aborted) log.error(`link: ${frame.method}: ${error.stack ?? error.message}`);
      this.#finish(id, refusalOf(id, error, call.cancel.signal));
    });
  }

  /** The caller is no longer interested. */
  cancel(id: number): void {
    this.#running.get(id)?.cancel.abort();
    this.#running.get(id)?.wake?.();
  }

  /** The caller has consumed so much of a stream. */
  credited(id: number, bytes: number): void {
    const call = this.#running.get(id);
    // A credit may cross the end of its stream.
    if (call?.window === undefined) return;
    call.window = Math.min(this.#parts.limits.windowBytes, call.window + bytes);
    call.wake?.();
  }

  /** The link has gone: nothing that runs has anybody to answer. */
  end(): void {
    for (const id of this.#running.keys()) this.cancel(id);
  }

  /**
   * Whether the other side asks for more than it may. Its place is free for it when it has the answer, for us when the
   * answer has left the pipe: in between there can be as many again.
   */
  #isOverrun(): boolean {
    const { calls, callBytes } = this.#parts.limits;
    return this.#running.size >= 2 * calls || this.#runningBytes >= 2 * callBytes;
  }

  async #run(id: number, call: Running, method: ServedMethod, argument: never): Promise<void> {
    const { signal } = call.cancel;
    if ("answer" in method) {
      this.#finish(id, { kind: "reply", id, value: await method.answer(argument, signal) });
      return;
    }
    for await (const value of method.items(argument, signal)) {
      while (call.window! <= 0 && !signal.aborted) await creditOf(call);
      if (signal.aborted) break;
      const frame = encodeFrame({ kind: "item", id, value });
      if (frame.length > this.#parts.limits.sentFrameBytes) {
        throw new Refused("too-large", `an item of ${frame.length} bytes does not fit`);
      }
      call.window! -= frame.length;
      this.#parts.write(frame);
    }
    this.#finish(id, { kind: "end", id });
  }

  /** Sends the end of a call. Its place is free again only when the end has left. */
  #finish(id: number, frame: Frame): void {
    let bytes = encodeFrame(frame);
    if (bytes.length > this.#parts.limits.sentFrameBytes) {
      const text = `an answer of ${bytes.length} bytes does not fit`;
      bytes = encodeFrame({ kind: "refusal", id, code: "too-large", text });
    }
    this.#parts.write(bytes, () => {
      const call = this.#running.get(id);
      if (call === undefined) return;
      this.#running.delete(id);
      this.#runningBytes -= call.bytes;
    });
  }

  /** @throws DecodeError when there were too many within the minute */
  #refuse(id: number, code: LinkRefusal, text: string): void {
    const { clock, limits, write } = this.#parts;
    const now = clock.monotonic();
    if (now - this.#minuteBegan >= MINUTE) {
      this.#minuteBegan = now;
      this.#refusals = 0;
    }
    this.#refusals++;
    if (this.#refusals > limits.refusalsPerMinute) throw new DecodeError(`too many refused calls (${code})`);
    write(encodeFrame({ kind: "refusal", id, code, text }));
  }
}

function creditOf(call: Running): Promise<void> {
  return new Promise((resolve) => {
    call.wake = () => {
      call.wake = undefined;
      resolve();
    };
  });
}

/** What the other side is told of a failure: no more than that it was one of ours, unless it was refused as a value. */
function refusalOf(id: number, error: Error, signal: AbortSignal): Frame {
  if (signal.aborted) return { kind: "refusal", id, code: "cancelled", text: "cancelled" };
  if (error instanceof Refused) return { kind: "refusal", id, code: error.code, text: error.message };
  return { kind: "refusal", id, code: "internal", text: "internal error" };
}

function firstIssue(error: z.ZodError): string {
  const issue = error.issues[0];
  return issue === undefined ? "it does not fit" : `${issue.path.join(".")}: ${issue.message}`;
}
