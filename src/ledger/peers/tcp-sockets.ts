/** The machine's own TCP, behind the interface of socket.ts. */
import { lookup } from "node:dns/promises";
import { connect, createServer, type Socket as NodeSocket, type Server } from "node:net";
import { networkInterfaces } from "node:os";
import type { Endpoint, Listener, Socket, SocketHandlers, SocketLayer } from "./socket.ts";

export const tcpSockets: SocketLayer = {
  dial(target, { timeout, signal }) {
    return new Promise((resolve, reject) => {
      const socket = connect({
        host: target.host,
        port: target.port,
        noDelay: true,
        autoSelectFamily: false,
      });
      const timer = setTimeout(() => fail(new Error("connection timeout")), timeout);
      const abort = (): void => fail(new Error("aborted"));
      const fail = (error: Error): void => {
        settle();
        socket.destroy();
        reject(error);
      };
      const settle = (): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", abort);
        socket.removeListener("error", fail);
      };
      signal.addEventListener("abort", abort);
      socket.once("error", fail);
      socket.once("connect", () => {
        settle();
        resolve(new TcpSocket(socket));
      });
    });
  },

  listen(endpoint, accept) {
    return new Promise((resolve, reject) => {
      const server = createServer({ noDelay: true }, (socket) => accept(new TcpSocket(socket)));
      server.once("error", reject);
      const ipv6Only = endpoint.host.includes(":");
      server.listen({ host: endpoint.host, port: endpoint.port, ipv6Only }, () => {
        server.removeListener("error", reject);
        // A failed accept (no file descriptors) concerns that connection alone.
        server.on("error", () => {});
        resolve(new TcpListener(server));
      });
    });
  },

  async resolve(host) {
    try {
      const found = await lookup(host, { all: true });
      return found.map(({ address }) => address);
    } catch {
      return [];
    }
  },

  interfaces() {
    return Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .filter(({ internal }) => !internal)
      .map(({ address }) => address);
  },
};

class TcpListener implements Listener {
  readonly endpoint: Endpoint;
  readonly #server: Server;

  constructor(server: Server) {
    this.#server = server;
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("the server has no address");
    this.endpoint = { host: address.address, port: address.port };
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}

class TcpSocket implements Socket {
  readonly remote: Endpoint;
  readonly local: Endpoint;
  handlers: SocketHandlers | undefined;
  readonly #socket: NodeSocket;
  #closed = false;

  constructor(socket: NodeSocket) {
    this.#socket = socket;
    this.remote = { host: plain(socket.remoteAddress), port: socket.remotePort ?? 0 };
    this.local = { host: plain(socket.localAddress), port: socket.localPort ?? 0 };
    let reason: string | undefined;
    socket.on("data", (bytes) => {
      // The handlers keep parts of what they get: not of Node's pool.
      this.handlers?.data(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length));
    });
    socket.on("drain", () => this.handlers?.drain());
    socket.on("error", (error) => {
      reason = error.message;
    });
    socket.on("end", () => socket.destroy());
    socket.on("close", () => {
      if (this.#closed) return;
      this.#closed = true;
      this.handlers?.closed(reason);
    });
  }

  get pendingBytes(): number {
    return this.#socket.writableLength;
  }

  write(chunks: readonly Uint8Array[]): boolean {
    if (this.#closed || this.#socket.destroyed) return false;
    this.#socket.cork();
    let room = true;
    for (const chunk of chunks) room = this.#socket.write(chunk);
    this.#socket.uncork();
    return room;
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  destroy(): void {
    // Writes went to the kernel at once, as far as it had room; the rest is not worth waiting for.
    this.#socket.destroy();
  }
}

/** Node shows IPv4 over an IPv6 socket as ::ffff:a.b.c.d, and a zone after %. */
function plain(address: string | undefined): string {
  const text = (address ?? "").replace(/%.*$/, "");
  return text.startsWith("::ffff:") && text.includes(".") ? text.slice("::ffff:".length) : text;
}
