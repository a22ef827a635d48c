import type { TransportKind } from "#protocol/wire/transport.ts";

/** How a connection came about, as Core's ConnectionType prints. */
export const CONNECTION_TYPES = [
  "outbound-full-relay",
  "block-relay-only",
  "inbound",
  "manual",
  "addr-fetch",
  "feeler",
] as const;

export type ConnectionType = (typeof CONNECTION_TYPES)[number];

/** A network as getpeerinfo and getnetworkinfo name it. */
export type NetworkName = "not_publicly_routable" | "ipv4" | "ipv6" | "onion" | "i2p" | "cjdns" | "internal";

/** One row of getpeerinfo. Times are whole seconds since 1970 unless a comment says otherwise; 0 is never. */
export interface PeerInfo {
  readonly id: number;
  /** Host and port as dialled or seen. */
  readonly addr: string;
  readonly addrBind: string | undefined;
  /** Our address as the peer sees it. */
  readonly addrLocal: string | undefined;
  readonly network: NetworkName;
  readonly mappedAs: number | undefined;
  readonly services: bigint;
  readonly servicesNames: readonly string[];
  readonly relayTxes: boolean;
  readonly lastInvSequence: number;
  readonly invToSend: number;
  readonly lastSend: number;
  readonly lastRecv: number;
  readonly lastTransaction: number;
  readonly lastBlock: number;
  readonly bytesSent: number;
  readonly bytesRecv: number;
  readonly connTime: number;
  /** Seconds that the peer's clock is ahead of ours. */
  readonly timeOffset: number;
  /** Seconds with a fraction; undefined before the first pong. */
  readonly pingTime: number | undefined;
  readonly minPing: number | undefined;
  /** Seconds the outstanding ping has waited. */
  readonly pingWait: number | undefined;
  readonly version: number;
  readonly subver: string;
  readonly inbound: boolean;
  readonly bip152HbTo: boolean;
  readonly bip152HbFrom: boolean;
  /** The peer's height when it connected, -1 before `version`. */
  readonly startingHeight: number;
  /** −1 where there is none. */
  readonly presyncedHeaders: number;
  readonly syncedHeaders: number;
  readonly syncedBlocks: number;
  /** Heights of the blocks we asked it for. */
  readonly inflight: readonly number[];
  readonly addrRelayEnabled: boolean;
  readonly addrProcessed: number;
  readonly addrRateLimited: number;
  readonly permissions: readonly string[];
  /** Satoshi per kvB, from its feefilter. */
  readonly minFeeFilter: number;
  readonly bytesSentPerMessage: Readonly<Record<string, number>>;
  readonly bytesRecvPerMessage: Readonly<Record<string, number>>;
  readonly connectionType: ConnectionType;
  readonly transportProtocolType: TransportKind;
  readonly sessionId: string;
}

/** getnettotals. */
export interface NetTotals {
  readonly totalBytesRecv: number;
  readonly totalBytesSent: number;
  /** Milliseconds since 1970. */
  readonly timeMillis: number;
  readonly uploadTarget: {
    /** Seconds of one cycle. */
    readonly timeframe: number;
    /** Bytes, 0 for no target. */
    readonly target: number;
    readonly targetReached: boolean;
    readonly serveHistoricalBlocks: boolean;
    readonly bytesLeftInCycle: number;
    readonly timeLeftInCycle: number;
  };
}

/** One row of getaddednodeinfo. */
export interface AddedNodeInfo {
  readonly addedNode: string;
  readonly connected: boolean;
  readonly addresses: readonly { readonly address: string; readonly connected: "inbound" | "outbound" }[];
}

/** One row of getnodeaddresses. */
export interface NodeAddress {
  readonly time: number;
  readonly services: bigint;
  readonly address: string;
  readonly port: number;
  readonly network: NetworkName;
}

/** One row of getnetworkinfo's `localaddresses`. */
export interface LocalAddress {
  readonly address: string;
  readonly port: number;
  readonly score: number;
}

/** One row of getnetworkinfo's `networks`. */
export interface NetworkReachability {
  readonly name: NetworkName;
  readonly limited: boolean;
  readonly reachable: boolean;
  readonly proxy: string;
  readonly proxyRandomizeCredentials: boolean;
}

/** One row of listbanned. */
export interface BanEntry {
  /** Subnet in CIDR form. */
  readonly address: string;
  readonly banCreated: number;
  readonly bannedUntil: number;
}

/** One row of getorphantxs. */
export interface OrphanInfo {
  readonly tx: Uint8Array;
  readonly txid: Uint8Array;
  readonly wtxid: Uint8Array;
  readonly weight: number;
  /** Ids of the peers that announced it. */
  readonly from: readonly number[];
}

/** One row of getrawaddrman. */
export interface AddressBookEntry {
  readonly table: "new" | "tried";
  readonly bucket: number;
  readonly position: number;
  readonly address: string;
  readonly port: number;
  readonly network: NetworkName;
  readonly services: bigint;
  readonly time: number;
  readonly source: string;
  readonly sourceNetwork: NetworkName;
}
