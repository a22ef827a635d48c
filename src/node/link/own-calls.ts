/** Calls of this side: the line of those that wait for a place in flight, and those that wait for their answer. */
import { DecodeError } from "#base/lib/decode-error.ts";
import { encodeFrame, type Frame, type LinkRefusal } from "./frame.ts";
import { ItemQueue } from "./item-queue.ts";
import type { LinkLimits } from "./link-limits.ts";

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

/** A call that waits for its end. */
interface Pending {
  readonly bytes: number;
  readonly settle: (outcome: LinkOutcome) => void;
  /** Set for a stream. */
  readonly items: ItemQueue | undefined;
}

type Started =
  | { readonly id: number; readonly outcome: Promise<LinkOutcome> }
  | { readonly refused: LinkOutcome & { readonly ok: false } };

export class OwnCalls {
  readonly #limits: LinkLimits;
  readonly #write: (frame: Uint8Array) => void;
  readonly #pending = new Map<number, Pending>();
  readonly #line: (() => void)[] = [];
  #lastId = 0;
  /** Taken by calls in flight, or about to be. */
  #places = 0;
  #pendingBytes = 0;
  /** Why the link has gone. */
  #reason: string | undefined;

  constructor(limits: LinkLimits, write: (frame: Uint8Array) => void) {
    this.#limits = limits;
    this.#write = write;
  }

  /** Calls that the other side has not answered. */
  get size(): number {
    return this.#pending.size;
  }

  async call(method: string, argument: unknown, signal?: AbortSignal): Promise<LinkOutcome> {
    const started = await this.#start(method, argument, undefined, signal);
    return "refused" in started ? started.refused : started.outcome;
  }

  /** @throws LinkFailure when it is refused, or the link goes */
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
        if (this.#pending.has(id)) this.#write(encodeFrame({ kind: "credit", id, bytes: item.bytes }));
        yield item.value;
      }
    } finally {
      this.#cancel(id);
    }
    const end = await outcome;
    if (!end.ok && !signal?.aborted) throw new LinkFailure(end.code, end.text);
  }

  /** An answer of the other side. @throws DecodeError when it answers no call of ours, or sends more than was granted */
  take(frame: Exclude<Frame, { kind: "call" | "cancel" | "credit" }>, bytes: number): void {
    const { id } = frame;
    const call = this.#pending.get(id);
    const isStream = frame.kind === "item" || frame.kind === "end";
    const fits = call !== undefined && (frame.kind === "refusal" || (call.items !== undefined) === isStream);
    if (!fits) throw new DecodeError("an answer to no call");
    switch (frame.kind) {
      case "reply":
        this.#settle(id, call, { ok: true, value: frame.value });
        break;
      case "end":
        this.#settle(id, call, { ok: true, value: null });
        break;
      case "refusal":
        this.#settle(id, call, { ok: false, code: frame.code, text: frame.text });
        break;
      case "item":
        if (!call.items!.push(frame.value, bytes)) throw new DecodeError("more of a stream than was granted");
    }
  }

  /** The link has gone: every call ends with `closed`, those in the line too. */
  end(reason: string): void {
    this.#reason = reason;
    const closed: LinkOutcome = { ok: false, code: "closed", text: reason };
    for (const { settle } of [...this.#pending.values()]) settle(closed);
    this.#pending.clear();
    for (const turn of this.#line.splice(0)) turn();
  }

  async #start(
    method: string,
    argument: unknown,
    items: ItemQueue | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Started> {
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
    const outcome = this.#await(id, frame.length, items, signal);
    this.#write(frame);
    return { id, outcome };
  }

  #await(
    id: number,
    bytes: number,
    items: ItemQueue | undefined,
    signal: AbortSignal | undefined,
  ): Promise<LinkOutcome> {
    const { promise, resolve } = Promise.withResolvers<LinkOutcome>();
    const abort = () => {
      this.#cancel(id);
      // The place stays taken until the other side has answered, but nobody waits for that.
      resolve({ ok: false, code: "cancelled", text: "cancelled" });
    };
    signal?.addEventListener("abort", abort, { once: true });
    this.#pendingBytes += bytes;
    this.#pending.set(id, {
      bytes,
      items,
      settle: (outcome) => {
        signal?.removeEventListener("abort", abort);
        resolve(outcome);
      },
    });
    return promise;
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

  /** A call is of no more interest. */
  #cancel(id: number): void {
    const call = this.#pending.get(id);
    if (call === undefined || this.#reason !== undefined) return;
    call.items?.end();
    this.#write(encodeFrame({ kind: "cancel", id }));
  }

  #settle(id: number, call: Pending, outcome: LinkOutcome): void {
    this.#pending.delete(id);
    this.#pendingBytes -= call.bytes;
    call.settle(outcome);
    this.#leave();
  }
}
