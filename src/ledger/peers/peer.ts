import type { HeaderNode } from "#ledger/chain/header-node.ts";
import type { Inventory } from "#protocol/wire/inventory.ts";
import type { AddressEntry } from "#protocol/wire/messages/addresses.ts";
import type { NodeEndpoint } from "#protocol/wire/net-address.ts";
import { netClass } from "#protocol/wire/net-group.ts";
import { NODE_NETWORK, NODE_NETWORK_LIMITED, NODE_WITNESS } from "#protocol/wire/services.ts";
import type { Connection } from "./connection.ts";
import type { HashKey } from "./hash-key.ts";
import type { HeaderPresync } from "./header-presync.ts";
import type { ConnectionType, NetworkName } from "./peer-info.ts";
import { hasPermission } from "./permissions.ts";
import type { RollingFilter } from "./rolling-filter.ts";

/** What is fixed when a connection opens. */
export interface PeerOrigin {
  readonly id: number;
  readonly connection: Connection;
  readonly type: ConnectionType;
  readonly endpoint: NodeEndpoint;
  /** As dialled, or host and port. */
  readonly name: string;
  readonly permissions: number;
  readonly localNonce: bigint;
  readonly ourServices: bigint;
  /** Group of its address under our secret key. */
  readonly keyedGroup: number;
  readonly preferEvict: boolean;
  /** Came in through the address that Tor forwards to. */
  readonly inboundOnion: boolean;
  /** Milliseconds since 1970, as all times here unless they say otherwise. */
  readonly connectedAt: number;
}

/** One peer and all that we know of it. Handlers change it; it decides nothing. */
export class Peer {
  readonly id: number;
  readonly connection: Connection;
  readonly type: ConnectionType;
  readonly inbound: boolean;
  readonly endpoint: NodeEndpoint;
  readonly name: string;
  readonly permissions: number;
  readonly localNonce: bigint;
  readonly ourServices: bigint;
  readonly keyedGroup: number;
  readonly preferEvict: boolean;
  readonly inboundOnion: boolean;
  readonly connectedAt: number;

  /** Why it is being disconnected; nothing more is handled or sent. */
  disconnecting: string | undefined;
  /** It misbehaved: disconnected and discouraged when its turn comes. */
  shouldDiscourage = false;

  /** From its `version`; 0 before. */
  version = 0;
  commonVersion = 0;
  services = 0n;
  hasAllWantedServices = false;
  userAgent = "";
  startHeight = -1;
  /** Seconds. */
  timeOffset = 0;
  /** Our address as it sees it. */
  addrLocal: NodeEndpoint | undefined;
  versionSent = false;
  /** The handshake is over: its `verack` came. */
  connected = false;
  wtxidRelay = false;
  wantsAddrV2 = false;
  prefersHeaders = false;
  sentSendHeaders = false;
  /** BIP152: it can send compact blocks, and wants them at once. */
  providesCompactBlocks = false;
  wantsCompactBlocks = false;
  /** Seconds since 1970 of the last block and transaction that were new to us. */
  lastBlock = 0;
  lastTransaction = 0;

  readonly ping: PingState = { nonce: 0n, start: 0, queued: false, last: undefined, least: Infinity };
  readonly addresses: AddressState;
  readonly chain: PeerChain = {
    bestKnown: undefined,
    lastUnknown: undefined,
    lastCommon: undefined,
    bestHeaderSent: undefined,
    syncStarted: false,
    toldAll: false,
    preferredDownload: false,
    headersSyncTimeout: 0,
    lastGetHeaders: 0,
    invTriggeredGetHeaders: false,
    presync: undefined,
    lastAnnouncement: 0,
    timeout: 0,
    workHeader: undefined,
    sentGetHeaders: false,
    protected: false,
  };
  /** Undefined where no transactions are announced to it and it may not turn that on. */
  transactions: TransactionState | undefined;
  /** Blocks of the active chain to announce, as headers where it prefers that. */
  blocksToAnnounce: HeaderNode[] = [];
  /** Blocks to announce by `inv`. */
  blocksToInv: HeaderNode[] = [];
  /** After this block of a `getblocks` answer is asked for, the tip is announced so that it asks on. */
  continuation: HeaderNode | undefined;
  /** What it asked for and has not got yet. */
  requests: Inventory[] = [];
  /** Satoshi per kvB that we told it last, and when we tell it next. */
  feeFilterSent = 0;
  nextFeeFilter = 0;

