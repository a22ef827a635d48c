/**
 * Frames over one libp2p stream: each is held only when whole, none is longer than the reader allows, reading stops
 * while its user can take no more, and writing waits for the other side to drain. A listener of libp2p that throws ends
 * the process, so none of ours lets anything escape.
 */
import type { Stream } from "@libp2p/interface";
import type { Clock } from "#base/lib/clock.ts";

/** While a frame is under way, the next of its bytes must come, and written bytes must move, within this time. */
const STALL_MS = 60_000;
/**
 * Bytes a second of a frame on average, once it took longer than {@link STALL_MS}: what web servers ask of the slowest
 * uploads (Apache's mod_reqtimeout: 500). Without it, a byte a minute would keep a frame's memory for weeks.
 */
const LEAST_RATE = 500;
/** A timer that comes later than this says that this machine slept: bytes may lie in its sockets. */
const LATE_MS = 5_000;
/** Shorter pieces are gathered: one by one, each would take more memory around it than it has bytes. */
const SMALL_PIECE = 1024;
const GATHERED = 16 * 1024;

export interface FrameStreamHandlers {
  /** One frame without its length; a view that is the receiver's to keep. */
  onFrame(bytes: Uint8Array): void;
  /** Once, when the stream is over; `fault` when the other side broke the framing. */
  onEnd(reason: string, fault: boolean): void;
  /** A queued frame went out: there is room again. */
  onWritten(): void;
  /** Bytes that came and went, for the traffic of the peer. */
  onTraffic(sent: number, received: number): void;
}

export class FrameStream {
  readonly #stream: Stream;
  readonly #maxFrame: number;
  readonly #clock: Clock;
  readonly #handlers: FrameStreamHandlers;
  #chunks: Uint8Array[] = [];
  #buffered = 0;
  /** Length of the frame under way. */
  #expected: number | undefined;
  #paused = false;
  #parsing = false;
  #ended = false;
  readonly #outgoing: Uint8Array[] = [];
  #outgoingBytes = 0;
  #writing = false;
  #stopReadTimer: (() => void) | undefined;
  /** When the frame under way began, and when a byte came last, by the monotonic clock. */
  #began = 0;
  #lastByte = 0;
  #pausedAt = 0;

