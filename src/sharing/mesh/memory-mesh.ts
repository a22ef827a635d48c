/**
 * The mesh in memory, for tests and simulations: any number of peers in one process, with latency, loss, partitions,
 * peers that die and come back, all by a clock and a seed. Messages pass through the same encoding, schemas, limits,
 * scores and bans as on the wire. With latency 0 (unless told) nothing waits for the clock, but time-outs.
 */
import { type Clock, systemClock } from "#base/lib/clock.ts";
import { Signal } from "#base/lib/events.ts";
import { type Logger, silentLogger } from "#base/lib/logger.ts";
import { SeededRandom } from "#base/lib/random.ts";
import {
  type EncodedRequest,
  encodeRequest,
  failure,
  givenUp,
  type RunningCall,
  startCall,
} from "./calls.ts";
import { decodeCbor, encodeCbor } from "./cbor.ts";
import { BAN_SECONDS, Conduct } from "./conduct.ts";
import { accountIdOf, peerIdOf, type SigningKey, signingKeyFrom, verifyByPeer } from "./identity.ts";
import { MemoryTime } from "./memory-time.ts";
import type {
  AccountId,
  CallOptions,
  Handlers,
  Mesh,
  PeerChange,
  PeerId,
  PeerView,
  RequestContext,
  Standing,
} from "./mesh.ts";
import type { MethodSpec, Outcome, ProtocolSpec } from "./protocol.ts";
import { refuse } from "./protocol.ts";
import { type Answer, checkReply, Services } from "./services.ts";

export interface MemoryNetworkOptions {
  /** The machine's unless told; a ManualClock must be advanced when there is latency. */
  readonly clock?: Clock;
  /** Of names, keys, latency and loss. Default 1. */
  readonly seed?: number;
  /** Milliseconds one way, or the range that each message's is drawn from. Default 0. */
  readonly latencyMs?: number | readonly [min: number, max: number];
  /** Share of messages that are lost, 0 … 1: their calls end in a time-out. Default 0. */
  readonly loss?: number;
  readonly logger?: Logger;
}

export interface MemoryPeerOptions {
  readonly name?: string;
  /** 32 bytes of the device key; drawn from the network's seed unless told. Join again with it to come back. */
  readonly deviceSecret?: Uint8Array;
  /** 32 bytes of the account key; drawn unless told. */
  readonly accountSecret?: Uint8Array;
  /** `127.x.y.1` of its own unless told. */
  readonly ip?: string;
  /** Peers of one circle are friends. All are of the circle `""` unless told; undefined is a stranger to everyone. */
  readonly circle?: string | undefined;
  /** Milliseconds added to every message from or to it. */
  readonly latencyMs?: number;
  /** Bytes a second of every message from or to it; no limit unless told. */
  readonly bytesPerSecond?: number;
}

/** Most requests of one peer that are answered at a time, over all protocols. */
const MAX_IN_FLIGHT = 256;
/** Most calls of one protocol to one peer that are under way; further ones wait their turn. */
const MAX_CALLS = 64;

export class MemoryNetwork {
  readonly clock: Clock;
  readonly random: SeededRandom;
  readonly logger: Logger;
  readonly time: MemoryTime;
  readonly #latency: readonly [number, number];
  readonly #loss: number;
  readonly #members = new Map<PeerId, MemoryMesh>();
  readonly #groups = new Map<PeerId, number>();
  #joined = 0;

  constructor(options: MemoryNetworkOptions = {}) {
    this.clock = options.clock ?? systemClock;
    this.random = new SeededRandom(options.seed ?? 1);
    this.logger = options.logger ?? silentLogger;
    this.time = new MemoryTime(this.clock);
    const latency = options.latencyMs ?? 0;
    this.#latency = typeof latency === "number" ? [latency, latency] : latency;
    this.#loss = options.loss ?? 0;
  }