  constructor(origin: PeerOrigin) {
    this.id = origin.id;
    this.connection = origin.connection;
    this.type = origin.type;
    this.inbound = origin.type === "inbound";
    this.endpoint = origin.endpoint;
    this.name = origin.name;
    this.permissions = origin.permissions;
    this.localNonce = origin.localNonce;
    this.ourServices = origin.ourServices;
    this.keyedGroup = origin.keyedGroup;
    this.preferEvict = origin.preferEvict;
    this.inboundOnion = origin.inboundOnion;
    this.connectedAt = origin.connectedAt;
    this.addresses = {
      known: undefined,
      toSend: [],
      getaddrSent: false,
      getaddrReceived: false,
      nextSend: 0,
      nextLocalSend: 0,
      tokens: 1,
      tokensAt: origin.connectedAt,
      processed: 0,
      rateLimited: 0,
    };
  }

  has(permission: number): boolean {
    return hasPermission(this.permissions, permission);
  }

  /** One of the automatic outbound connections that last. */
  get isOutboundOrBlockRelay(): boolean {
    return this.type === "outbound-full-relay" || this.type === "block-relay-only";
  }

  get servesBlocks(): boolean {
    return (this.services & (NODE_NETWORK | NODE_NETWORK_LIMITED)) !== 0n;
  }

  get servesWitnesses(): boolean {
    return (this.services & NODE_WITNESS) !== 0n;
  }

  /** Has the last 288 blocks alone. */
  get isLimited(): boolean {
    return (this.services & NODE_NETWORK) === 0n && (this.services & NODE_NETWORK_LIMITED) !== 0n;
  }

  /** The network that the connection runs through. */
  get network(): NetworkName {
    return this.inboundOnion ? "onion" : netClass(this.endpoint.address);
  }
}

export interface PingState {
  /** Of the ping that is out, 0 when none is. */
  nonce: bigint;
  start: number;
  /** The user asked for one. */
  queued: boolean;
  /** Milliseconds. */
  last: number | undefined;
  least: number;
}

/** Gossip of addresses with the peer. */
export interface AddressState {
  /** Addresses that passed between us lately; undefined while we do not gossip with it. */
  known: RollingFilter | undefined;
  toSend: AddressEntry[];
  getaddrSent: boolean;
  getaddrReceived: boolean;
  nextSend: number;
  nextLocalSend: number;
  /** Addresses that it may send now, a token bucket. */
  tokens: number;
  tokensAt: number;
  processed: number;
  rateLimited: number;
}

/** What of the chain the peer has, as far as we know, and what we wait for. */
export interface PeerChain {
  bestKnown: HeaderNode | undefined;
  /** Announced, but not in our tree. */
  lastUnknown: Uint8Array | undefined;
  /** The last block that we both have. */
  lastCommon: HeaderNode | undefined;
  bestHeaderSent: HeaderNode | undefined;
  syncStarted: boolean;
  /** Its answer to the first headers sync is complete: there is nothing to wait for. */
  toldAll: boolean;
  /** Blocks are asked of it first. */
  preferredDownload: boolean;
  /** When the first headers sync with it must be done; infinite once we caught up. */
  headersSyncTimeout: number;
  /** Of the `getheaders` that is unanswered; 0 when none is. */
  lastGetHeaders: number;
  invTriggeredGetHeaders: boolean;
  presync: HeaderPresync | undefined;
  /** Seconds since 1970 of the last block that was new to us when it announced it. */
  lastAnnouncement: number;
  /** Its chain is behind ours: seconds since 1970 by which it must have `workHeader`'s work; 0 when none. */
  timeout: number;
  workHeader: HeaderNode | undefined;
  sentGetHeaders: boolean;
  /** Never disconnected for a chain that is behind. */
  protected: boolean;
}

/** Announcing of transactions to the peer. */
export interface TransactionState {
  /** Whether it wants them. */
  relay: boolean;
  /** What it announced to us, or we to it. */
  readonly known: RollingFilter;
  /** Wtxids (txids for peers without wtxid relay) to announce. */
  readonly toSend: Set<HashKey>;
  /** It asked for all of the mempool. */
  sendMempool: boolean;
  nextSend: number;
  /** The mempool's sequence number at the last announcement: later ones are not handed out yet. */
  lastSequence: number;
  /** Satoshi per kvB. */
  feeFilter: number;
}
