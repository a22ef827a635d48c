/**
 * What the rest of sharing sees of the mesh: peers by name, requests and replies over one pipelined stream a peer and
 * protocol, and refusals with reasons. `libp2p-mesh.ts` is the real one, `memory-mesh.ts` runs thousands on a fake
 * clock; one suite holds them equal.
 */
import type { Signal } from "#base/lib/events.ts";
import type { MethodSpec, Outcome, ProtocolSpec } from "./protocol.ts";

/** A peer's libp2p identity (its device key), as text: `12D3Koo…`. */
export type PeerId = string & { readonly brand?: "PeerId" };

/** The Ed25519 public key of an account, hex: who owns a device. Certified by the account key in the handshake. */
export type AccountId = string & { readonly brand?: "AccountId" };

/** How far a peer is trusted: `friend` peers are on the allow list (invited, or vouched for in a circle of ours). */
export type Standing = "friend" | "stranger" | "banned";

/** A peer as the mesh knows it. */
export interface PeerView {
  readonly peer: PeerId;
  /** Undefined until its certificate was seen. */
  readonly account: AccountId | undefined;
  /** The name it gives itself, at most 32 characters, printable; never to be trusted. */
  readonly name: string;
  readonly standing: Standing;
  /** Why it is no friend any more, where it was one by a circle; for people. */
  readonly standingReason?: string;
  readonly connected: boolean;
  /** Multiaddrs, best first. */
  readonly addresses: readonly string[];
  /** The IP address of the open connection, or of the best known address; for the netgroup rule. */
  readonly ip: string | undefined;
  /** Moving median of round trips, milliseconds. */
  readonly latencyMs: number | undefined;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** Signed offers that the peer's last hello carried, by service (`storage`, `compute`, `ledger`); small CBOR values. */
  readonly offers: Readonly<Record<string, Uint8Array>>;
}

/** Who sent a request. */
export interface RequestContext {
  readonly peer: PeerId;
  readonly account: AccountId;
  readonly standing: Standing;
  readonly ip: string | undefined;
  /** Aborted when the stream or the connection goes. */
  readonly signal: AbortSignal;
}

export interface CallOptions {
  /** Default 30,000. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** A peer that joined, left, or changed its standing, addresses or offers. */
export interface PeerChange {
  readonly kind: "connected" | "disconnected" | "changed" | "banned";
  readonly view: PeerView;
  /** For `banned` and `disconnected`, why; for `changed`, why it is no friend any more. */
  readonly reason?: string;
}

export interface Mesh {
  readonly self: PeerId;
  readonly account: AccountId;
  /** Every known peer, connected or not; never ourselves. */
  peers(): readonly PeerView[];
  view(peer: PeerId): PeerView | undefined;
  readonly changed: Signal<PeerChange>;
  /**
   * Answers requests of a protocol. A handler that throws is a bug of ours: the peer gets `internal`, the log the
   * stack. A request that does not fit its schema never reaches the handler: it counts as misbehaviour.
   */
  serve<P extends ProtocolSpec>(protocol: P, handlers: Handlers<P>): void;
  /** Sends one request, connecting first if need be. Never throws for what the other side does: see {@link Outcome}. */
  call<Q, A>(
    peer: PeerId,
    protocol: ProtocolSpec,
    method: MethodSpec<Q, A>,
    request: Q,
    options?: CallOptions,
  ): Promise<Outcome<A>>;
  /** What we offer, told to every peer in the hello and whenever it changes. Undefined withdraws it. */
  offer(service: string, value: Uint8Array | undefined): void;
  /** Lowers a peer's score; at the limit it is disconnected and banned for a day. */
  misbehaved(peer: PeerId, reason: string, score?: number): void;
  ban(peer: PeerId, reason: string, seconds?: number): void;
  /** Signs with the device key (Ed25519). */
  sign(message: Uint8Array): Promise<Uint8Array>;
  /** Checks a device key's signature. */
  verify(peer: PeerId, message: Uint8Array, signature: Uint8Array): Promise<boolean>;
}

/** A handler a method: the reply, or a refusal to be sent in its place. */
export type Handlers<P extends ProtocolSpec> = {
  readonly [M in keyof P["methods"]]: P["methods"][M] extends MethodSpec<infer Q, infer A>
    ? (request: Q, from: RequestContext) => Promise<Outcome<A>>
    : never;
};
