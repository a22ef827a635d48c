/** The asking side of one stream: many requests under way at a time, matched to their answers by id. */
import type { Stream } from "@libp2p/interface";
import type { Clock } from "#base/lib/clock.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import { FrameStream } from "./frame-stream.ts";
import type { CallFailure, Outcome } from "./protocol.ts";
import { cancelFrame, FRAME_OVERHEAD, parseAnswered, requestFrame } from "./rpc-frames.ts";

/** Most requests under way on one stream; further calls wait their turn. */
export const MAX_UNDER_WAY = 64;
/** Most bytes of requests that wait to be written before further calls wait their turn. */
const MAX_QUEUED_BYTES = 8 * 1024 * 1024;

export interface RequestPipeHandlers {
  onTraffic(sent: number, received: number): void;
  /** The stream is over; `fault` when the other side broke the protocol. */
  onEnd(reason: string, fault: boolean): void;
}

interface Waiting {
  readonly method: string;
  readonly body: Uint8Array;
  id: number | undefined;
  /** Undefined once given up: a late answer is passed over. */
  end: ((outcome: Outcome<unknown>) => void) | undefined;
}

export class RequestPipe {
  readonly #frames: FrameStream;
  readonly #handlers: RequestPipeHandlers;
  readonly #underWay = new Map<number, Waiting>();
  #queue: Waiting[] = [];
  /** Ids given up whose answer may still come. */
  readonly #givenUp = new Set<number>();
  #nextId = 0;

  constructor(
    stream: Stream,
    options: { readonly longestReply: number },
    dependencies: { readonly clock: Clock; readonly handlers: RequestPipeHandlers },
  ) {
    this.#handlers = dependencies.handlers;
    this.#frames = new FrameStream(
      stream,
      { maxFrame: options.longestReply + FRAME_OVERHEAD },
      {
        clock: dependencies.clock,
        handlers: {
          onFrame: (bytes) => this.#onFrame(bytes),
          onEnd: (reason, fault) => this.#onEnd(reason, fault),
          onWritten: () => this.#pump(),
          onTraffic: (sent, received) => this.#handlers.onTraffic(sent, received),
        },
      },
    );
  }

  get ended(): boolean {
    return this.#frames.ended;
  }

  /** Asks. `end` gets the reply's body, not yet validated, or why there is none; the result gives the call up. */
  ask(method: string, body: Uint8Array, end: (outcome: Outcome<unknown>) => void): () => void {
    const waiting: Waiting = { method, body, id: undefined, end };
    if (this.#frames.ended) {
      end(unreachable("the connection was lost"));
      return () => {};
    }
    this.#queue.push(waiting);
    this.#pump();
    return () => this.#giveUp(waiting);
  }

  close(): Promise<void> {
    return this.#frames.close();
  }

  abort(reason: string): void {
    this.#frames.abort(reason);
  }

  #pump(): void {
    while (
      this.#queue.length > 0 &&
      this.#underWay.size < MAX_UNDER_WAY &&
      this.#frames.queuedBytes < MAX_QUEUED_BYTES
    ) {
      const waiting = this.#queue.shift()!;
      waiting.id = this.#nextId++;
      this.#underWay.set(waiting.id, waiting);
      this.#frames.send(requestFrame(waiting.id, waiting.method, waiting.body));
    }
  }

  #giveUp(waiting: Waiting): void {
    if (waiting.end === undefined) return;
    waiting.end = undefined;
    if (waiting.id === undefined) {
      this.#queue = this.#queue.filter((other) => other !== waiting);
      return;
    }
    this.#underWay.delete(waiting.id);
    this.#givenUp.add(waiting.id);
    if (this.#givenUp.size > 1024) this.#givenUp.delete(this.#givenUp.values().next().value!);
    this.#frames.send(cancelFrame(waiting.id));
    this.#pump();
  }

  #onFrame(bytes: Uint8Array): void {
    try {
      const answered = parseAnswered(bytes);
      const waiting = this.#underWay.get(answered.id);
      if (waiting === undefined) {
        if (this.#givenUp.delete(answered.id)) return;
        throw new DecodeError("an answer to nothing that was asked");
      }
      this.#underWay.delete(answered.id);
      waiting.end?.(
        answered.kind === "reply"
          ? { ok: true, value: answered.body }
          : { ok: false, refusal: answered.refusal },
      );
      waiting.end = undefined;
      this.#pump();
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.#fault = error.message;
      this.#frames.abort(error.message);
    }
  }
  #fault: string | undefined;

  #onEnd(reason: string, fault: boolean): void {
    const waiting = [...this.#underWay.values(), ...this.#queue];
    this.#underWay.clear();
    this.#queue = [];
    for (const one of waiting) one.end?.(unreachable(`the stream ended: ${reason}`));
    this.#handlers.onEnd(this.#fault ?? reason, fault || this.#fault !== undefined);
  }
}

function unreachable(text: string): { readonly ok: false; readonly refusal: CallFailure } {
  return { ok: false, refusal: { code: "unreachable", text } };
}