  /** A new peer that everyone can reach at once, or one that died and comes back. */
  join(options: MemoryPeerOptions = {}): MemoryMesh {
    this.#joined++;
    const mesh = new MemoryMesh(this, this.#joined, options);
    if (this.#members.get(mesh.self)?.online === true) throw new Error("this peer is in the network");
    this.#members.set(mesh.self, mesh);
    this.#tellOthers(mesh, "connected");
    return mesh;
  }

  member(peer: PeerId): MemoryMesh | undefined {
    return this.#members.get(peer);
  }

  members(): readonly MemoryMesh[] {
    return [...this.#members.values()];
  }

  /** Takes a peer away at this instant: what is under way with it fails. */
  kill(peer: PeerId): void {
    this.setOnline(peer, false);
  }

  /** Takes a peer away, or brings it back with all that it served. */
  setOnline(peer: PeerId, online: boolean): void {
    const mesh = this.#members.get(peer);
    if (mesh === undefined || mesh.online === online) return;
    mesh.setOnline(online);
    this.#tellOthers(mesh, online ? "connected" : "disconnected");
  }

  /** Peers of different groups can not reach each other; who is in none is in the first. */
  partition(...groups: readonly (readonly PeerId[])[]): void {
    this.#regroup(new Map(groups.flatMap((group, i) => group.map((peer) => [peer, i] as const))));
  }

  /** Ends the partition. */
  heal(): void {
    this.#regroup(new Map());
  }

  #regroup(groups: ReadonlyMap<PeerId, number>): void {
    const before = new Map(this.#groups);
    this.#groups.clear();
    for (const [peer, group] of groups) this.#groups.set(peer, group);
    const members = this.members().filter((mesh) => mesh.online);
    for (const a of members) {
      for (const b of members) {
        if (a === b) continue;
        const was = (before.get(a.self) ?? 0) === (before.get(b.self) ?? 0);
        const is = this.inOneGroup(a.self, b.self);
        if (was !== is) a.tell(b, is ? "connected" : "disconnected", is ? undefined : "partitioned");
        if (was && !is) a.cut(b.self);
      }
    }
  }

  inOneGroup(a: PeerId, b: PeerId): boolean {
    return (this.#groups.get(a) ?? 0) === (this.#groups.get(b) ?? 0);
  }

  /** Whether a message can pass now. */
  reachable(a: MemoryMesh, b: MemoryMesh): boolean {
    return (
      a.online &&
      b.online &&
      this.inOneGroup(a.self, b.self) &&
      !a.conduct.isBanned(b.self) &&
      !b.conduct.isBanned(a.self)
    );
  }

  /** Milliseconds that one message takes; undefined when it is lost. */
  travelTime(a: MemoryMesh, b: MemoryMesh, bytes: number): number | undefined {
    if (this.#loss > 0 && this.random.below(1_000_000) < this.#loss * 1_000_000) return undefined;
    const [min, max] = this.#latency;
    const drawn = max > min ? min + ((max - min) * this.random.below(1_000_000)) / 1_000_000 : min;
    const seconds = bytes / Math.min(a.bytesPerSecond, b.bytesPerSecond);
    return drawn + a.extraLatency + b.extraLatency + 1000 * seconds;
  }

  #tellOthers(mesh: MemoryMesh, kind: "connected" | "disconnected"): void {
    for (const other of this.#members.values()) {
      if (other === mesh || !other.online || !this.inOneGroup(mesh.self, other.self)) continue;
      if (kind === "disconnected") other.cut(mesh.self);
      other.tell(mesh, kind, kind === "disconnected" ? "gone" : undefined);
    }
  }
}

/** What one peer keeps of another. */
interface Link {
  sent: number;
  received: number;
  inFlight: number;
  /** Last round trips, milliseconds. */
  readonly roundTrips: number[];
  controller: AbortController;
  /** When the last message of each direction arrives: messages of one pair keep their order. */
  lastArrival: number;
  /** Ends of calls under way, called when the link is cut. */
  readonly calls: Set<() => void>;
  /** By protocol: calls under way, and those that wait. */
  readonly windows: Map<string, { count: number; readonly waiting: (() => void)[] }>;
}

export class MemoryMesh implements Mesh {
  readonly self: PeerId;
  readonly account: AccountId;
  readonly changed = new Signal<PeerChange>();
  readonly name: string;
  readonly ip: string;
  readonly circle: string | undefined;
  readonly extraLatency: number;
  readonly bytesPerSecond: number;
  readonly conduct: Conduct;
  readonly offers = new Map<string, Uint8Array>();
  readonly #network: MemoryNetwork;
  readonly #key: SigningKey;
  readonly #services: Services;
  readonly #links = new Map<PeerId, Link>();
  #online = true;
  #offersView: Readonly<Record<string, Uint8Array>> = {};

  constructor(network: MemoryNetwork, index: number, options: MemoryPeerOptions) {
    const random = network.random;
    this.#network = network;
    this.#key = signingKeyFrom(options.deviceSecret ?? random.fill(new Uint8Array(32)));
    this.self = peerIdOf(this.#key.publicKey);
    const accountSecret = options.accountSecret ?? random.fill(new Uint8Array(32));
    this.account = accountIdOf(signingKeyFrom(accountSecret).publicKey);
    this.name = options.name ?? `peer ${index}`;
    this.ip = options.ip ?? `127.${1 + (index >> 8)}.${index & 255}.1`;
    this.circle = "circle" in options ? options.circle : "";
    this.extraLatency = options.latencyMs ?? 0;
    this.bytesPerSecond = options.bytesPerSecond ?? Number.POSITIVE_INFINITY;
    this.conduct = new Conduct({ clock: network.clock });
    this.#services = new Services({ logger: network.logger });
  }

  get online(): boolean {
    return this.#online;
  }

  /** For the network: see {@link MemoryNetwork.setOnline}. */
  setOnline(online: boolean): void {
    this.#online = online;
    if (!online) for (const peer of this.#links.keys()) this.cut(peer);
  }

  peers(): readonly PeerView[] {
    return this.#network
      .members()
      .filter((other) => other !== this)
      .map((other) => this.#viewOf(other));
  }

  view(peer: PeerId): PeerView | undefined {
    const other = this.#network.member(peer);
    return other === undefined || other === this ? undefined : this.#viewOf(other);
  }

  serve<P extends ProtocolSpec>(protocol: P, handlers: Handlers<P>): void {
    this.#services.serve(protocol, handlers);
  }

  offer(service: string, value: Uint8Array | undefined): void {
    if (value === undefined) this.offers.delete(service);
    else this.offers.set(service, value.slice());
    this.#offersView = Object.fromEntries(this.offers);
    if (!this.#online) return;
    for (const other of this.#network.members()) {
      if (other !== this && this.#network.reachable(this, other)) other.tell(this, "changed");
    }
  }

  misbehaved(peer: PeerId, reason: string, score?: number): void {
    if (this.conduct.misbehaved(peer, score)) this.ban(peer, reason);
  }

  ban(peer: PeerId, reason: string, seconds = BAN_SECONDS): void {
    const other = this.#network.member(peer);
    const wasBanned = this.conduct.isBanned(peer);
    this.conduct.ban(peer, reason, seconds);
    if (other === undefined || wasBanned) return;
    this.cut(peer);
    other.cut(this.self);
    this.tell(other, "banned", reason);
    if (other.online) other.tell(this, "disconnected", "the other side closed");
  }

  async sign(message: Uint8Array): Promise<Uint8Array> {
    return this.#key.sign(message);
  }

  async verify(peer: PeerId, message: Uint8Array, signature: Uint8Array): Promise<boolean> {
    return verifyByPeer(peer, message, signature);
  }

  call<Q, A>(
    peer: PeerId,
    protocol: ProtocolSpec,
    method: MethodSpec<Q, A>,
    request: Q,
    options: CallOptions = {},
  ): Promise<Outcome<A>> {
    const asked = encodeRequest(protocol, method, request);
    const other = this.#network.member(peer);
    if (other === undefined || other === this || !this.#network.reachable(this, other)) {
      return Promise.resolve(failure("unreachable", "no way to this peer"));
    }
    if (options.signal?.aborted === true) return Promise.resolve(givenUp());
    return startCall(this.#network.time, options, (call) => this.#begin(other, asked, method, call));
  }

  /** One call from its first byte to its end: answered, refused, cut, out of time or given up. */
  #begin<Q, A>(
    other: MemoryMesh,
    asked: EncodedRequest,
    method: MethodSpec<Q, A>,
    call: RunningCall<A>,
  ): void {
    const link = this.#link(other.self);
    const window = windowOf(link, asked.protocol);
    const onCut = (): void => call.end(failure("unreachable", "the connection was lost"));
    link.calls.add(onCut);
    call.onEnd(() => link.calls.delete(onCut));
    const start = (): void => {
      if (call.isOver()) {
        window.waiting.shift()?.();
        return;
      }
      window.count++;
      call.onEnd(() => {
        window.count--;
        window.waiting.shift()?.();
      });
      this.#ask(other, asked, method, call);
    };
    if (window.count < MAX_CALLS) start();
    else window.waiting.push(start);
  }

  #ask<Q, A>(
    other: MemoryMesh,
    { protocol, method: name, body }: EncodedRequest,
    method: MethodSpec<Q, A>,
    { end }: RunningCall<A>,
  ): void {
    const link = this.#link(other.self);
    link.sent += body.length;
    const began = this.#network.clock.monotonic();
    this.#send(other, body.length, () => {
      void other.receive(this, protocol, name, body).then((answer) => {
        const reply = answer.ok ? answer.body : encodeCbor(answer.refusal);
        other.countSent(this.self, reply.length);
        other.#send(this, reply.length, () => {
          link.received += reply.length;
          this.#noteRoundTrip(link, this.#network.clock.monotonic() - began);
          end(answer.ok ? checkReply(method, decodeCbor(reply)) : { ok: false, refusal: answer.refusal });
        });
      });
    });
  }

  /** Runs `arrived` at the other side's time, in the order of sending; never when lost or cut on the way. */
  #send(other: MemoryMesh, bytes: number, arrived: () => void): void {
    const travel = this.#network.travelTime(this, other, bytes);
    if (travel === undefined) return;
    const mine = this.#link(other.self).controller;
    const theirs = other.#link(this.self).controller;
    const deliver = (): void => {
      if (!mine.signal.aborted && !theirs.signal.aborted) arrived();
    };
    const link = this.#link(other.self);
    const now = this.#network.clock.monotonic();
    link.lastArrival = Math.max(link.lastArrival, now + travel);
    if (link.lastArrival <= now) queueMicrotask(deliver);
    else this.#network.time.after(link.lastArrival - now, deliver);
  }

  /** Answers one request of `from`. For the network alone. */
  async receive(from: MemoryMesh, id: string, name: string, bytes: Uint8Array): Promise<Answer> {
    const link = this.#link(from.self);
    link.received += bytes.length;
    if (link.inFlight >= MAX_IN_FLIGHT) return refuse("limit", `${MAX_IN_FLIGHT} requests are under way`);
    link.inFlight++;
    const context: RequestContext = {
      peer: from.self,
      account: from.account,
      standing: this.#standingOf(from),
      ip: from.ip,
      signal: link.controller.signal,
    };
    const answer = await this.#services.answer(id, name, decodeCbor(bytes), bytes.length, context);
    link.inFlight--;
    if (answer.misbehaviour !== undefined) this.misbehaved(from.self, answer.misbehaviour);
    return answer;
  }

  countSent(peer: PeerId, bytes: number): void {
    this.#link(peer).sent += bytes;
  }

  /** Ends what is under way with a peer. For the network alone. */
  cut(peer: PeerId): void {
    const link = this.#links.get(peer);
    if (link === undefined) return;
    link.controller.abort();
    link.controller = new AbortController();
    link.lastArrival = 0;
    for (const end of [...link.calls]) end();
  }

  /** Tells our listeners about a peer. For the network alone. */
  tell(other: MemoryMesh, kind: PeerChange["kind"], reason?: string): void {
    const change = { kind, view: this.#viewOf(other), ...(reason === undefined ? {} : { reason }) };
    this.changed.emit(change).catch((error: unknown) => {
      this.#network.logger.error(error instanceof Error ? `${error.stack}` : String(error));
    });
  }

  #standingOf(other: MemoryMesh): Standing {
    if (this.conduct.isBanned(other.self)) return "banned";
    return this.circle !== undefined && this.circle === other.circle ? "friend" : "stranger";
  }

  #viewOf(other: MemoryMesh): PeerView {
    const link = this.#links.get(other.self);
    return {
      peer: other.self,
      account: other.account,
      name: other.name,
      standing: this.#standingOf(other),
      connected: this.#network.reachable(this, other),
      addresses: [`/ip4/${other.ip}/tcp/8440/p2p/${other.self}`],
      ip: other.ip,
      latencyMs: link === undefined ? undefined : median(link.roundTrips),
      bytesSent: link?.sent ?? 0,
      bytesReceived: link?.received ?? 0,
      offers: other.#offersView,
    };
  }

  #link(peer: PeerId): Link {
    let link = this.#links.get(peer);
    if (link === undefined) {
      link = {
        sent: 0,
        received: 0,
        inFlight: 0,
        roundTrips: [],
        controller: new AbortController(),
        lastArrival: 0,
        calls: new Set(),
        windows: new Map(),
      };
      this.#links.set(peer, link);
    }
    return link;
  }

  #noteRoundTrip(link: Link, ms: number): void {
    link.roundTrips.push(ms);
    if (link.roundTrips.length > 9) link.roundTrips.shift();
  }
}

function windowOf(link: Link, id: string): { count: number; readonly waiting: (() => void)[] } {
  let window = link.windows.get(id);
  if (window === undefined) {
    window = { count: 0, waiting: [] };
    link.windows.set(id, window);
  }
  return window;
}

function median(values: readonly number[]): number | undefined {
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}
