/**
 * What the peers need of the network, so that a simulation can stand in for it. The machine's own TCP is in
 * tcp-network.ts.
 */
export interface Socket {
  readonly remote: Endpoint;
  readonly local: Endpoint;
  /** Set once, before anything is awaited. */
  handlers: SocketHandlers | undefined;
  /** Sends bytes in order; false when the kernel's buffer is full (`drain` follows). */
  write(chunks: readonly Uint8Array[]): boolean;
  /** Bytes written that have not left yet. */
  readonly pendingBytes: number;
  /** Stops or resumes reading: back-pressure on the sender. */
  pause(): void;
  resume(): void;
  /** Closes at once; `closed` follows. */
  destroy(): void;
}

export interface SocketHandlers {
  data(bytes: Uint8Array): void;
  drain(): void;
  /** Called exactly once; `reason` is undefined for an orderly end. */
  closed(reason: string | undefined): void;
}

/** An IP address in text form and a port; for a connection through a proxy the name dialled. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

export interface Listener {
  readonly endpoint: Endpoint;
  close(): Promise<void>;
}

export interface SocketLayer {
  /** Opens a connection; rejects when it fails or takes longer than `timeout` ms. */
  dial(target: Endpoint, options: { timeout: number; signal: AbortSignal }): Promise<Socket>;
  /** Accepts connections; rejects when the address is taken or not ours. */
  listen(endpoint: Endpoint, accept: (socket: Socket) => void): Promise<Listener>;
  /** Addresses of a host name; an empty list when it has none. */
  resolve(host: string): Promise<string[]>;
  /** The machine's own addresses, for -discover. */
  interfaces(): string[];
}
