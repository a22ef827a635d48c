/**
 * The answering side of one stream. Requests are taken in their order and answered as they are done; reading stops
 * while as many are under way as may be, their replies fill their share of memory, or they come faster than the peer's
 * rate. An id that does not grow is a replay.
 */
import type { Stream } from "@libp2p/interface";
import type { Clock } from "#base/lib/clock.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import { FrameStream } from "./frame-stream.ts";
import type { RequestContext } from "./mesh.ts";
import type { ProtocolSpec } from "./protocol.ts";
import type { RateLimit } from "./rate-limit.ts";
import { type Asked, FRAME_OVERHEAD, parseAsked, refusalFrame, replyFrame } from "./rpc-frames.ts";
import { type Answer, longestRequest, protocolId, replyLimitOf, type Services } from "./services.ts";

/** Most requests of one stream that are answered at a time. */
const MAX_UNDER_WAY = 256;
/** Most bytes of replies that one stream may hold in memory. */
const MAX_REPLY_BYTES = 16 * 1024 * 1024;

export interface ServePipeDependencies {
  readonly clock: Clock;
  readonly services: Services;
  readonly rate: RateLimit;
  /** Who asks, when it is known; rejects when it never will be. */
  context(signal: AbortSignal): Promise<RequestContext>;
  onTraffic(sent: number, received: number): void;
  misbehaved(reason: string, score: number): void;
  onEnd(): void;
}

export class ServePipe {
  readonly #id: string;
  readonly #frames: FrameStream;
  readonly #dependencies: ServePipeDependencies;
  readonly #protocol: ProtocolSpec;
  /** Bytes that the replies of requests under way may have at most. */
  #reserved = 0;
  readonly #underWay = new Map<number, AbortController>();
  #lastId = -1;

  constructor(stream: Stream, protocol: ProtocolSpec, dependencies: ServePipeDependencies) {
    this.#id = protocolId(protocol);
    this.#dependencies = dependencies;
    this.#protocol = protocol;
    this.#frames = new FrameStream(
      stream,
      { maxFrame: longestRequest(protocol) + FRAME_OVERHEAD },
      {
        clock: dependencies.clock,
        handlers: {
          onFrame: (bytes) => this.#onFrame(bytes),
          onEnd: (reason, fault) => this.#onEnd(reason, fault),
          onWritten: () => this.#throttle(),
          onTraffic: (sent, received) => dependencies.onTraffic(sent, received),
        },
      },
    );
  }

  abort(reason: string): void {
    this.#frames.abort(reason);
  }

  #onFrame(bytes: Uint8Array): void {
    let asked: Asked;
    try {
      asked = parseAsked(bytes);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.#fault(error.message, 50);
      return;
    }
    this.#dependencies.rate.spend();
    if (asked.kind === "cancel") {
      this.#underWay.get(asked.id)?.abort();
      this.#throttle();
      return;
    }
    if (asked.id <= this.#lastId) {
      this.#frames.send(refusalFrame(asked.id, { code: "bad-request", text: "this id was used before" }));
      this.#fault("a request's id was used before", 50);
      return;
    }
    this.#lastId = asked.id;
    void this.#answer(asked.id, asked.method, asked.body, bytes.length);
    this.#throttle();
  }

  async #answer(id: number, method: string, body: unknown, bytes: number): Promise<void> {
    const controller = new AbortController();
    this.#underWay.set(id, controller);
    const reserved = this.#reservedFor(method);
    this.#reserved += reserved;
    let answer: Answer | undefined;
    try {
      const context = await this.#dependencies.context(controller.signal);
      answer = await this.#dependencies.services.answer(this.#id, method, body, bytes, context);
    } catch {
      // Who asks never became known: the connection goes, and the stream with it.
    }
    this.#underWay.delete(id);
    this.#reserved -= reserved;
    if (answer !== undefined && !controller.signal.aborted) {
      this.#frames.send(answer.ok ? replyFrame(id, answer.body) : refusalFrame(id, answer.refusal));
    }
    if (answer?.misbehaviour !== undefined) this.#dependencies.misbehaved(answer.misbehaviour, 20);
    this.#throttle();
  }

  #reservedFor(method: string): number {
    const { methods } = this.#protocol;
    return Object.hasOwn(methods, method) ? replyLimitOf(methods[method]!) : 0;
  }

  /** Reads on, or not yet. */
  #throttle(): void {
    const held = this.#frames.queuedBytes + this.#reserved;
    if (this.#underWay.size >= MAX_UNDER_WAY || held >= MAX_REPLY_BYTES) {
      this.#frames.pause();
      return;
    }
    const wait = this.#dependencies.rate.wait();
    if (wait === 0) {
      this.#frames.resume();
      return;
    }
    this.#frames.pause();
    this.#stopTimer?.();
    this.#stopTimer = this.#dependencies.clock.after(wait, () => this.#throttle());
  }
  #stopTimer: (() => void) | undefined;

  #fault(reason: string, score: number): void {
    this.#frames.abort(reason);
    this.#dependencies.misbehaved(reason, score);
  }

  #onEnd(reason: string, fault: boolean): void {
    this.#stopTimer?.();
    for (const controller of this.#underWay.values()) controller.abort();
    if (fault) this.#dependencies.misbehaved(reason, 50);
    this.#dependencies.onEnd();
  }
}
