/** What the mesh keeps of one peer while it runs: its connections, its streams, and what its hello said. */
import type { Connection } from "@libp2p/interface";
import type { Clock } from "#base/lib/clock.ts";
import type { ShownInvitation } from "./circles.ts";
import type { AccountId, PeerId, Standing } from "./mesh.ts";
import { RateLimit } from "./rate-limit.ts";
import type { RequestPipe } from "./request-pipe.ts";
import type { ServePipe } from "./serve-pipe.ts";

/** Milliseconds in which hellos must be exchanged, and streams opened. */
export const HANDSHAKE_MS = 10_000;
/** Requests a second of one peer, and at once; faster ones wait. */
const REQUESTS = { perSecond: 5000, burst: 10_000 };
/** Streams a minute that one peer may open; more is a flood. */
const STREAMS = { perSecond: 2, burst: 120 };
/** Hellos a second of one peer, and at once: each costs as many signatures to check as it shows certificates. */
const HELLOS = { perSecond: 0.2, burst: 8 };
/** Pings unanswered after which a connection is taken for dead. */
const MAX_MISSED_PINGS = 3;
/** Lists of removals a second that are asked of one peer, and at once: each may be long, and is passed on to all. */
const REMOVALS = { perSecond: 0.2, burst: 8 };
/** Round trips whose median counts. */
const ROUND_TRIPS = 9;

export class PeerLink {
  readonly peer: PeerId;
  account: AccountId | undefined;
  name = "";
  addresses: readonly string[] = [];
  offers: Readonly<Record<string, Uint8Array>> = {};
  /** IP address of the connection, or of the last one. */
  ip: string | undefined;
  /** As it was told to listeners last. */
  standing: Standing = "stranger";
  /** The invitation of ours that its hello showed. */
  invitation: ShownInvitation | undefined;
  readonly connections = new Set<Connection>();
  /** Hellos were exchanged on a connection that is open. */
  ready = false;
  bytesSent = 0;
  bytesReceived = 0;
  readonly requests: RateLimit;
  readonly streams: RateLimit;
  readonly hellos: RateLimit;
  readonly removals: RateLimit;
  /** Streams of ours, by protocol. */
  readonly asking = new Map<string, Promise<RequestPipe>>();
  readonly serving = new Set<ServePipe>();
  connecting: Promise<string | undefined> | undefined;
  /** Failed dials one after another. */
  failures = 0;
  cancelRedial: (() => void) | undefined;
  #missedPings = 0;
  /** Why the last connection was closed by us. */
  closeReason: string | undefined;
  #roundTrips: number[] = [];
  #waiting: ((ready: boolean) => void)[] = [];

  constructor(peer: PeerId, dependencies: { readonly clock: Clock }) {
    this.peer = peer;
    this.requests = new RateLimit(REQUESTS, dependencies);
    this.streams = new RateLimit(STREAMS, dependencies);
    this.hellos = new RateLimit(HELLOS, dependencies);
    this.removals = new RateLimit(REMOVALS, dependencies);
  }

  /** Moving median of round trips, milliseconds. */
  get latencyMs(): number | undefined {
    return [...this.#roundTrips].sort((a, b) => a - b)[this.#roundTrips.length >> 1];
  }

  /** A ping was answered after `ms`. */
  noteRoundTrip(ms: number): void {
    this.#missedPings = 0;
    this.#roundTrips.push(ms);
    if (this.#roundTrips.length > ROUND_TRIPS) this.#roundTrips.shift();
  }

  /**
   * A ping that was sent when `received` bytes had come was not answered; true when the connection is to be taken for
   * dead. Where other bytes came since, the answer only waits behind them on a slow way.
   */
  missPing(received: number): boolean {
    this.#missedPings = this.bytesReceived > received ? 0 : this.#missedPings + 1;
    return this.#missedPings >= MAX_MISSED_PINGS;
  }

  countTraffic(sent: number, received: number): void {
    this.bytesSent += sent;
    this.bytesReceived += received;
  }

  setReady(ready: boolean): void {
    this.ready = ready;
    this.#missedPings = 0;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve(ready);
  }

  /** Whether hellos were exchanged, when that is known. */
  whenReady(): Promise<boolean> {
    return this.ready ? Promise.resolve(true) : new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Closes every connection; a friend is not dialled again before something else asks for it. */
  disconnect(reason: string): void {
    this.cancelRedial?.();
    this.cancelRedial = undefined;
    this.closeReason = reason;
    this.endStreams(reason);
    for (const connection of this.connections) connection.abort(new Error(reason));
  }

  /** Ends every stream. */
  endStreams(reason: string): void {
    for (const pipe of this.asking.values()) {
      pipe.then(
        (open) => open.abort(reason),
        () => {},
      );
    }
    this.asking.clear();
    for (const pipe of this.serving) pipe.abort(reason);
    this.serving.clear();
  }
}
