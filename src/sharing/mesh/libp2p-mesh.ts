/**
 * The mesh over libp2p: connections with TCP or WebSocket, Noise and Yamux; a hello that says whose device speaks; one
 * pipelined stream a peer and protocol; friends redialled; misbehaviour counted and banned.
 */
import type { Connection, Libp2p, Stream } from "@libp2p/interface";
import { type Multiaddr, multiaddr } from "@multiformats/multiaddr";
import { type Clock, unixTime } from "#base/lib/clock.ts";
import { Signal } from "#base/lib/events.ts";
import type { Logger } from "#base/lib/logger.ts";
import type { Random } from "#base/lib/random.ts";
import type { FileSystem } from "#base/store/file-system.ts";
import { encodeCbor } from "./cbor.ts";
import { certifyDevice, openDeviceCertificate, type Signed } from "./certificates.ts";
import { Circles } from "./circles.ts";
import { BAN_SECONDS, Conduct } from "./conduct.ts";
import { openDeviceSeed } from "./device-key.ts";
import {
  accountIdOf,
  peerIdOf,
  publicKeyOfPeer,
  type SigningKey,
  signingKeyFrom,
  verifySignature,
} from "./identity.ts";
import { Introductions } from "./introductions.ts";
import { startLibp2p } from "./libp2p-node.ts";
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
import { type Hello, MAX_OFFER_BYTES, MAX_OFFERS, MESH_PROTOCOL } from "./mesh-protocol.ts";
import { checkAddresses, ipOf, MAX_PEER_ADDRESSES } from "./multiaddrs.ts";
import { PeerBook } from "./peer-book.ts";
import { PeerLink } from "./peer-link.ts";
import {
  accept,
  type CallFailure,
  type MethodSpec,
  type Outcome,
  type ProtocolSpec,
  refuse,
} from "./protocol.ts";
import { RemovalNews } from "./removal-news.ts";
import { RequestPipe } from "./request-pipe.ts";
import { ServePipe } from "./serve-pipe.ts";
import { checkReply, longestReply, methodName, protocolId, requestLimitOf, Services } from "./services.ts";

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

const DEFAULT_TIMEOUT_MS = 30_000;
/** Hellos must be exchanged, and streams opened, within this time. */
const HANDSHAKE_MS = 10_000;
const PING_EVERY_MS = 10_000;
/** Redialling a friend: after a second, then twice as long each time, two minutes at most. */
const REDIAL_MS = 1000;
const MAX_REDIAL_MS = 120_000;
/** So many friends are asked where one is that can not be reached, and no more often than this. */
const ASK_FRIENDS = 3;
const ASK_MS = 5_000;
const MAX_CONNECTIONS = 300;
/** Open connections from one IP address that is not this machine. */
const MAX_PER_IP = 32;
const MAX_STRANGERS = 200;

export class Libp2pMesh implements Mesh {
  readonly self: PeerId;
  readonly account: AccountId;
  readonly name: string;
  readonly changed = new Signal<PeerChange>();
  readonly #options: Libp2pMeshOptions;
  readonly #deviceSeed: Uint8Array;
  readonly #device: SigningKey;
  readonly #certificate: Signed;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #logger: Logger;
  readonly #circles: Circles;
  readonly #book: PeerBook;
  readonly #conduct: Conduct;
  readonly #services: Services;
  readonly #introductions: Introductions;
  readonly #removals: RemovalNews;
  readonly #links = new Map<PeerId, PeerLink>();
  readonly #protocols: ProtocolSpec[] = [];
  #offers: Readonly<Record<string, Uint8Array>> = {};
  #updateQueued = false;
  #node: Libp2p | undefined;
  #closed = false;
  /** When friends were last asked where others are, by the monotonic clock. */
  #askedAround: number | undefined;
  #cancelPing: (() => void) | undefined;