  constructor(
    stream: Stream,
    options: { readonly maxFrame: number },
    dependencies: { readonly clock: Clock; readonly handlers: FrameStreamHandlers },
  ) {
    this.#stream = stream;
    this.#maxFrame = options.maxFrame;
    this.#clock = dependencies.clock;
    this.#handlers = dependencies.handlers;
    stream.addEventListener("message", (event) => this.#guard(() => this.#onData(event.data)));
    stream.addEventListener("remoteCloseWrite", () => this.#guard(() => this.#end("closed", false)));
    stream.addEventListener("close", (event) => {
      this.#guard(() => this.#end(event.error?.message ?? "closed", false));
    });
    if (stream.status !== "open") queueMicrotask(() => this.#guard(() => this.#end("closed", false)));
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Bytes that wait to be written. */
  get queuedBytes(): number {
    return this.#outgoingBytes;
  }

  /** Queues a frame with its length. Nothing happens when the stream is over. */
  send(frame: Uint8Array): void {
    if (this.#ended) return;
    this.#outgoing.push(frame);
    this.#outgoingBytes += frame.length;
    if (!this.#writing) void this.#write();
  }

  /** Takes no more frames until {@link resume}: the other side's window fills and it waits. */
  pause(): void {
    if (this.#paused || this.#ended) return;
    this.#paused = true;
    this.#pausedAt = this.#clock.monotonic();
    this.#guard(() => this.#stream.pause());
  }

  resume(): void {
    if (!this.#paused || this.#ended) return;
    this.#paused = false;
    this.#pardon(this.#clock.monotonic() - this.#pausedAt);
    this.#guard(() => {
      this.#parse();
      if (!this.#paused && !this.#ended) this.#stream.resume();
    });
  }

  /** Ends it at once; the other side sees a reset. */
  abort(reason: string): void {
    this.#end(reason, false);
  }

  /** Ends it when what is queued has gone out. */
  async close(): Promise<void> {
    if (this.#ended) return;
    try {
      await this.#stream.close({ signal: AbortSignal.timeout(1000) });
    } catch {
      // A stream that can not be closed in time is cut.
    }
    this.#end("closed", false);
  }

  async #write(): Promise<void> {
    this.#writing = true;
    try {
      for (let frame = this.#outgoing.shift(); frame !== undefined; frame = this.#outgoing.shift()) {
        const before = this.#stream.writeBufferLength;
        const more = this.#stream.send(frame);
        this.#handlers.onTraffic(frame.length, 0);
        // What the transport took may be on a slow way; what the reader does not ask for gets no more time.
        const moving = Math.max(0, before + frame.length - this.#stream.writeBufferLength);
        const patience = STALL_MS + (1000 * moving) / LEAST_RATE;
        if (!more) await this.#stream.onDrain({ signal: AbortSignal.timeout(patience) });
        this.#outgoingBytes -= frame.length;
        this.#handlers.onWritten();
      }
    } catch (error) {
      this.#end(error instanceof Error ? error.message : "write failed", false);
    } finally {
      this.#writing = false;
    }
  }

  #onData(data: Uint8Array | Iterable<Uint8Array>): void {
    if (this.#ended) return;
    let received = 0;
    for (const chunk of data instanceof Uint8Array ? [data] : data) {
      this.#keep(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength));
      received += chunk.byteLength;
    }
    this.#lastByte = this.#clock.monotonic();
    if (this.#buffered === 0) this.#began = this.#lastByte;
    this.#buffered += received;
    this.#handlers.onTraffic(0, received);
    this.#parse();
  }

  /** Puts a piece to what is buffered. A gathering piece grows into room behind it that nobody else sees. */
  #keep(chunk: Uint8Array): void {
    const last = this.#chunks.at(-1);
    const isSmall = chunk.length < SMALL_PIECE;
    if (isSmall && last !== undefined && last.buffer === this.#gathering) {
      const end = last.byteOffset + last.length;
      if (end + chunk.length <= GATHERED) {
        new Uint8Array(last.buffer).set(chunk, end);
        this.#chunks[this.#chunks.length - 1] = new Uint8Array(
          last.buffer,
          last.byteOffset,
          last.length + chunk.length,
        );
        return;
      }
    }
    if (isSmall && last !== undefined) {
      const room = new Uint8Array(GATHERED);
      room.set(chunk);
      this.#gathering = room.buffer;
      this.#chunks.push(room.subarray(0, chunk.length));
    } else this.#chunks.push(chunk);
  }
  #gathering: ArrayBufferLike | undefined;

  #parse(): void {
    if (this.#parsing) return;
    this.#parsing = true;
    try {
      while (!this.#paused && !this.#ended && this.#takeFrame());
    } finally {
      this.#parsing = false;
    }
    if (!this.#ended && !this.#paused && this.#buffered > 0) this.#watch();
  }

  /** Ends the stream when the frame under way does not come on. */
  #watch(): void {
    if (this.#stopReadTimer !== undefined) return;
    const due = this.#deadline();
    this.#stopReadTimer = this.#clock.after(due - this.#clock.monotonic(), () => {
      this.#stopReadTimer = undefined;
      if (this.#paused || this.#ended || this.#buffered === 0) return;
      const now = this.#clock.monotonic();
      if (now - due > LATE_MS) this.#pardon(now - due + LATE_MS);
      if (now < this.#deadline()) this.#watch();
      else if (now >= this.#lastByte + STALL_MS) {
        this.#end(`no byte of a frame came for ${STALL_MS / 1000} s`, true);
      } else this.#end(`a frame came slower than ${LEAST_RATE} bytes a second`, true);
    });
  }

  /** When the frame under way has taken too long, if no more of it comes. */
  #deadline(): number {
    const paced = this.#began + STALL_MS + (1000 * this.#buffered) / LEAST_RATE;
    return Math.min(this.#lastByte + STALL_MS, paced);
  }

  /** Time that this side took does not count. */
  #pardon(ms: number): void {
    this.#began += ms;
    this.#lastByte += ms;
  }

  /** Hands over the next whole frame; false when there is none yet. */
  #takeFrame(): boolean {
    if (this.#expected === undefined) {
      if (this.#buffered < 4) return false;
      const head = this.#take(4);
      const length = new DataView(head.buffer, head.byteOffset, 4).getUint32(0);
      if (length === 0 || length > this.#maxFrame) {
        this.#end(`a frame of ${length} bytes, at most ${this.#maxFrame}`, true);
        return false;
      }
      this.#expected = length;
    }
    if (this.#buffered < this.#expected) return false;
    const frame = this.#take(this.#expected);
    this.#expected = undefined;
    this.#began = this.#clock.monotonic();
    this.#handlers.onFrame(frame);
    return true;
  }

  /** The next `length` buffered bytes; copied only when they lie in several pieces. */
  #take(length: number): Uint8Array {
    this.#buffered -= length;
    const first = this.#chunks[0]!;
    if (first.length > length) {
      this.#chunks[0] = first.subarray(length);
      return first.subarray(0, length);
    }
    if (first.length === length) {
      this.#chunks.shift();
      return first;
    }
    const whole = new Uint8Array(length);
    let at = 0;
    let used = 0;
    while (at < length) {
      const chunk = this.#chunks[used]!;
      const part = chunk.subarray(0, length - at);
      whole.set(part, at);
      at += part.length;
      if (part.length < chunk.length) this.#chunks[used] = chunk.subarray(part.length);
      else used++;
    }
    this.#chunks.splice(0, used);
    return whole;
  }

  #end(reason: string, fault: boolean): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#chunks = [];
    this.#buffered = 0;
    this.#outgoing.length = 0;
    this.#outgoingBytes = 0;
    this.#stopReadTimer?.();
    try {
      this.#stream.abort(new Error(reason));
    } catch {
      // It was gone already.
    }
    this.#handlers.onEnd(reason, fault);
  }

  #guard(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#end(error instanceof Error ? error.message : "failed", false);
    }
  }
}
