/** A network in memory: hosts with any addresses, latency by the simulation's clock, and every byte in order. */
import type { Clock } from "#base/lib/clock.ts";
import type { Endpoint, Listener, Socket, SocketHandlers, SocketLayer } from "#ledger/peers/socket.ts";

/** Bytes on their way in one direction after which a writer should wait. */
const HIGH_WATER = 64 * 1024;

type Accept = (socket: Socket) => void;

export class MemoryNetwork {
  readonly #clock: Clock;
  /** Milliseconds one way. */
  readonly #latency: number;
  readonly #listening = new Map<string, Accept>();
  /** Hosts that are cut off. */
  readonly #unreachable = new Set<string>();
  #nextPort = 40_000;

  constructor(clock: Clock, latency = 20) {
    this.#clock = clock;
    this.#latency = latency;
  }

  /** The sockets of one host, by its address. */
  host(address: string): SocketLayer {
    return {
      dial: (target, { signal }) => this.#dial(address, target, signal),
      listen: (endpoint, accept) => this.#listen(address, endpoint, accept),
      resolve: async () => [],
      interfaces: () => [address],
    };
  }

  /** Cuts a host off, or connects it again. Connections that are open go on. */
  setReachable(address: string, reachable: boolean): void {
    if (reachable) this.#unreachable.delete(address);
    else this.#unreachable.add(address);
  }

  async #listen(host: string, { port }: Endpoint, accept: Accept): Promise<Listener> {
    const key = `${host} ${port}`;
    if (this.#listening.has(key)) throw new Error("address in use");
    this.#listening.set(key, accept);
    return {
      endpoint: { host, port },
      close: async () => {
        this.#listening.delete(key);
      },
    };
  }

  #dial(from: string, target: Endpoint, signal: AbortSignal): Promise<Socket> {
    return new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => reject(new Error("aborted")));
      this.#clock.after(2 * this.#latency, () => {
        const accept = this.#listening.get(`${target.host} ${target.port}`);
        if (signal.aborted) return;
        if (accept === undefined || this.#unreachable.has(target.host)) {
          reject(new Error("connection refused"));
          return;
        }
        const near = { host: from, port: this.#nextPort++ };
        const [mine, theirs] = pair(near, target, this.#clock, this.#latency);
        accept(theirs);
        resolve(mine);
      });
    });
  }
}

function pair(near: Endpoint, far: Endpoint, clock: Clock, latency: number): [MemorySocket, MemorySocket] {
  const mine = new MemorySocket(near, far, clock, latency);
  const theirs = new MemorySocket(far, near, clock, latency);
  mine.peer = theirs;
  theirs.peer = mine;
  return [mine, theirs];
}

class MemorySocket implements Socket {
  readonly local: Endpoint;
  readonly remote: Endpoint;
  handlers: SocketHandlers | undefined;
  peer: MemorySocket | undefined;
  pendingBytes = 0;
  readonly #clock: Clock;
  readonly #latency: number;
  readonly #arrived: Uint8Array[] = [];
  #paused = false;
  #closed = false;

  constructor(local: Endpoint, remote: Endpoint, clock: Clock, latency: number) {
    this.local = local;
    this.remote = remote;
    this.#clock = clock;
    this.#latency = latency;
  }

  write(chunks: readonly Uint8Array[]): boolean {
    if (this.#closed) return false;
    for (const chunk of chunks) {
      this.pendingBytes += chunk.length;
      const bytes = chunk.slice();
      this.#clock.after(this.#latency, () => this.peer!.#arrive(bytes));
    }
    return this.pendingBytes < HIGH_WATER;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#deliver();
  }

  destroy(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#clock.after(this.#latency, () => this.peer!.#end());
    this.handlers?.closed(undefined);
  }

  #arrive(bytes: Uint8Array): void {
    if (this.#closed) return;
    this.#arrived.push(bytes);
    this.#deliver();
  }

  #deliver(): void {
    while (!this.#paused && !this.#closed && this.#arrived.length > 0) {
      const bytes = this.#arrived.shift()!;
      const sender = this.peer!;
      sender.pendingBytes -= bytes.length;
      this.handlers?.data(bytes);
      sender.handlers?.drain();
    }
  }

  #end(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.handlers?.closed("reset by peer");
  }
}
