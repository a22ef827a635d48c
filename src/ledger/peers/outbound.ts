/** Connections that we open: which kind is wanting, to whom, and the nodes that the user named (Core: net.cpp). */
import type { AddressEntry } from "#protocol/wire/messages/addresses.ts";
import {
  NodeEndpoint,
  parseEndpoint,
  parseNetAddress,
  splitHostPort,
  UNSPECIFIED,
} from "#protocol/wire/net-address.ts";
import { netGroup } from "#protocol/wire/net-group.ts";
import { mayHaveUsefulAddresses } from "#protocol/wire/services.ts";
import type { PickedAddress } from "./address-book.ts";
import { isBadPort } from "./bad-ports.ts";
import type { OutboundTargets } from "./chain-health.ts";
import type { PeerContext } from "./context.ts";
import { askDnsSeeds } from "./dns-seeds.ts";
import type { AddedNodeInfo, ConnectionType } from "./peer-info.ts";
import type { PeerTable } from "./peer-table.ts";
import { implicitPermissions, type WhitelistEntry, whitelistPermissions } from "./permissions.ts";
import { exponentialDelay, shuffle } from "./random-draws.ts";
import type { Socket, SocketLayer } from "./socket.ts";

/** Automatic connections of each kind. */
const MAX_FULL_RELAY = 8;
const MAX_BLOCK_RELAY = 2;
const MAX_FEELERS = 1;
/** Nodes of -addnode that are connected at a time. */
const MAX_ADDED = 8;
/** Anchors kept for the next start. */
const MAX_ANCHORS = 2;
/** Milliseconds. */
const ROUND = 500;
const FEELER_INTERVAL = 2 * 60_000;
const FEELER_NOISE = 1_000;
const EXTRA_BLOCK_RELAY_INTERVAL = 5 * 60_000;
const ADDED_RETRY = 60_000;
const ADDED_IDLE = 2_000;
const SEED_NODE_INTERVAL = 10_000;
const DNS_DELAY = 11_000;
/** Addresses of the book that are looked at for one connection. */
const MAX_PICKS = 100;
/** Picks after which an address tried within the last ten minutes is good enough, and after which a bad port is. */
const PICKS_BEFORE_RECENT = 30;
const PICKS_BEFORE_BAD_PORT = 50;
const RECENT_TRY = 10 * 60;

interface Wanted {
  readonly type: ConnectionType;
  readonly anchor: boolean;
}

export interface OutboundOptions {
  readonly whitelist: readonly WhitelistEntry[];
  readonly anchors: readonly AddressEntry[];
}

export class Outbound implements OutboundTargets {
  tryExtraFullRelay = false;
  readonly #options: OutboundOptions;
  readonly #context: PeerContext;
  readonly #table: PeerTable;
  readonly #sockets: SocketLayer;
  readonly #isActive: () => boolean;
  readonly #abort = new AbortController();
  readonly #added: string[] = [];
  readonly #anchors: AddressEntry[];
  readonly #addrFetches: string[] = [];
  /** Automatic connections that are being opened. */
  #dialling = 0;
  #loops: Promise<void>[] = [];
  #extraBlockRelay = false;
  #nextFeeler = 0;
  #nextExtraBlockRelay = 0;

  constructor(
    options: OutboundOptions,
    dependencies: { context: PeerContext; table: PeerTable; sockets: SocketLayer; isActive: () => boolean },
  ) {
    this.#options = options;
    this.#context = dependencies.context;
    this.#table = dependencies.table;
    this.#sockets = dependencies.sockets;
    this.#isActive = dependencies.isActive;
    this.#anchors = [...options.anchors];
    this.#added.push(...dependencies.context.options.addNodes);
  }

  get automatic(): boolean {
    return this.#context.options.connect === undefined;
  }

