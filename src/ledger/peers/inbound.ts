/** Connections that come to us: where we listen, whom we let in, and who gives way when all places are taken. */
import { hostPort } from "#base/lib/host-port.ts";
import { NodeEndpoint, parseEndpoint, parseNetAddress } from "#protocol/wire/net-address.ts";
import type { PeerContext } from "./context.ts";
import { type EvictionCandidate, selectPeerToEvict } from "./eviction.ts";
import { LocalScore } from "./local-addresses.ts";
import type { Peer } from "./peer.ts";
import type { PeerTable } from "./peer-table.ts";
import {
  FRIEND_PERMISSIONS,
  hasPermission,
  implicitPermissions,
  Permission,
  type WhitebindEntry,
  type WhitelistEntry,
  whitelistPermissions,
} from "./permissions.ts";
import type { Endpoint, Listener, Socket, SocketLayer } from "./socket.ts";

/** One address to listen on. */
interface Binding {
  readonly endpoint: Endpoint;
  /** Of everyone who comes in there; undefined: those of a bare entry. */
  readonly permissions: number | undefined;
  readonly onion: boolean;
  /** It may not fail: the user named it. */
  readonly required: boolean;
}

export interface InboundOptions {
  readonly whitelist: readonly WhitelistEntry[];
  readonly whitebind: readonly WhitebindEntry[];
  readonly maxInbound: number;
  readonly port: number;
}

export class Inbound {
  readonly #options: InboundOptions;
  readonly #context: PeerContext;
  readonly #table: PeerTable;
  readonly #sockets: SocketLayer;
  readonly #isActive: () => boolean;
  readonly #listeners: Listener[] = [];

  constructor(
    options: InboundOptions,
    dependencies: {
      context: PeerContext;
      table: PeerTable;
      sockets: SocketLayer;
      /** Whether connections are wanted at all (setnetworkactive). */
      isActive: () => boolean;
    },
  ) {
    this.#options = options;
    this.#context = dependencies.context;
    this.#table = dependencies.table;
    this.#sockets = dependencies.sockets;
    this.#isActive = dependencies.isActive;
  }

  /** IP addresses of friends: who connects from there is trusted as they are. */
  friendHosts: ReadonlySet<string> = new Set();

  /** Where we listen. */
  get endpoints(): Endpoint[] {
    return this.#listeners.map(({ endpoint }) => endpoint);
  }