  private constructor(
    options: Libp2pMeshOptions,
    dependencies: Libp2pMeshDependencies,
    kept: { deviceSeed: Uint8Array; account: SigningKey; circles: Circles; book: PeerBook },
  ) {
    this.#options = options;
    this.#clock = dependencies.clock;
    this.#random = dependencies.random;
    this.#logger = dependencies.logger;
    this.#deviceSeed = kept.deviceSeed;
    this.#device = signingKeyFrom(kept.deviceSeed);
    this.self = peerIdOf(this.#device.publicKey);
    this.account = accountIdOf(kept.account.publicKey);
    this.name = options.name;
    this.#certificate = certifyDevice(kept.account, this.#device.publicKey, unixTime(this.#clock));
    this.#circles = kept.circles;
    this.#book = kept.book;
    this.#conduct = new Conduct(dependencies, kept.book.loadedBans);
    this.#book.bans = () => this.#conduct.bans();
    this.#services = new Services(dependencies);
    this.#introductions = new Introductions({
      self: this.self,
      account: kept.account,
      device: this.#device.publicKey,
      circles: this.#circles,
      book: this.#book,
      clock: this.#clock,
      mesh: {
        addresses: () => this.listening,
        call: (peer, method, request) => this.call(peer, MESH_PROTOCOL, method, request),
        connect: (peer) => this.#connect(this.#link(peer)),
        wanted: (peer) => this.#want(this.#link(peer)),
        isConnected: (peer) => this.#links.get(peer)?.ready === true,
        accountOf: (peer) => this.#links.get(peer)?.account,
        trustChanged: () => this.#refreshStandings(),
      },
    });
    this.#removals = new RemovalNews({
      circles: this.#circles,
      logger: this.#logger,
      mesh: {
        call: (peer, method, request) => this.call(peer, MESH_PROTOCOL, method, request),
        accountOf: (peer) => this.#links.get(peer)?.account,
        misbehaved: (peer, reason, score) => this.misbehaved(peer, reason, score),
        trustChanged: () => this.#refreshStandings(),
        tellAll: () => this.#updateAll(),
      },
    });
    for (const entry of this.#book.entries()) {
      if (entry.account !== undefined && this.#circles.isFriend(entry.account)) this.#link(entry.peer);
    }
    this.#serveMesh();
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
      .map((address) => withoutPeer(address))
      .slice(0, MAX_PEER_ADDRESSES);
  }

  peers(): readonly PeerView[] {
    const known = new Set([...this.#links.keys(), ...this.#book.entries().map(({ peer }) => peer)]);
    return [...known].map((peer) => this.view(peer)).filter((view) => view !== undefined);
  }

  view(peer: PeerId): PeerView | undefined {
    const link = this.#links.get(peer);
    const entry = this.#book.get(peer);
    if (link === undefined && entry === undefined) return undefined;
    const addresses = entry?.addresses ?? link?.addresses ?? [];
    const account = link?.account ?? entry?.account;
    const standing = this.#standingOf(peer, account);
    const standingReason = standing === "stranger" ? this.#whyStranger(account) : undefined;
    return {
      peer,
      account,
      name: link?.name || (entry?.name ?? ""),
      standing,
      ...(standingReason === undefined ? {} : { standingReason }),
      connected: link?.ready ?? false,
      addresses: addresses.map((address) => `${address}/p2p/${peer}`),
      ip: link?.ip ?? entry?.ip ?? addresses.map(ipOf).find((ip) => ip !== undefined),
      latencyMs: link?.latencyMs,
      bytesSent: link?.bytesSent ?? 0,
      bytesReceived: link?.bytesReceived ?? 0,
      offers: link?.offers ?? {},
    };
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
    const name = methodName(protocol, method);
    const body = encodeCbor(request);
    if (body.length > requestLimitOf(method)) {
      throw new Error(`a request of ${body.length} bytes, ${name} takes ${requestLimitOf(method)}`);
    }
    const limit = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    const outcome = await new Promise<Outcome<unknown>>((resolve) => {
      const ending: (() => void)[] = [];
      let ended = false;
      const end = (result: Outcome<unknown>): void => {
        if (ended) return;
        ended = true;
        for (const action of ending) action();
        resolve(result);
      };
      if (options.signal?.aborted === true) return end(failure("aborted", "given up"));
      ending.push(this.#clock.after(limit, () => end(failure("timeout", `no answer in ${limit} ms`))));
      const onAbort = (): void => end(failure("aborted", "given up"));
      options.signal?.addEventListener("abort", onAbort, { once: true });
      ending.push(() => options.signal?.removeEventListener("abort", onAbort));
      this.#pipe(peer, protocol).then(
        (pipe) => {
          if (ended) return;
          if ("ok" in pipe) end(pipe);
          else ending.push(pipe.ask(name, body, end));
        },
        (error: unknown) => end(failure("unreachable", textOf(error))),
      );
    });
    if (!outcome.ok) return outcome;
    const checked = checkReply(method, outcome.value);
    if (!checked.ok) this.misbehaved(peer, `${protocolId(protocol)} ${name}: ${checked.refusal.text}`);
    return checked;
  }

  offer(service: string, value: Uint8Array | undefined): void {
    const offers = { ...this.#offers };
    if (value === undefined) delete offers[service];
    else offers[service] = value.slice();
    if (Object.keys(offers).length > MAX_OFFERS || (value?.length ?? 0) > MAX_OFFER_BYTES) {
      throw new Error(`the offer ${service} is too much`);
    }
    this.#offers = offers;
    if (this.#updateQueued) return;
    this.#updateQueued = true;
    queueMicrotask(() => {
      this.#updateQueued = false;
      this.#updateAll();
    });
  }

  #updateAll(): void {
    for (const link of this.#links.values()) if (link.ready) this.#sendUpdate(link);
  }

  misbehaved(peer: PeerId, reason: string, score?: number): void {
    this.#logger.debug("net", () => `mesh: ${peer} misbehaved: ${reason}`);
    if (this.#conduct.misbehaved(peer, score)) this.#ban(peer, reason, BAN_SECONDS, true);
  }

  ban(peer: PeerId, reason: string, seconds = BAN_SECONDS): void {
    this.#ban(peer, reason, seconds, false);
  }

  async sign(message: Uint8Array): Promise<Uint8Array> {
    return this.#device.sign(message);
  }

  async verify(peer: PeerId, message: Uint8Array, signature: Uint8Array): Promise<boolean> {
    const key = publicKeyOfPeer(peer);
    return key !== undefined && verifySignature(key, message, signature);
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

  /** Ends a peer's ban. */
  async unban(peer: PeerId): Promise<boolean> {
    const link = this.#links.get(peer);
    if (link?.ip !== undefined) this.#conduct.unban(`ip:${link.ip}`);
    const was = this.#conduct.unban(peer);
    await this.#book.save();
    return was;
  }

  /** Drops a peer: its addresses, and the trust in its account. False when it was not known. */
  async forget(peer: PeerId): Promise<boolean> {
    const view = this.view(peer);
    if (view === undefined) return false;
    if (view.account !== undefined) await this.#circles.forget(view.account);
    const link = this.#links.get(peer);
    if (link !== undefined) await this.#disconnect(link, "forgotten");
    this.#links.delete(peer);
    this.#book.remove(peer);
    await this.#book.save();
    this.#refreshStandings();
    return true;
  }

  /** As founder of its circle: takes a peer's account out of it, everywhere. */
  async removeMember(peer: PeerId): Promise<Outcome<PeerView>> {
    const account = this.view(peer)?.account;
    if (account === undefined) return refuse("not-found", "this peer, or whose it is, is not known");
    const removed = await this.#removals.remove(account);
    return removed.ok ? accept(this.view(peer)!) : removed;
  }

  /** Ends every stream and connection, and writes what was learnt. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelPing?.();
    for (const link of this.#links.values()) {
      link.cancelRedial?.();
      link.endStreams("shutting down");
    }
    await this.#node?.stop();
    await this.#book.save();
  }

  async #start(): Promise<void> {
    const node = await this.#listen();
    this.#node = node;
    for (const protocol of this.#protocols) await this.#handle(node, protocol);
    node.addEventListener("connection:open", ({ detail }) => this.#guard(() => this.#onOpen(detail)));
    node.addEventListener("connection:close", ({ detail }) => this.#guard(() => this.#onClose(detail)));
    node.addEventListener("peer:discovery", ({ detail }) => {
      this.#guard(() => this.#onDiscovery(detail.id.toString(), detail.multiaddrs));
    });
    for (const connection of node.getConnections()) this.#onOpen(connection);
    for (const link of this.#links.values()) this.#want(link);
    this.#pingSoon();
  }

  async #listen(): Promise<Libp2p> {
    const { listen, orAnyPort = false } = this.#options;
    const start = (addresses: readonly string[]): Promise<Libp2p> =>
      startLibp2p({
        deviceSeed: this.#deviceSeed,
        listen: addresses,
        mdns: this.#options.mdns ?? false,
        maxConnections: this.#options.maxConnections ?? MAX_CONNECTIONS,
        gater: {
          denyDialPeer: (peer) => this.#conduct.isBanned(peer.toString()),
          denyInboundConnection: ({ remoteAddr }) => this.#deniesAddress(remoteAddr),
          denyInboundEncryptedConnection: (peer) => this.#conduct.isBanned(peer.toString()),
        },
      });
    try {
      return await start(listen);
    } catch (error) {
      if (!orAnyPort) throw new Error(`the mesh can not listen on ${listen.join(", ")}: ${textOf(error)}`);
      return await start(listen.map((address) => address.replace(/\/tcp\/\d+/, "/tcp/0")));
    }
  }

  async #handle(node: Libp2p, protocol: ProtocolSpec): Promise<void> {
    const handler = async (stream: Stream, connection: Connection): Promise<void> => {
      this.#guard(() => this.#onStream(protocol, stream, connection));
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

  #deniesAddress(remote: Multiaddr): boolean {
    const ip = ipOf(remote.toString());
    if (ip === undefined) return false;
    if (this.#conduct.isBanned(`ip:${ip}`)) return true;
    if (isLoopback(ip)) return false;
    const open = this.#node?.getConnections() ?? [];
    return open.filter((connection) => ipOf(connection.remoteAddr.toString()) === ip).length >= MAX_PER_IP;
  }

  #link(peer: PeerId): PeerLink {
    let link = this.#links.get(peer);
    if (link === undefined) {
      link = new PeerLink(peer, { clock: this.#clock });
      const entry = this.#book.get(peer);
      link.account = entry?.account;
      link.name = entry?.name ?? "";
      link.addresses = entry?.addresses ?? [];
      link.ip = entry?.ip;
      link.standing = this.#standingOf(peer, link.account);
      this.#links.set(peer, link);
    }
    return link;
  }

  #standingOf(peer: PeerId, account: AccountId | undefined): Standing {
    if (this.#conduct.isBanned(peer)) return "banned";
    return account !== undefined && this.#circles.isFriend(account) ? "friend" : "stranger";
  }

  #whyStranger(account: AccountId | undefined): string | undefined {
    return account === undefined ? undefined : this.#circles.whyRemoved(account);
  }

  #emit(kind: PeerChange["kind"], peer: PeerId, reason?: string): void {
    const view = this.view(peer);
    if (view === undefined) return;
    const change = { kind, view, ...(reason === undefined ? {} : { reason }) };
    this.changed.emit(change).catch((error: unknown) => {
      this.#logger.error(`mesh: ${error instanceof Error ? error.stack : String(error)}`);
    });
  }

  // Connections

  #onOpen(connection: Connection): void {
    const peer = connection.remotePeer.toString();
    if (this.#closed || publicKeyOfPeer(peer) === undefined || this.#conduct.isBanned(peer)) {
      connection.abort(new Error("not wanted"));
      return;
    }
    const link = this.#link(peer);
    if (link.connections.has(connection)) return;
    link.connections.add(connection);
    link.ip = ipOf(connection.remoteAddr.toString()) ?? link.ip;
    if (connection.direction === "outbound" && !link.ready) void this.#sayHello(link, connection);
    const cancel = this.#clock.after(HANDSHAKE_MS, () => {
      if (!link.ready) connection.abort(new Error("no hello in time"));
    });
    connection.addEventListener("close", cancel);
  }

  #onClose(connection: Connection): void {
    const peer = connection.remotePeer.toString();
    const link = this.#links.get(peer);
    if (link === undefined || !link.connections.delete(connection) || link.connections.size > 0) return;
    link.endStreams("the connection was lost");
    const was = link.ready;
    link.setReady(false);
    const reason = link.closeReason ?? "the connection was lost";
    link.closeReason = undefined;
    if (was) this.#emit("disconnected", peer, reason);
    if (this.#closed) return;
    if (link.standing === "friend") this.#want(link);
    // An identity costs nothing: what is worth knowing of a stranger is in the book, which is bounded.
    else if (link.connecting === undefined) this.#links.delete(peer);
  }

  async #disconnect(link: PeerLink, reason: string): Promise<void> {
    link.cancelRedial?.();
    link.cancelRedial = undefined;
    link.closeReason = reason;
    link.endStreams(reason);
    for (const connection of link.connections) connection.abort(new Error(reason));
  }

  #onDiscovery(peer: PeerId, addresses: readonly Multiaddr[]): void {
    if (peer === this.self || publicKeyOfPeer(peer) === undefined || this.#conduct.isBanned(peer)) return;
    const found = checkAddresses(addresses.map((address) => withoutPeer(address)));
    if (found.length === 0) return;
    this.#book.note(peer, { addresses: found });
    const link = this.#link(peer);
    if (link.connections.size > 0) return;
    void this.#connect(link).then((failed) => {
      // Anyone on the network can announce any number of peers: of those that are not there the book keeps the address.
      if (failed !== undefined && link.connections.size === 0 && link.standing !== "friend") {
        if (this.#links.get(peer) === link) this.#links.delete(peer);
      }
    });
  }

  /** Connects and exchanges hellos, once at a time. Resolves to why not. */
  #connect(link: PeerLink): Promise<string | undefined> {
    if (link.ready) return Promise.resolve(undefined);
    link.connecting ??= this.#dial(link).finally(() => {
      link.connecting = undefined;
    });
    return link.connecting;
  }

  async #dial(link: PeerLink): Promise<string | undefined> {
    const node = this.#node;
    if (node === undefined || this.#closed) return "shutting down";
    if (this.#conduct.isBanned(link.peer)) return "banned";
    if (link.connections.size === 0) {
      const addresses = this.#book.get(link.peer)?.addresses ?? [];
      if (addresses.length === 0) return "no address is known";
      try {
        const targets = addresses.map((address) => multiaddr(`${address}/p2p/${link.peer}`));
        await node.dial(targets, { signal: AbortSignal.timeout(HANDSHAKE_MS) });
      } catch (error) {
        link.failures++;
        return textOf(error);
      }
    }
    if (!(await link.whenReady())) {
      link.failures++;
      return "no hello was exchanged";
    }
    return undefined;
  }

  /** Keeps a friend connected: dials now, and again after each failure or loss. */
  #want(link: PeerLink): void {
    if (this.#closed || link.ready || link.cancelRedial !== undefined) return;
    if (this.#standingOf(link.peer, link.account ?? this.#book.get(link.peer)?.account) === "banned") return;
    const backoff = Math.min(MAX_REDIAL_MS, REDIAL_MS * 2 ** Math.min(16, link.failures - 1));
    const delay = link.failures === 0 ? 0 : backoff * (0.75 + this.#random.below(1000) / 2000);
    link.cancelRedial = this.#clock.after(delay, () => {
      link.cancelRedial = undefined;
      void this.#connect(link).then((failed) => {
        if (failed === undefined || this.#links.get(link.peer) !== link || link.standing !== "friend") return;
        this.#want(link);
        this.#askAround();
      });
    });
  }

  /** A friend is not where it was: those who are here may know where it is now. */
  #askAround(): void {
    const now = this.#clock.monotonic();
    if (this.#askedAround !== undefined && now - this.#askedAround < ASK_MS) return;
    this.#askedAround = now;
    const here = [...this.#links.values()].filter(({ ready, standing }) => ready && standing === "friend");
    for (let i = 0; i < ASK_FRIENDS && here.length > 0; i++) {
      const [link] = here.splice(this.#random.below(here.length), 1);
      this.#meet(link!);
    }
  }

  // Hello

  #hello(link: PeerLink): Hello {
    const shared = link.account === undefined ? [] : this.#circles.shared(link.account).slice(0, 16);
    return {
      certificate: this.#certificate,
      name: this.name,
      addresses: [...this.listening],
      offers: { ...this.#offers },
      circles: shared.map((circle) => this.#circles.ownCertificate(circle)),
      removals: this.#removals.toldTo(link.account),
    };
  }

  async #sayHello(link: PeerLink, connection: Connection): Promise<void> {
    try {
      const pipe = await this.#openPipe(link, MESH_PROTOCOL, connection);
      const outcome = await new Promise<Outcome<unknown>>((resolve) => {
        pipe.ask("hello", encodeCbor(this.#hello(link)), resolve);
      });
      const reply = outcome.ok ? checkReply(MESH_PROTOCOL.methods.hello, outcome.value) : outcome;
      const problem = reply.ok ? await this.#takeHello(link, reply.value) : reply.refusal.text;
      if (problem !== undefined) connection.abort(new Error(problem));
      else this.#becomeReady(link);
    } catch (error) {
      connection.abort(error instanceof Error ? error : new Error("no hello"));
    }
  }

  /** Checks and notes what a hello says; why it is refused, if so. */
  async #takeHello(link: PeerLink, hello: Hello): Promise<string | undefined> {
    const certificate = openDeviceCertificate(hello.certificate);
    if (certificate === undefined || peerIdOf(certificate.device) !== link.peer) {
      return "the certificate is not of this device";
    }
    link.account = accountIdOf(certificate.account);
    if (await this.#circles.learn(hello.circles)) this.#refreshStandings();
    const { account, ip } = link;
    this.#book.note(
      link.peer,
      { account, certificate: hello.certificate, ...(ip === undefined ? {} : { ip }) },
      true,
    );
    this.#takeNews(link, hello);
    return undefined;
  }

  #takeNews(link: PeerLink, news: Pick<Hello, "name" | "addresses" | "offers" | "removals">): void {
    link.name = news.name;
    link.offers = { ...news.offers };
    const addresses = checkAddresses(news.addresses);
    if (addresses.length > 0) link.addresses = addresses;
    this.#book.note(link.peer, { name: news.name, ...(addresses.length > 0 ? { addresses } : {}) });
    this.#removals.heard(link.peer, news.removals);
  }

  #becomeReady(link: PeerLink): void {
    if (link.connections.size === 0 || link.ready) return;
    link.standing = this.#standingOf(link.peer, link.account);
    if (link.standing === "stranger" && this.#connectedStrangers() >= this.#maxStrangers) {
      void this.#disconnect(link, "too many strangers are connected");
      return;
    }
    link.failures = 0;
    link.setReady(true);
    this.#emit("connected", link.peer);
    void this.#ping(link, 3);
    if (link.standing === "friend") this.#meet(link);
    // Who dialled did not know yet whom it would meet.
    if (this.#removals.toldTo(link.account).length > 0) this.#sendUpdate(link);
  }

  /** A disk that fails while members are noted is no reason for the process to end. */
  #meet(link: PeerLink): void {
    this.#introductions.meet(link.peer).catch((error: unknown) => {
      if (!this.#closed) this.#logger.error(`mesh: ${textOf(error)}`);
    });
  }

  get #maxStrangers(): number {
    return this.#options.maxStrangers ?? MAX_STRANGERS;
  }

  #connectedStrangers(): number {
    let strangers = 0;
    for (const { ready, standing } of this.#links.values()) if (ready && standing === "stranger") strangers++;
    return strangers;
  }

  #serveMesh(): void {
    this.serve(MESH_PROTOCOL, {
      hello: async (hello, { peer }) => {
        const link = this.#link(peer);
        if (!link.hellos.take()) return refuse("limit", "too many hellos");
        const problem = await this.#takeHello(link, hello);
        if (problem !== undefined) return refuse("not-allowed", problem);
        // The reply leaves first: what we ask next then finds the other side ready.
        setImmediate(() => this.#guard(() => this.#becomeReady(link)));
        return accept(this.#hello(link));
      },
      update: async (news, { peer }) => {
        this.#takeNews(this.#link(peer), news);
        this.#emit("changed", peer);
        return accept({});
      },
      ping: async () => accept({}),
      ...this.#introductions.handlers,
      ...this.#removals.handlers,
    });
  }

  #sendUpdate(link: PeerLink): void {
    const news = {
      name: this.name,
      addresses: [...this.listening],
      offers: { ...this.#offers },
      removals: this.#removals.toldTo(link.account),
    };
    void this.call(link.peer, MESH_PROTOCOL, MESH_PROTOCOL.methods.update, news);
  }

  #refreshStandings(): void {
    for (const link of this.#links.values()) {
      const standing = this.#standingOf(link.peer, link.account);
      if (standing === link.standing) continue;
      link.standing = standing;
      const reason = standing === "stranger" ? this.#whyStranger(link.account) : undefined;
      if (link.ready) this.#emit("changed", link.peer, reason);
      if (link.ready && standing === "friend") void this.#greetAnew(link);
    }
  }

  /** Says hello on an open connection: who was a stranger at the first one has not seen our memberships. */
  async #greetAnew(link: PeerLink): Promise<void> {
    const { hello } = MESH_PROTOCOL.methods;
    const reply = await this.call(link.peer, MESH_PROTOCOL, hello, this.#hello(link));
    const problem = reply.ok ? await this.#takeHello(link, reply.value) : undefined;
    if (problem === undefined) this.#meet(link);
    else await this.#disconnect(link, problem);
  }

  async #withView(outcome: Promise<Outcome<PeerId>>): Promise<Outcome<PeerView>> {
    const result = await outcome;
    return result.ok ? accept(this.view(result.value)!) : result;
  }

  // Streams

  async #pipe(
    peer: PeerId,
    protocol: ProtocolSpec,
  ): Promise<RequestPipe | { ok: false; refusal: CallFailure }> {
    if (this.#closed) return failure("unreachable", "shutting down");
    if (peer === this.self || publicKeyOfPeer(peer) === undefined)
      return failure("unreachable", "no such peer");
    const link = this.#link(peer);
    const failed = await this.#connect(link);
    if (failed !== undefined) {
      if (link.connections.size === 0 && this.#book.get(peer) === undefined) this.#links.delete(peer);
      return failure("unreachable", failed);
    }
    const id = protocolId(protocol);
    let pipe = link.asking.get(id);
    if (pipe === undefined) {
      const connection = [...link.connections].find(({ status }) => status === "open");
      if (connection === undefined) return failure("unreachable", "the connection was lost");
      pipe = this.#openPipe(link, protocol, connection);
    }
    try {
      return await pipe;
    } catch (error) {
      if (error instanceof Error && error.name === "UnsupportedProtocolError") {
        return refuse("unknown-method", `${id} is not served there`);
      }
      throw error;
    }
  }

  #openPipe(link: PeerLink, protocol: ProtocolSpec, connection: Connection): Promise<RequestPipe> {
    const id = protocolId(protocol);
    const forget = (): void => {
      if (link.asking.get(id) === opening) link.asking.delete(id);
    };
    const opening = connection.newStream(id, { signal: AbortSignal.timeout(HANDSHAKE_MS) }).then((stream) => {
      return new RequestPipe(
        stream,
        { longestReply: longestReply(protocol) },
        {
          clock: this.#clock,
          handlers: {
            onTraffic: (sent, received) => link.countTraffic(sent, received),
            onEnd: (reason, fault) => {
              forget();
              if (fault) this.misbehaved(link.peer, reason, 50);
            },
          },
        },
      );
    });
    link.asking.set(id, opening);
    opening.catch(forget);
    return opening;
  }

  #onStream(protocol: ProtocolSpec, stream: Stream, connection: Connection): void {
    const peer = connection.remotePeer.toString();
    const link = this.#links.get(peer);
    if (link === undefined || this.#closed) {
      stream.abort(new Error("not wanted"));
      return;
    }
    if (!link.streams.take()) {
      stream.abort(new Error("too many streams"));
      this.misbehaved(peer, "too many streams", 10);
      return;
    }
    const isMesh = protocol === MESH_PROTOCOL;
    const pipe = new ServePipe(stream, protocol, {
      clock: this.#clock,
      services: this.#services,
      rate: link.requests,
      context: (signal) => this.#context(link, isMesh, signal),
      onTraffic: (sent, received) => link.countTraffic(sent, received),
      misbehaved: (reason, score) => this.misbehaved(peer, reason, score),
      onEnd: () => link.serving.delete(pipe),
    });
    link.serving.add(pipe);
  }

  /** Who asks; the mesh's own protocol is answered before the hello, and its methods see to it. */
  async #context(link: PeerLink, isMesh: boolean, signal: AbortSignal): Promise<RequestContext> {
    if (!isMesh && !(await link.whenReady())) throw new Error("no hello");
    const { peer, account = "", ip } = link;
    return { peer, account, standing: this.#standingOf(peer, account), ip, signal };
  }

  // Pings

  #pingSoon(): void {
    this.#cancelPing = this.#clock.after(PING_EVERY_MS, () => {
      for (const link of this.#links.values()) if (link.ready) void this.#ping(link, 1);
      if (!this.#closed) this.#pingSoon();
    });
  }

  async #ping(link: PeerLink, times: number): Promise<void> {
    for (let i = 0; i < times && link.ready; i++) {
      const began = this.#clock.monotonic();
      const received = link.bytesReceived;
      const { ping } = MESH_PROTOCOL.methods;
      const outcome = await this.call(link.peer, MESH_PROTOCOL, ping, {}, { timeoutMs: HANDSHAKE_MS });
      if (outcome.ok) {
        link.noteRoundTrip(this.#clock.monotonic() - began);
      } else if (outcome.refusal.code === "timeout" && link.missPing(received)) {
        await this.#disconnect(link, "no answer to pings");
        return;
      }
    }
  }

  // Bans

  #ban(peer: PeerId, reason: string, seconds: number, withAddress: boolean): void {
    const wasBanned = this.#conduct.isBanned(peer);
    const link = this.#links.get(peer);
    this.#conduct.ban(peer, reason, seconds);
    if (withAddress && link?.ip !== undefined && this.#mayBanAddress(link)) {
      this.#conduct.ban(`ip:${link.ip}`, reason, seconds);
    }
    this.#book.save().catch((error: unknown) => this.#logger.error(`mesh: ${textOf(error)}`));
    if (link !== undefined) {
      link.standing = "banned";
      void this.#disconnect(link, `banned: ${reason}`);
    }
    if (!wasBanned) this.#emit("banned", peer, reason);
  }

  /** A new identity costs nothing, an address does; but not the address of this machine, nor one that a friend has. */
  #mayBanAddress(offender: PeerLink): boolean {
    if (offender.ip === "127.0.0.1" || offender.ip === "::1") return false;
    return ![...this.#links.values()].some(
      (link) => link !== offender && link.ip === offender.ip && link.standing === "friend",
    );
  }
}

function isLoopback(ip: string): boolean {
  return ip.startsWith("127.") || ip === "::1";
}

function withoutPeer(address: Multiaddr): string {
  return address.toString().replace(/\/p2p\/[^/]+$/, "");
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function failure(
  code: "unreachable" | "timeout" | "aborted",
  text: string,
): { readonly ok: false; readonly refusal: CallFailure } {
  return { ok: false, refusal: { code, text } };
}
