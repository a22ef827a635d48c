/**
 * One connection: the only place where bytes of a peer come in and go out. It turns bytes into messages and back
 * through a transport, holds received messages in a bounded queue, and lets the sender wait when that is full.
 */
import { BoundedQueue } from "#base/lib/bounded-queue.ts";
import { isMessageType } from "#protocol/wire/messages.ts";
import type { ReceivedMessage, Transport } from "#protocol/wire/transport.ts";
import type { Socket } from "./socket.ts";

/** Where messages of types that we do not know are counted, as in getpeerinfo. */
const OTHER = "*other*";

export interface ConnectionOptions {
  /** Bytes of received messages that wait; beyond, nothing more is read from the peer. */
  readonly maxReceiveBuffer: number;
  /** Bytes that wait to be sent; beyond, no further message of the peer is handled. */
  readonly maxSendBuffer: number;
}

export interface ConnectionEvents {
  /** Messages came in. */
  received(): void;
  /** The peer took enough for the next message to be handled. */
  drained(): void;
  /** Bytes that went over the wire, for the totals. */
  transferred(direction: "in" | "out", bytes: number): void;
  /** The end, once: nothing follows. */
  closed(reason: string): void;
}

/** A message that waits to be handled. */
export interface QueuedMessage {
  readonly type: string;
  readonly payload: Uint8Array;
  /** Milliseconds since 1970 when its last byte came. */
  readonly time: number;
}

/** Counted for each message that waits besides its payload, so that empty ones add up too. */
const MESSAGE_OVERHEAD = 64;
/** Messages that may wait, whatever they weigh. */
const MAX_QUEUED = 100_000;

export class Connection {
  readonly socket: Socket;
  readonly transport: Transport;
  readonly #options: ConnectionOptions;
  readonly #events: ConnectionEvents;
  readonly #now: () => number;
  readonly #queue: BoundedQueue<QueuedMessage>;
  /** Parsed while the queue was full: at most what one read brought. */
  #overflow: QueuedMessage[] = [];
  #paused = false;
  #closed = false;
  bytesSent = 0;
  bytesReceived = 0;
  /** Milliseconds since 1970 of the last bytes; 0 is never. */
  lastSend = 0;
  lastReceive = 0;
  readonly sentByType = new Map<string, number>();
  readonly receivedByType = new Map<string, number>();

  constructor(
    options: ConnectionOptions,
    dependencies: { socket: Socket; transport: Transport; events: ConnectionEvents; now: () => number },
  ) {
    this.#options = options;
    this.socket = dependencies.socket;
    this.transport = dependencies.transport;
    this.#events = dependencies.events;
    this.#now = dependencies.now;
    this.#queue = new BoundedQueue({ maxItems: MAX_QUEUED, maxWeight: options.maxReceiveBuffer });
    this.socket.handlers = {
      data: (bytes) => this.#receive(bytes),
      drain: () => this.#drained(),
      closed: (reason) => this.#end(reason ?? "socket closed"),
    };
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Messages that wait. */
  get queued(): number {
    return this.#queue.length;
  }

  /** So much waits to be sent that the peer's next message has to wait too. */
  get sendPaused(): boolean {
    return this.socket.pendingBytes > this.#options.maxSendBuffer;
  }

  /** The next message of the peer, in order. */
  take(): QueuedMessage | undefined {
    const message = this.#queue.shift();
    while (this.#overflow.length > 0 && this.#enqueue(this.#overflow[0]!)) this.#overflow.shift();
    if (this.#paused && !this.#queue.full && this.#overflow.length === 0) {
      this.#paused = false;
      this.socket.resume();
    }
    return message;
  }

  send(type: string, payload: Uint8Array): void {
    if (this.#closed) return;
    this.transport.push(type, payload);
    const sent = this.#flush();
    count(this.sentByType, type, sent);
  }

  /** Ends the connection; what was sent before may still leave. */
  close(reason: string): void {
    if (this.#closed) return;
    this.#end(reason);
    this.socket.destroy();
  }

  /** Bytes handed to the socket. */
  #flush(): number {
    const chunks = this.transport.pull();
    let bytes = 0;
    for (const chunk of chunks) bytes += chunk.length;
    if (bytes === 0) return 0;
    this.bytesSent += bytes;
    this.lastSend = this.#now();
    this.#events.transferred("out", bytes);
    this.socket.write(chunks);
    return bytes;
  }

  #receive(bytes: Uint8Array): void {
    if (this.#closed) return;
    this.bytesReceived += bytes.length;
    this.lastReceive = this.#now();
    this.#events.transferred("in", bytes.length);
    const failure = this.transport.receive(bytes);
    for (let message = this.transport.take(); message; message = this.transport.take())
      this.#queueUp(message);
    // A handshake of the transport may have answered.
    this.#flush();
    if (failure !== undefined) {
      this.close(`receiving message bytes failed: ${failure.reason}`);
      return;
    }
    this.#events.received();
  }

  #queueUp(message: ReceivedMessage): void {
    if (message.rejected !== undefined) {
      count(this.receivedByType, OTHER, message.wireSize);
      return;
    }
    count(this.receivedByType, message.type, message.wireSize);
    const queued = { type: message.type, payload: message.payload, time: this.#now() };
    if (this.#overflow.length > 0 || !this.#enqueue(queued)) this.#overflow.push(queued);
    if (!this.#paused && (this.#queue.full || this.#overflow.length > 0)) {
      this.#paused = true;
      this.socket.pause();
    }
  }

  #enqueue(message: QueuedMessage): boolean {
    return this.#queue.push(message, message.payload.length + MESSAGE_OVERHEAD);
  }

  #drained(): void {
    if (!this.#closed) this.#events.drained();
  }

  #end(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#overflow = [];
    this.#events.closed(reason);
  }
}

function count(counts: Map<string, number>, type: string, bytes: number): void {
  const name = isMessageType(type) ? type : OTHER;
  counts.set(name, (counts.get(name) ?? 0) + bytes);
}