  /** @throws Error with Core's text when an address that the user named cannot be had, or none at all. */
  async start(): Promise<void> {
    if (!this.#context.options.listen) return;
    try {
      for (const binding of this.#bindings()) await this.#bind(binding);
    } catch (error) {
      await this.stop();
      throw error;
    }
    if (this.#listeners.length === 0) {
      throw new Error("Failed to listen on any port. Use -listen=0 if you want this.");
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.#listeners.splice(0).map((listener) => listener.close()));
  }

  #bindings(): Binding[] {
    const { options } = this.#context;
    const { port, whitebind } = this.#options;
    const bindings: Binding[] = options.bind.map((text) => {
      const onion = text.endsWith("=onion");
      const endpoint = parseEndpoint(onion ? text.slice(0, -"=onion".length) : text, port);
      if (endpoint === undefined) throw new Error(`Cannot resolve -bind address: '${text}'`);
      return { endpoint: hostAndPort(endpoint), permissions: 0, onion, required: true };
    });
    for (const { endpoint, flags } of whitebind) {
      bindings.push({ endpoint: hostAndPort(endpoint), permissions: flags, onion: false, required: true });
    }
    if (bindings.length > 0) return bindings;
    return ["::", "0.0.0.0"].map((host) => ({
      endpoint: { host, port },
      permissions: 0,
      onion: false,
      required: false,
    }));
  }

  async #bind(binding: Binding): Promise<void> {
    const { log, locals } = this.#context;
    const { host, port } = binding.endpoint;
    let listener: Listener;
    try {
      listener = await this.#sockets.listen(binding.endpoint, (socket) => this.#accept(socket, binding));
    } catch (error) {
      const name = hostPort(host, port);
      if (binding.required) {
        throw new Error(`Unable to bind to ${name} on this computer. Freehold is probably already running.`, {
          cause: error,
        });
      }
      log.info(`Unable to bind to ${name} on this computer (${String(error)})`);
      return;
    }
    this.#listeners.push(listener);
    const address = parseNetAddress(host);
    log.info(`Bound to ${hostPort(host, listener.endpoint.port)}`);
    if (address !== undefined && !binding.onion) {
      locals.add(new NodeEndpoint(address, listener.endpoint.port), LocalScore.BIND);
    }
  }

  #accept(socket: Socket, binding: Binding): void {
    const { log, bans } = this.#context;
    const { host, port } = socket.remote;
    const address = parseNetAddress(host);
    // It was gone before we could look at it.
    if (address === undefined) {
      socket.destroy();
      return;
    }
    const endpoint = new NodeEndpoint(address, port);
    const permissions = this.#permissions(endpoint, binding);
    const preferEvict = bans.isDiscouraged(address);
    const refusal = this.#refusal(endpoint, permissions, preferEvict);
    if (refusal !== undefined) {
      log.debug("net", () => refusal);
      socket.destroy();
      return;
    }
    this.#table.add(socket, {
      type: "inbound",
      endpoint,
      permissions,
      preferEvict,
      inboundOnion: binding.onion,
    });
    log.debug("net", () => `connection from ${endpoint} accepted`);
  }

  /** Why a connection is not taken; otherwise there is a place for it now. */
  #refusal(endpoint: NodeEndpoint, permissions: number, discouraged: boolean): string | undefined {
    const noBan = hasPermission(permissions, Permission.NO_BAN);
    const from = `connection from ${endpoint} dropped`;
    if (!this.#isActive()) return `${from}: not accepting new connections`;
    if (!noBan && this.#context.bans.isBanned(endpoint.address)) return `${from} (banned)`;
    const inbound = this.#table.count("inbound");
    const { maxInbound } = this.#options;
    if (!noBan && discouraged && inbound + 1 >= maxInbound) return `${from} (discouraged)`;
    if (inbound >= maxInbound && !this.#evictOne()) {
      return "failed to find an eviction candidate - connection dropped (full)";
    }
    return undefined;
  }

  #permissions(endpoint: NodeEndpoint, binding: Binding): number {
    const { whitelistRelay, whitelistForceRelay } = this.#context.options;
    const implicit = implicitPermissions(whitelistRelay, whitelistForceRelay);
    const bound = binding.permissions ?? implicit;
    // Over Tor, the address is that of the proxy.
    if (binding.onion) return bound;
    const friend = this.friendHosts.has(endpoint.address.toString()) ? FRIEND_PERMISSIONS : 0;
    return (
      bound | friend | whitelistPermissions(this.#options.whitelist, endpoint.address, "inbound", implicit)
    );
  }

  /** Makes room for one more; false when nobody may be sent away. */
  #evictOne(): boolean {
    const candidates = [...this.#table.peers.values()]
      .filter((peer) => peer.disconnecting === undefined)
      .map(candidateOf);
    const id = selectPeerToEvict(candidates);
    const peer = id === undefined ? undefined : this.#table.peers.get(id);
    if (peer === undefined) return false;
    this.#context.disconnect(peer, `selected ${peer.type} connection for eviction`);
    return true;
  }
}

function hostAndPort(endpoint: NodeEndpoint): Endpoint {
  return { host: endpoint.address.toString(), port: endpoint.port };
}

function candidateOf(peer: Peer): EvictionCandidate {
  return {
    id: peer.id,
    connected: peer.connectedAt,
    minPing: peer.ping.least,
    lastBlock: peer.lastBlock,
    lastTransaction: peer.lastTransaction,
    relevantServices: peer.hasAllWantedServices,
    relaysTransactions: peer.transactions?.relay ?? false,
    bloomFilter: false,
    keyedGroup: peer.keyedGroup,
    preferEvict: peer.preferEvict,
    local: peer.endpoint.address.local,
    network: peer.network,
    noBan: peer.has(Permission.NO_BAN),
    connectionType: peer.type,
  };
}
