/**
 * The mesh over libp2p: connections with TCP or WebSocket, Noise and Yamux, and the parts that make peers of them:
 * hellos, streams, dialling, pings, circles. Here they are put together, and calls and connections come in.
 */
import type { Connection, Libp2p, Stream } from "@libp2p/interface";
import { type Clock, unixTime } from "#base/lib/clock.ts";
import type { Logger } from "#base/lib/logger.ts";
import type { Random } from "#base/lib/random.ts";
import type { FileSystem } from "#base/store/file-system.ts";
import { encodeRequest, failure, givenUp, startCall, textOf } from "./calls.ts";
import { certifyDevice } from "./certificates.ts";
import { Circles } from "./circles.ts";
import { BAN_SECONDS } from "./conduct.ts";
import { openDeviceSeed } from "./device-key.ts";
import { Dialler } from "./dialler.ts";
import { Greetings } from "./greetings.ts";
import {
  accountIdOf,
  peerIdOf,
  publicKeyOfPeer,
  type SigningKey,
  signingKeyFrom,
  verifyByPeer,
} from "./identity.ts";
import { inboundGate } from "./inbound-gate.ts";
import { Introductions } from "./introductions.ts";
import { KnownPeers } from "./known-peers.ts";
import { startLibp2p } from "./libp2p-node.ts";
import type { AccountId, CallOptions, Handlers, Mesh, PeerId, PeerView } from "./mesh.ts";
import { MESH_PROTOCOL } from "./mesh-protocol.ts";
import { ipOf, MAX_PEER_ADDRESSES } from "./multiaddrs.ts";
import { PeerBook } from "./peer-book.ts";
import { HANDSHAKE_MS, type PeerLink } from "./peer-link.ts";
import { PeerStreams } from "./peer-streams.ts";
import { Pings } from "./pings.ts";
import { accept, type MethodSpec, type Outcome, type ProtocolSpec, refuse } from "./protocol.ts";
import { RemovalNews } from "./removal-news.ts";
import { checkReply, protocolId, Services } from "./services.ts";

export interface Libp2pMeshOptions {
  /** Of the sharing process; the device key lies in it, the rest in `mesh/` below. */
  readonly directory: string;
  /** Ed25519 secret of the account, 32 bytes. */
  readonly accountSecret: Uint8Array;
  readonly name: string;
  /** Multiaddrs, `/ip4/127.0.0.1/tcp/8440`, `/ip4/127.0.0.1/tcp/8441/ws`; port 0 picks a free one. */
  readonly listen: readonly string[];
  /** Take any free port where one of `listen` is taken. Default false. */
  readonly orAnyPort?: boolean;
  readonly mdns?: boolean;
  /** Default 300. */
  readonly maxConnections?: number;
  /** Most strangers connected at a time: the other places are for friends. Default 200. */
  readonly maxStrangers?: number;
}

export interface Libp2pMeshDependencies {
  readonly files: FileSystem;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

const MAX_CONNECTIONS = 300;
const MAX_STRANGERS = 200;
/** Round trips measured when a connection opens. */
const FIRST_PINGS = 3;

interface Kept {
  readonly deviceSeed: Uint8Array;
  readonly account: SigningKey;
  readonly circles: Circles;
  readonly book: PeerBook;
}

export class Libp2pMesh implements Mesh {
  readonly self: PeerId;
  readonly account: AccountId;
  readonly name: string;
  readonly changed: KnownPeers["changed"];
  readonly #options: Libp2pMeshOptions;
  readonly #deviceSeed: Uint8Array;
  readonly #device: SigningKey;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #services: Services;
  readonly #peers: KnownPeers;
  readonly #dialler: Dialler;
  readonly #streams: PeerStreams;
  readonly #pings: Pings;
  readonly #introductions: Introductions;
  readonly #removals: RemovalNews;
  readonly #greetings: Greetings;
  readonly #protocols: ProtocolSpec[] = [];
  #node: Libp2p | undefined;
  #closed = false;

