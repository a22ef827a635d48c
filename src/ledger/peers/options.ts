/** What the user can set about peers; the names follow Core's options, parsed by node/config. */
export interface PeerOptions {
  /** -uacomment, already checked: shown inside the last component of the subversion. */
  readonly uaComments: readonly string[];
  /** Freehold's own version, for the subversion. */
  readonly version: string;
  /** -listen */
  readonly listen: boolean;
  /** -bind: `host[:port][=onion]`. Empty: every interface. */
  readonly bind: readonly string[];
  /** -port; the network's own where undefined. */
  readonly port: number | undefined;
  /** -connect: only these. An empty list is `-connect=0` (no automatic connections); undefined: automatic. */
  readonly connect: readonly string[] | undefined;
  /** -addnode */
  readonly addNodes: readonly string[];
  /** -seednode */
  readonly seedNodes: readonly string[];
  /** -maxconnections: automatic connections, in and out. */
  readonly maxConnections: number;
  /** -maxsendbuffer and -maxreceivebuffer, in bytes (Core counts thousands). */
  readonly maxSendBuffer: number;
  readonly maxReceiveBuffer: number;
  /** -maxuploadtarget in bytes a day, 0 for none. */
  readonly maxUploadTarget: number;
  /** -timeout in ms, for a dial. */
  readonly connectTimeout: number;
  /** -peertimeout in seconds: a handshake, or no traffic, may not take longer. */
  readonly peerTimeout: number;
  /** -bantime in seconds, for setban without one. */
  readonly banTime: number;
  /** -onlynet */
  readonly onlyNet: readonly string[];
  /** -whitelist: `[permissions@]subnet`; -whitebind: `[permissions@]host:port`. */
  readonly whitelist: readonly string[];
  readonly whitebind: readonly string[];
  /** -whitelistrelay and -whitelistforcerelay: what a bare -whitelist grants. */
  readonly whitelistRelay: boolean;
  readonly whitelistForceRelay: boolean;
  /** -blocksonly: no transactions from the network. */
  readonly blocksOnly: boolean;
  /** -dnsseed and -forcednsseed, -dns */
  readonly dnsSeed: boolean;
  readonly forceDnsSeed: boolean;
  readonly allowNameLookup: boolean;
  /** -externalip and -discover */
  readonly externalIps: readonly string[];
  readonly discover: boolean;
  /** -networkactive */
  readonly networkActive: boolean;
  /** The chain's data directory: peers.dat, anchors.dat, banlist.json. */
  readonly directory: string;
  /** Chain is pruned: we announce NODE_NETWORK_LIMITED alone. */
  readonly pruned: boolean;
  /** -test=addrman: a fixed key, so that buckets can be foretold. */
  readonly deterministicAddressBook: boolean;
}

export const DEFAULT_PEER_OPTIONS: Omit<PeerOptions, "directory" | "version"> = {
  uaComments: [],
  listen: true,
  bind: [],
  port: undefined,
  connect: undefined,
  addNodes: [],
  seedNodes: [],
  maxConnections: 125,
  maxSendBuffer: 1_000_000,
  maxReceiveBuffer: 5_000_000,
  maxUploadTarget: 0,
  connectTimeout: 5_000,
  peerTimeout: 60,
  banTime: 86_400,
  onlyNet: [],
  whitelist: [],
  whitebind: [],
  whitelistRelay: true,
  whitelistForceRelay: false,
  blocksOnly: false,
  dnsSeed: false,
  forceDnsSeed: false,
  allowNameLookup: true,
  externalIps: [],
  discover: false,
  networkActive: true,
  pruned: false,
  deterministicAddressBook: false,
};
