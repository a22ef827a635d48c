import type { Txid, Wtxid } from "#protocol/bitcoin/hashes.ts";
import type { PeerOptions } from "./options.ts";
import type {
  AddedNodeInfo,
  AddressBookEntry,
  BanEntry,
  ConnectionType,
  LocalAddress,
  NetTotals,
  NetworkName,
  NetworkReachability,
  NodeAddress,
  OrphanInfo,
  PeerInfo,
} from "./peer-info.ts";

/**
 * The node's peers, as doors and wiring see them. `PeerManager` (peer-manager.ts) is the one implementation.
 */
export interface PeerControl {
  readonly options: PeerOptions;
  /** `/Satoshi:29.0.0/Freehold:x.y.z(comments)/` */
  readonly subversion: string;
  readonly localServices: bigint;
  readonly networkActive: boolean;
  /** Median seconds that outbound peers' clocks are ahead. */
  readonly timeOffset: number;
  start(): Promise<void>;
  stop(): Promise<void>;
  /** In order of id. */
  peers(): PeerInfo[];
  connectionCounts(): { total: number; inbound: number; outbound: number };
  setNetworkActive(active: boolean): void;
  netTotals(): NetTotals;
  localAddresses(): LocalAddress[];
  networks(): NetworkReachability[];
  /** addnode add: false when it was there already. */
  addNode(address: string): boolean;
  /** addnode remove: false when it was not there. */
  removeNode(address: string): boolean;
  /** Text for the `warnings` of getnetworkinfo. */
  readonly warnings: string[];
  /** addnode onetry: dials once; resolves when the connection is open or failed. */
  connectOnce(address: string): Promise<void>;
  /** Dials a friend once: it is never disconnected for what it sends, and hears of transactions without delay. */
  connectFriend(address: string): Promise<void>;
  /** IP addresses of friends; who connects from there from now on is trusted likewise. */
  setFriendHosts(hosts: ReadonlySet<string>): void;
  addedNodes(): AddedNodeInfo[];
  /** addconnection: false when its type has no free place or it is connected; regtest only. */
  addConnection(address: string, type: ConnectionType): Promise<boolean>;
  /** disconnectnode: false when there is no such peer. The address is that of {@link PeerInfo.addr}. */
  disconnectByAddress(address: string): boolean;
  disconnectById(id: number): boolean;
  /** ping: queues one to each peer. */
  pingAll(): void;
  /** addpeeraddress: Core's error word where it was refused. */
  addPeerAddress(
    address: string,
    port: number,
    tried: boolean,
  ): { success: boolean; error?: string } | undefined;
  /** getnodeaddresses: count 0 is all; undefined when the network's name is unknown. */
  nodeAddresses(count: number, network: NetworkName | undefined): NodeAddress[];
  addressBookCounts(): Record<string, { new: number; tried: number; total: number }>;
  addressBookEntries(): AddressBookEntry[];
  bans(): BanEntry[];
  /** setban add, `until` in seconds since 1970. `invalid`: not a subnet; `already`: banned. Disconnects matching peers. */
  ban(subnet: string, until: number): Promise<"invalid" | "already" | undefined>;
  /** setban remove: false when it was not banned. */
  unban(subnet: string): Promise<boolean>;
  clearBans(): Promise<void>;
  orphans(): OrphanInfo[];
  /** Announces a transaction of our mempool to every peer that relays (also again, for rebroadcast). */
  broadcastTransaction(txid: Txid, wtxid: Wtxid): void;
  /** getblockfrompeer: Core's error text where it cannot be asked. */
  fetchBlock(hash: Uint8Array, peer: number): string | undefined;
  /** sendmsgtopeer: false when there is no such peer. */
  sendMessage(peer: number, type: string, payload: Uint8Array): boolean;
}
