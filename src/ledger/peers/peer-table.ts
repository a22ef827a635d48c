import type { NodeEndpoint } from "#protocol/wire/net-address.ts";
import { netGroup } from "#protocol/wire/net-group.ts";
import { V1Transport } from "#protocol/wire/transport-v1.ts";
import { Connection } from "./connection.ts";
import type { PeerContext } from "./context.ts";
import { Peer } from "./peer.ts";
import type { ConnectionType } from "./peer-info.ts";
import { SaltedHash } from "./salted-hash.ts";
import type { Socket } from "./socket.ts";

/** What a new connection is besides its socket. */
export interface NewPeer {
  readonly type: ConnectionType;
  readonly endpoint: NodeEndpoint;
  /** What was dialled; host and port where left out. */
  readonly name?: string;
  readonly permissions: number;
  readonly preferEvict?: boolean;
  readonly inboundOnion?: boolean;
}

/** The peers we are connected to, by id. Ids are given out once. */
export class PeerTable {
  readonly peers = new Map<number, Peer>();
  readonly #context: PeerContext;
  readonly #salt: SaltedHash;
  readonly #wake: () => void;
  readonly #ourServices: bigint;
  #nextId = 0;

  /** @param wake is called when a peer's messages came in, or it took what we sent. */
  constructor(context: PeerContext, options: { ourServices: bigint; wake: () => void }) {
    this.#context = context;
    this.#ourServices = options.ourServices;
    this.#wake = options.wake;
    this.#salt = new SaltedHash(context.random);
  }

  /** Makes a peer of an open socket. */
  add(socket: Socket, fresh: NewPeer): Peer {
    const { options, traffic, network } = this.#context;
    const id = this.#nextId++;
    const now = (): number => this.#context.now();
    const connection = new Connection(options, {
      socket,
      transport: new V1Transport(network.magic),
      now,
      events: {
        received: this.#wake,
        drained: this.#wake,
        transferred: (direction, bytes) =>
          direction === "in" ? traffic.received(bytes) : traffic.sent(bytes),
        closed: (reason) => {
          peer.disconnecting ??= reason;
          this.#wake();
        },
      },
    });
    const group = netGroup(fresh.endpoint.address);
    const peer = new Peer({
      id,
      connection,
      type: fresh.type,
      endpoint: fresh.endpoint,
      name: fresh.name ?? fresh.endpoint.toString(),
      permissions: fresh.permissions,
      localNonce: this.#salt.u64(new TextEncoder().encode("localhostnonce"), id),
      ourServices: this.#ourServices,
      keyedGroup: this.#salt.number(group),
      preferEvict: fresh.preferEvict ?? false,
      inboundOnion: fresh.inboundOnion ?? false,
      connectedAt: now(),
    });
    this.peers.set(id, peer);
    // An outbound peer is to hear from us at once.
    this.#context.wake();
    return peer;
  }

  remove(peer: Peer): void {
    this.peers.delete(peer.id);
  }

  /** A peer with this address, port included. */
  findEndpoint(endpoint: NodeEndpoint): Peer | undefined {
    for (const peer of this.peers.values()) {
      if (peer.disconnecting === undefined && peer.endpoint.equals(endpoint)) return peer;
    }
    return undefined;
  }

  /** A peer with the name that {@link PeerInfo.addr} shows. */
  findName(name: string): Peer | undefined {
    for (const peer of this.peers.values()) {
      if (peer.disconnecting === undefined && peer.name === name) return peer;
    }
    return undefined;
  }

  count(...types: readonly ConnectionType[]): number {
    let count = 0;
    for (const peer of this.peers.values()) if (types.includes(peer.type)) count++;
    return count;
  }
}