  private constructor(options: Libp2pMeshOptions, dependencies: Libp2pMeshDependencies, kept: Kept) {
    const { clock, logger } = dependencies;
    const { account, circles, book } = kept;
    this.#options = options;
    this.#clock = clock;
    this.#logger = logger;
    this.#deviceSeed = kept.deviceSeed;
    this.#device = signingKeyFrom(kept.deviceSeed);
    this.self = peerIdOf(this.#device.publicKey);
    this.account = accountIdOf(account.publicKey);
    this.name = options.name;
    this.#services = new Services(dependencies);
    this.#peers = new KnownPeers({ circles, book, clock, logger });
    this.changed = this.#peers.changed;
    const peers = this.#peers;
    const meet = (link: PeerLink): void => this.#greetings.meet(link);
    this.#dialler = new Dialler({ peers, clock, random: dependencies.random, meet });
    const connect = (link: PeerLink): Promise<string | undefined> => this.#dialler.connect(link);
    this.#streams = new PeerStreams({ peers, services: this.#services, clock, connect });
    this.#pings = new Pings({ peers, clock, ask: ({ peer }, timeoutMs) => this.#pingOnce(peer, timeoutMs) });
    const face = this.#faceForParts();
    const device = this.#device.publicKey;
    this.#introductions = new Introductions({
      self: this.self,
      account,
      device,
      circles,
      book,
      clock,
      mesh: face,
    });
    this.#removals = new RemovalNews({ circles, clock, logger, mesh: face });
    this.#greetings = new Greetings({
      name: options.name,
      certificate: certifyDevice(account, device, unixTime(clock)),
      maxStrangers: options.maxStrangers ?? MAX_STRANGERS,
      peers,
      introductions: this.#introductions,
      removals: this.#removals,
      logger,
      listening: face.addresses,
      open: (link, connection) => this.#streams.open(link, MESH_PROTOCOL, connection),
      call: face.call,
      met: (link) => void this.#pings.ping(link, FIRST_PINGS),
      isClosed: () => this.#closed,
    });
    this.serve(MESH_PROTOCOL, {
      ...this.#greetings.handlers,
      ...this.#introductions.handlers,
      ...this.#removals.handlers,
    });
  }

  /** Opens what is on disk and listens. @throws Error with a text for the user when an address is taken. */
  static async open(options: Libp2pMeshOptions, dependencies: Libp2pMeshDependencies): Promise<Libp2pMesh> {
    const directory = `${options.directory}/mesh`;
    const account = signingKeyFrom(options.accountSecret);
    const deviceSeed = await openDeviceSeed(options.directory, dependencies);
    const circles = await Circles.open({ directory, account }, dependencies);
    const book = await PeerBook.open(directory, dependencies);
    const mesh = new Libp2pMesh(options, dependencies, { deviceSeed, account, circles, book });
    await mesh.#start();
    return mesh;
  }

  /** Where it listens, multiaddrs without the peer id. */
  get listening(): readonly string[] {
    return (this.#node?.getMultiaddrs() ?? [])
      .map((address) => address.toString().replace(/\/p2p\/[^/]+$/, ""))
      .slice(0, MAX_PEER_ADDRESSES);
  }

  peers(): readonly PeerView[] {
    return this.#peers.views();
  }

  view(peer: PeerId): PeerView | undefined {
    return this.#peers.view(peer);
  }

  serve<P extends ProtocolSpec>(protocol: P, handlers: Handlers<P>): void {
    this.#services.serve(protocol, handlers);
    this.#protocols.push(protocol);
    if (this.#node !== undefined) void this.#handle(this.#node, protocol);
  }

  async call<Q, A>(
    peer: PeerId,
    protocol: ProtocolSpec,
    method: MethodSpec<Q, A>,
    request: Q,
    options: CallOptions = {},
  ): Promise<Outcome<A>> {
    const asked = encodeRequest(protocol, method, request);
    if (options.signal?.aborted === true) return givenUp();
    if (this.#closed) return failure("unreachable", "shutting down");
    if (peer === this.self || publicKeyOfPeer(peer) === undefined) {
      return failure("unreachable", "no such peer");
    }
    const outcome = await startCall<unknown>(this.#clock, options, (call) => {
      this.#streams.pipeTo(peer, protocol).then(
        (pipe) => {
          if (call.isOver()) return;
          if ("ok" in pipe) call.end(pipe);
          else call.onEnd(pipe.ask(asked.method, asked.body, call.end));
        },
        (error: unknown) => call.end(failure("unreachable", textOf(error))),
      );
    });
    if (!outcome.ok) return outcome;
    const checked = checkReply(method, outcome.value);
    if (!checked.ok) this.misbehaved(peer, `${asked.protocol} ${asked.method}: ${checked.refusal.text}`);
    return checked;
  }

  offer(service: string, value: Uint8Array | undefined): void {
    this.#greetings.offer(service, value);
  }

  misbehaved(peer: PeerId, reason: string, score?: number): void {
    this.#peers.misbehaved(peer, reason, score);
  }

  ban(peer: PeerId, reason: string, seconds = BAN_SECONDS): void {
    this.#peers.ban(peer, reason, seconds);
  }

  async sign(message: Uint8Array): Promise<Uint8Array> {
    return this.#device.sign(message);
  }

  async verify(peer: PeerId, message: Uint8Array, signature: Uint8Array): Promise<boolean> {
    return verifyByPeer(peer, message, signature);
  }

  /** A link that lets others into our circle: `uses` accounts, for `seconds`. On disk before it is told. */
  createInvitation(options: {
    readonly uses: number;
    readonly seconds: number;
  }): Promise<{ readonly link: string; readonly expires: number }> {
    return this.#introductions.invite(options.uses, options.seconds);
  }

  /** Joins the circle of an invitation and meets its members. */
  acceptInvitation(link: string): Promise<Outcome<PeerView>> {
    return this.#withView(this.#introductions.accept(link));
  }

  /** Adds a peer by invitation or by address (`/ip4/…/tcp/…/p2p/…`): its account is trusted from now on. */
  addPeer(linkOrAddress: string): Promise<Outcome<PeerView>> {
    return this.#withView(this.#introductions.add(linkOrAddress));
  }

  /** As founder of its circle: takes a peer's account out of it, everywhere. */
  async removeMember(peer: PeerId): Promise<Outcome<PeerView>> {
    const account = this.view(peer)?.account;
    if (account === undefined) return refuse("not-found", "this peer, or whose it is, is not known");
    const removed = await this.#removals.remove(account);
    return removed.ok ? accept(this.view(peer)!) : removed;
  }

  /** Ends a peer's ban. */
  unban(peer: PeerId): Promise<boolean> {
    return this.#peers.unban(peer);
  }

  /** Drops a peer: its addresses, and the trust in its account. False when it was not known. */
  async forget(peer: PeerId): Promise<boolean> {
    const was = await this.#peers.forget(peer);
    if (was) this.#greetings.trustChanged();
    return was;
  }

  /** Ends every stream and connection, and writes what was learnt. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#pings.stop();
    this.#dialler.stop();
    for (const link of this.#peers.links()) link.endStreams("shutting down");
    await this.#node?.stop();
    await this.#peers.book.save();
  }

  async #start(): Promise<void> {
    const node = await startLibp2p({
      deviceSeed: this.#deviceSeed,
      listen: this.#options.listen,
      orAnyPort: this.#options.orAnyPort ?? false,
      mdns: this.#options.mdns ?? false,
      maxConnections: this.#options.maxConnections ?? MAX_CONNECTIONS,
      gater: inboundGate(this.#peers, () => this.#node),
    });
    this.#node = node;
    for (const protocol of this.#protocols) await this.#handle(node, protocol);
    node.addEventListener("connection:open", ({ detail }) => this.#guard(() => this.#onOpen(detail)));
    node.addEventListener("connection:close", ({ detail }) => this.#guard(() => this.#onClose(detail)));
    node.addEventListener("peer:discovery", ({ detail: { id, multiaddrs } }) => {
      const peer = id.toString();
      if (peer === this.self || publicKeyOfPeer(peer) === undefined) return;
      this.#guard(() => void this.#dialler.found(peer, multiaddrs.map(String)));
    });
    this.#dialler.start(node);
    for (const connection of node.getConnections()) this.#onOpen(connection);
    for (const link of this.#peers.links()) this.#dialler.want(link);
    this.#pings.start();
  }

  async #handle(node: Libp2p, protocol: ProtocolSpec): Promise<void> {
    const handler = async (stream: Stream, connection: Connection): Promise<void> => {
      if (this.#closed) stream.abort(new Error("shutting down"));
      else this.#guard(() => this.#streams.serve(protocol, stream, connection));
    };
    try {
      await node.handle(protocolId(protocol), handler, { maxInboundStreams: 4, maxOutboundStreams: 4 });
    } catch (error) {
      this.#logger.error(`${protocolId(protocol)} is not served: ${textOf(error)}`);
    }
  }

  /** Listeners of libp2p must not throw: a remote peer could end the process. */
  #guard(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#logger.error(`mesh: ${error instanceof Error ? error.stack : String(error)}`);
    }
  }

  #onOpen(connection: Connection): void {
    const peer = connection.remotePeer.toString();
    if (this.#closed || publicKeyOfPeer(peer) === undefined || this.#peers.isBanned(peer)) {
      connection.abort(new Error("not wanted"));
      return;
    }
    const link = this.#peers.link(peer);
    if (link.connections.has(connection)) return;
    link.connections.add(connection);
    link.ip = ipOf(connection.remoteAddr.toString()) ?? link.ip;
    if (connection.direction === "outbound" && !link.ready) void this.#greetings.greet(link, connection);
    const cancel = this.#clock.after(HANDSHAKE_MS, () => {
      if (!link.ready) connection.abort(new Error("no hello in time"));
    });
    connection.addEventListener("close", cancel);
  }

  #onClose(connection: Connection): void {
    const peer = connection.remotePeer.toString();
    const link = this.#peers.linkOf(peer);
    if (link === undefined || !link.connections.delete(connection) || link.connections.size > 0) return;
    link.endStreams("the connection was lost");
    const was = link.ready;
    link.setReady(false);
    const reason = link.closeReason ?? "the connection was lost";
    link.closeReason = undefined;
    if (was) this.#peers.tell("disconnected", peer, reason);
    if (this.#closed) return;
    if (link.standing === "friend") this.#dialler.want(link);
    // An identity costs nothing: what is worth knowing of a stranger is in the book, which is bounded.
    else if (link.connecting === undefined) this.#peers.drop(link);
  }

  #pingOnce(peer: PeerId, timeoutMs: number): Promise<Outcome<object>> {
    return this.call(peer, MESH_PROTOCOL, MESH_PROTOCOL.methods.ping, {}, { timeoutMs });
  }

  async #withView(outcome: Promise<Outcome<PeerId>>): Promise<Outcome<PeerView>> {
    const result = await outcome;
    return result.ok ? accept(this.view(result.value)!) : result;
  }

  /** What introductions and news of removals do with the mesh. */
  #faceForParts(): ConstructorParameters<typeof Introductions>[0]["mesh"] &
    ConstructorParameters<typeof RemovalNews>[0]["mesh"] {
    const peers = this.#peers;
    return {
      addresses: () => this.listening,
      call: (peer, method, request) => this.call(peer, MESH_PROTOCOL, method, request),
      connect: (peer) => this.#dialler.connect(peers.link(peer)),
      wanted: (peer) => this.#dialler.want(peers.link(peer)),
      isConnected: (peer) => peers.linkOf(peer)?.ready === true,
      accountOf: (peer) => peers.linkOf(peer)?.account,
      removalsRate: (peer) => peers.linkOf(peer)?.removals,
      misbehaved: (peer, reason, score) => peers.misbehaved(peer, reason, score),
      trustChanged: () => this.#greetings.trustChanged(),
      tellAll: () => this.#greetings.tellAll(),
    };
  }
}