  get maxFullRelay(): number {
    return Math.min(MAX_FULL_RELAY, this.#context.options.maxConnections);
  }

  get maxBlockRelay(): number {
    return Math.min(MAX_BLOCK_RELAY, this.#context.options.maxConnections - this.maxFullRelay);
  }

  /** Automatic outbound connections of all kinds. */
  get maxOutbound(): number {
    const most = this.maxFullRelay + this.maxBlockRelay + MAX_FEELERS;
    return Math.min(most, this.#context.options.maxConnections);
  }

  get extraFullRelay(): number {
    return Math.max(0, this.#connected("outbound-full-relay") - this.maxFullRelay);
  }

  get extraBlockRelay(): number {
    return Math.max(0, this.#connected("block-relay-only") - this.maxBlockRelay);
  }

  startExtraBlockRelay(): void {
    if (!this.#extraBlockRelay) this.#context.log.debug("net", () => "enabling extra block-relay-only peers");
    this.#extraBlockRelay = true;
  }

  start(): void {
    const { connect } = this.#context.options;
    if (connect === undefined) this.#loops.push(this.#runAutomatic(), this.#runDnsSeeds());
    else if (connect.length > 0) this.#loops.push(this.#runNamed(connect));
    this.#loops.push(this.#runAdded());
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await Promise.all(this.#loops);
    this.#loops = [];
  }

  /** Peers to connect to first at the next start. */
  anchors(): AddressEntry[] {
    return [...this.#table.peers.values()]
      .filter((peer) => peer.type === "block-relay-only" && peer.connected)
      .slice(0, MAX_ANCHORS)
      .map(({ services, endpoint }) => ({ time: this.#context.seconds(), services, endpoint }));
  }

  addNode(node: string): boolean {
    if (this.#added.includes(node)) return false;
    this.#added.push(node);
    return true;
  }

  removeNode(node: string): boolean {
    const at = this.#added.indexOf(node);
    if (at < 0) return false;
    this.#added.splice(at, 1);
    return true;
  }

  addedNodes(): AddedNodeInfo[] {
    return this.#added.map((node) => {
      const endpoint = parseEndpoint(node, this.#context.network.p2pPort);
      const peer = (endpoint && this.#table.findEndpoint(endpoint)) ?? this.#table.findName(node);
      if (peer === undefined) return { addedNode: node, connected: false, addresses: [] };
      const direction = peer.inbound ? "inbound" : "outbound";
      const address = peer.endpoint.toString();
      return { addedNode: node, connected: true, addresses: [{ address, connected: direction }] };
    });
  }

  /** addconnection: an automatic connection to a node of the user's choice; false where no place is free. */
  async addConnection(address: string, type: ConnectionType): Promise<boolean> {
    if (type === "inbound" || type === "manual") return false;
    if (type === "outbound-full-relay" && this.#table.count(type) >= this.maxFullRelay) return false;
    if (type === "block-relay-only" && this.#table.count(type) >= this.maxBlockRelay) return false;
    if (this.#freeOutbound <= 0) return false;
    await this.connectTo(address, type);
    return true;
  }

  /**
   * Opens a connection to `host`, `host:port` or a name; resolves when it is open or failed.
   * @param granted permissions beside those of -whitelist
   */
  async connectTo(name: string, type: ConnectionType, granted = 0): Promise<void> {
    if (!this.#isActive() || this.#table.findName(name) !== undefined) return;
    const { log } = this.#context;
    for (const endpoint of await this.#resolve(name)) {
      if (this.#table.findEndpoint(endpoint) !== undefined) {
        log.info(`Not opening a connection to ${name}, already connected to ${endpoint}`);
        return;
      }
      if (await this.#dial(endpoint, type, { name, countFailure: false, granted })) return;
    }
  }

  get #freeOutbound(): number {
    const { peers } = this.#table;
    let taken = this.#dialling;
    for (const { type } of peers.values()) if (type !== "inbound" && type !== "manual") taken++;
    return this.maxOutbound - taken;
  }

  #connected(type: ConnectionType): number {
    let count = 0;
    for (const peer of this.#table.peers.values()) {
      if (peer.type === type && peer.connected && peer.disconnecting === undefined) count++;
    }
    return count;
  }

  get #stopped(): boolean {
    return this.#abort.signal.aborted;
  }

  async #sleep(delay: number): Promise<void> {
    const { signal } = this.#abort;
    if (signal.aborted) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        cancel();
        signal.removeEventListener("abort", done);
        resolve();
      };
      const cancel = this.#context.clock.after(delay, done);
      signal.addEventListener("abort", done);
    });
  }

  /** -connect: these nodes alone, over and over. */
  async #runNamed(names: readonly string[]): Promise<void> {
    for (let round = 0; !this.#stopped; round++) {
      for (const name of names) {
        await this.connectTo(name, "manual");
        for (let i = 0; i < Math.min(10, round) && !this.#stopped; i++) await this.#sleep(ROUND);
      }
      await this.#sleep(ROUND);
    }
  }

  async #runAdded(): Promise<void> {
    while (!this.#stopped) {
      let tried = false;
      for (const { addedNode, connected } of this.addedNodes()) {
        if (this.#stopped || connected || this.#isFull()) continue;
        tried = true;
        await this.connectTo(addedNode, "manual");
        await this.#sleep(ROUND);
      }
      await this.#sleep(tried ? ADDED_RETRY : ADDED_IDLE);
    }
  }

  #isFull(): boolean {
    return this.#table.count("manual") >= MAX_ADDED;
  }

  async #runAutomatic(): Promise<void> {
    const { random } = this.#context;
    const start = this.#context.now();
    this.#nextFeeler = start + exponentialDelay(FEELER_INTERVAL, random);
    this.#nextExtraBlockRelay = start + exponentialDelay(EXTRA_BLOCK_RELAY_INTERVAL, random);
    const seeds = [...this.#context.options.seedNodes];
    let nextSeed = 0;
    while (!this.#stopped) {
      if (
        seeds.length > 0 &&
        this.#context.book.size() === 0 &&
        this.#context.clock.monotonic() >= nextSeed
      ) {
        this.#addrFetches.push(seeds.shift()!);
        nextSeed = this.#context.clock.monotonic() + SEED_NODE_INTERVAL;
      }
      await this.#fetchAddresses();
      await this.#sleep(ROUND);
      if (this.#stopped || !this.#isActive() || this.#freeOutbound <= 0) continue;
      const wanted = this.#whatIsWanting();
      if (wanted !== undefined) await this.#open(wanted);
    }
  }

  async #runDnsSeeds(): Promise<void> {
    const { options, book } = this.#context;
    if (!options.dnsSeed && !options.forceDnsSeed) return;
    if (book.size() > 0 && !options.forceDnsSeed) {
      // What we know may do.
      await this.#sleep(DNS_DELAY);
      if (this.#stopped || this.#connected("outbound-full-relay") >= 2) return;
    }
    await askDnsSeeds(this.#context, this.#sockets);
  }

  async #fetchAddresses(): Promise<void> {
    const name = this.#addrFetches.shift();
    if (name !== undefined && this.#freeOutbound > 0) await this.connectTo(name, "addr-fetch");
  }

  /** The kind of connection to open now: anchors first, lasting ones before those that only try out. */
  #whatIsWanting(): Wanted | undefined {
    const { random } = this.#context;
    const now = this.#context.now();
    const fullRelay = this.#table.count("outbound-full-relay");
    const blockRelay = this.#table.count("block-relay-only");
    if (this.#anchors.length > 0 && blockRelay < this.maxBlockRelay) {
      return { type: "block-relay-only", anchor: true };
    }
    if (fullRelay < this.maxFullRelay) return { type: "outbound-full-relay", anchor: false };
    if (blockRelay < this.maxBlockRelay) return { type: "block-relay-only", anchor: false };
    if (this.tryExtraFullRelay) return { type: "outbound-full-relay", anchor: false };
    if (this.#extraBlockRelay && now > this.#nextExtraBlockRelay) {
      this.#nextExtraBlockRelay = now + exponentialDelay(EXTRA_BLOCK_RELAY_INTERVAL, random);
      return { type: "block-relay-only", anchor: false };
    }
    if (now > this.#nextFeeler) {
      this.#nextFeeler = now + exponentialDelay(FEELER_INTERVAL, random);
      return { type: "feeler", anchor: false };
    }
    return undefined;
  }

  async #open({ type, anchor }: Wanted): Promise<void> {
    const { book, bans, random, log } = this.#context;
    book.resolveCollisions();
    const groups = this.#outboundGroups();
    const endpoint = anchor ? this.#takeAnchor(groups.ip) : this.#pick(type === "feeler", groups.ip);
    if (endpoint === undefined) return;
    const { address } = endpoint;
    if (bans.isDiscouraged(address) || bans.isBanned(address)) return;
    if (type === "feeler") {
      await this.#sleep(random.below(FEELER_NOISE));
      log.debug("net", () => `Making feeler connection to ${endpoint}`);
    }
    if (this.#stopped || this.#table.findEndpoint(endpoint) !== undefined) return;
    // With all our connections in one group the fault may be our own line.
    const countFailure =
      groups.ip.size + groups.others >= Math.min(this.#context.options.maxConnections - 1, 2);
    await this.#dial(endpoint, type, { countFailure });
  }

  /** Groups of the peers that we chose and that last: no two of an automatic choice may share one. */
  #outboundGroups(): { ip: Set<string>; others: number } {
    const ip = new Set<string>();
    let others = 0;
    for (const { type, endpoint } of this.#table.peers.values()) {
      if (type === "inbound" || type === "feeler" || type === "addr-fetch") continue;
      const { kind } = endpoint.address;
      // Groups of networks whose addresses are random say nothing.
      if (kind === "ipv4" || kind === "ipv6") ip.add(groupKey(endpoint));
      else others++;
    }
    return { ip, others };
  }

  #takeAnchor(groups: ReadonlySet<string>): NodeEndpoint | undefined {
    for (let anchor = this.#anchors.pop(); anchor; anchor = this.#anchors.pop()) {
      const { endpoint, services } = anchor;
      const usable = endpoint.address.valid && this.#context.gossip.isReachable(endpoint);
      if (!usable || this.#context.locals.has(endpoint.address) || groups.has(groupKey(endpoint))) continue;
      if (!this.#context.view.hasDesirableServices(services)) continue;
      this.#context.log.debug("net", () => `Trying to make an anchor connection to ${endpoint}`);
      return endpoint;
    }
    return undefined;
  }

  #pick(feeler: boolean, groups: ReadonlySet<string>): NodeEndpoint | undefined {
    const now = this.#context.seconds();
    for (let tries = 1; tries <= MAX_PICKS; tries++) {
      const picked = feeler
        ? this.#pickForFeeler()
        : this.#context.book.select(false, this.#context.gossip.reachable);
      if (picked === undefined) return undefined;
      const { endpoint, services, lastTry } = picked;
      if (!feeler && groups.has(groupKey(endpoint))) continue;
      if (!endpoint.address.valid || this.#context.locals.has(endpoint.address)) return undefined;
      if (!this.#context.gossip.isReachable(endpoint)) continue;
      if (now - lastTry < RECENT_TRY && tries < PICKS_BEFORE_RECENT) continue;
      const useful = feeler
        ? mayHaveUsefulAddresses(services)
        : this.#context.view.hasDesirableServices(services);
      if (!useful || this.#isAdded(endpoint)) continue;
      const ip = endpoint.address.kind === "ipv4" || endpoint.address.kind === "ipv6";
      if (tries < PICKS_BEFORE_BAD_PORT && ip && isBadPort(endpoint.port)) continue;
      return endpoint;
    }
    return undefined;
  }

  /** An old address that a new one wants to replace, to see whether it still works; else a new one. */
  #pickForFeeler(): PickedAddress | undefined {
    const { book, gossip } = this.#context;
    const old = book.selectTriedCollision();
    if (old !== undefined) {
      if (this.#table.findEndpoint(old.endpoint) === undefined) return old;
      book.good(old.endpoint);
    }
    return book.select(true, gossip.reachable);
  }

  #isAdded(endpoint: NodeEndpoint): boolean {
    const { p2pPort } = this.#context.network;
    return this.#added.some((node) => parseEndpoint(node, p2pPort)?.equals(endpoint) ?? false);
  }

  async #resolve(name: string): Promise<NodeEndpoint[]> {
    const { options, network, random } = this.#context;
    const split = splitHostPort(name, network.p2pPort);
    if (split === undefined) return [];
    const literal = parseNetAddress(split.host);
    if (literal !== undefined) return [new NodeEndpoint(literal, split.port)];
    if (!options.allowNameLookup) return [];
    const hosts = await this.#sockets.resolve(split.host);
    const addresses = hosts.map(parseNetAddress).filter((address) => address?.valid === true);
    return shuffle(addresses, random).map((address) => new NodeEndpoint(address ?? UNSPECIFIED, split.port));
  }

  /** True when the connection is open. */
  async #dial(
    endpoint: NodeEndpoint,
    type: ConnectionType,
    { name, countFailure, granted = 0 }: { name?: string; countFailure: boolean; granted?: number },
  ): Promise<boolean> {
    const { log, book, options } = this.#context;
    const target = { host: endpoint.address.toString(), port: endpoint.port };
    log.debug("net", () => `trying v1 connection (${type}) to ${name ?? endpoint}`);
    const automatic = type !== "manual";
    if (automatic) this.#dialling++;
    let socket: Socket | undefined;
    try {
      socket = await this.#sockets.dial(target, {
        timeout: options.connectTimeout,
        signal: this.#abort.signal,
      });
    } catch (error) {
      log.debug("net", () => `connection attempt to ${endpoint} failed: ${String(error)}`);
    } finally {
      if (automatic) this.#dialling--;
    }
    book.attempt(endpoint, countFailure);
    if (socket === undefined) return false;
    if (this.#stopped || !this.#isActive()) {
      socket.destroy();
      return false;
    }
    const permissions = granted | (type === "manual" ? this.#manualPermissions(endpoint) : 0);
    this.#table.add(
      socket,
      name === undefined ? { type, endpoint, permissions } : { type, endpoint, permissions, name },
    );
    return true;
  }

  #manualPermissions(endpoint: NodeEndpoint): number {
    const { whitelistRelay, whitelistForceRelay } = this.#context.options;
    const implicit = implicitPermissions(whitelistRelay, whitelistForceRelay);
    return whitelistPermissions(this.#options.whitelist, endpoint.address, "outbound", implicit);
  }
}

function groupKey(endpoint: NodeEndpoint): string {
  return netGroup(endpoint.address).join();
}
