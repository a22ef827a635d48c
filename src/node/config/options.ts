/**
 * Every option that Core v31's bitcoind knows, so that nobody's configuration is refused, and ours beside them.
 * What an option does is read where it is used; here stand its name, the form of its value and its help.
 */

export interface OptionSpec {
  /** Form of the value, such as `<n>`; absent for a switch. */
  readonly value?: string;
  /** As the help shows it; the value itself is given where the option is read. */
  readonly default?: string;
  readonly category: OptionCategory;
  readonly help: string;
  /** Applies to main only, unless it stands in a network's section or on the command line (Core: NETWORK_ONLY). */
  readonly networkOnly?: true;
  /** A secret: never printed. */
  readonly sensitive?: true;
  /** May not be negated with -no… */
  readonly noNegation?: true;
  /** May not be given without a value. */
  readonly noElision?: true;
}

/** Help of an option that changes nothing. */
export const WITHOUT_EFFECT = "Accepted for compatibility";

export type OptionCategory =
  | "Options"
  | "Connection options"
  | "Wallet options"
  | "ZeroMQ notification options"
  | "Debugging/Testing options"
  | "Chain selection options"
  | "Node relay options"
  | "Block creation options"
  | "RPC server options"
  | "Freehold options"
  | "hidden";

/** Options by name, without the dash. */
export const OPTIONS: Readonly<Record<string, OptionSpec>> = {
  alertnotify: {
    value: "<cmd>",
    category: "Options",
    help: "Accepted for compatibility",
  },
  allowignoredconf: {
    category: "Options",
    help: "Start although a bitcoin.conf in the data directory is ignored",
  },
  assumevalid: {
    value: "<hex>",
    category: "Options",
    help: "Scripts of this block and its ancestors are assumed valid (0 verifies all)",
  },
  blockfilterindex: {
    value: "<type>",
    default: "0",
    category: "Options",
    help: "Accepted for compatibility",
  },
  blocknotify: {
    value: "<cmd>",
    category: "Options",
    help: "Run a command when the best block changes (%s is replaced by its hash)",
  },
  blockreconstructionextratxn: {
    value: "<n>",
    default: "100",
    category: "Options",
    help: "Accepted for compatibility",
  },
  blocksdir: { value: "<dir>", category: "Options", help: "Directory for blocks/*.dat" },
  blocksonly: { default: "0", category: "Options", help: "Reject transactions from peers" },
  blocksxor: {
    default: "1",
    category: "Options",
    help: "XOR the block files with a random key, in a new directory",
  },
  coinstatsindex: { default: "0", category: "Options", help: "Accepted for compatibility" },
  conf: {
    value: "<file>",
    default: "bitcoin.conf",
    category: "Options",
    help: "Read-only configuration file, relative to the data directory",
  },
  daemon: { default: "0", category: "Options", help: "Run in the background and accept commands" },
  daemonwait: {
    default: "0",
    category: "Options",
    help: "Wait for initialisation to end before going to the background",
  },
  datadir: { value: "<dir>", category: "Options", help: "Data directory", noNegation: true },
  dbbatchsize: { default: "4194304", category: "Options", help: "Largest database batch in bytes" },
  dbcache: {
    value: "<n>",
    default: "450",
    category: "Options",
    help: "Memory for the coin cache and databases, in MiB",
  },
  debuglogfile: {
    value: "<file>",
    default: "debug.log",
    category: "Options",
    help: "Debug log, relative to the network folder; -nodebuglogfile switches it off",
  },
  help: { category: "Options", help: "Print this help and exit" },
  includeconf: {
    value: "<file>",
    category: "Options",
    help: "Another configuration file, relative to the data directory; only in a configuration file",
  },
  loadblock: { value: "<file>", category: "Options", help: "Import blocks from a file at start" },
  maxmempool: {
    value: "<n>",
    default: "300",
    category: "Options",
    help: "Largest size of the mempool in MB",
  },
  mempoolexpiry: {
    value: "<n>",
    category: "Options",
    help: "Hours after which a transaction leaves the mempool",
  },
  minimumchainwork: {
    value: "<hex>",
    category: "Options",
    help: "Least work that a chain must have to be considered, in hex",
  },
  par: {
    value: "<n>",
    default: "0",
    category: "Options",
    help: "Script verification threads (0: one a core, <0: leave that many cores free)",
  },
  persistmempool: {
    default: "1",
    category: "Options",
    help: "Save the mempool at stop and load it at start",
  },
  persistmempoolv1: { default: "0", category: "Options", help: "Write mempool.dat in the old format" },
  pid: {
    value: "<file>",
    default: "bitcoind.pid",
    category: "Options",
    help: "Process id file, relative to the network folder",
  },
  prevoutfetchthreads: {
    value: "<n>",
    default: "8",
    category: "Options",
    help: "Accepted for compatibility",
  },
  prune: {
    value: "<n>",
    default: "0",
    category: "Options",
    help: "Accepted for compatibility",
  },
  reindex: { category: "Options", help: "Rebuild the block index and the chain state from the block files" },
  "reindex-chainstate": {
    category: "Options",
    help: "Rebuild the chain state from the blocks that are indexed",
  },
  settings: {
    value: "<file>",
    category: "Options",
    help: "File of dynamic settings; -nosettings switches it off",
  },
  shutdownnotify: { value: "<cmd>", category: "Options", help: "Run a command before the node stops" },
  startupnotify: { value: "<cmd>", category: "Options", help: "Run a command when the node has started" },
  txindex: { default: "0", category: "Options", help: "Accepted for compatibility" },
  txospenderindex: { default: "0", category: "Options", help: "Accepted for compatibility" },
  version: { category: "Options", help: "Print the version and exit" },
  addnode: {
    value: "<ip>",
    category: "Connection options",
    help: "Connect to a node and keep the connection open",
    networkOnly: true,
  },
  asmap: { value: "<file>", category: "Connection options", help: "Accepted for compatibility" },
  bantime: { value: "<n>", category: "Connection options", help: "Seconds that a ban lasts" },
  bind: {
    value: "<addr>[:<port>][=onion]",
    default: "0.0.0.0",
    category: "Connection options",
    help: "Listen for peers on an address",
    networkOnly: true,
  },
  cjdnsreachable: { default: "0", category: "Connection options", help: "Accepted for compatibility" },
  connect: {
    value: "<ip>",
    category: "Connection options",
    help: "Connect only to this node; 0 connects to none",
    networkOnly: true,
  },
  discover: { default: "1", category: "Connection options", help: "Find the own addresses" },
  dns: {
    default: "1",
    category: "Connection options",
    help: "Resolve names for -addnode, -seednode and -connect",
  },
  dnsseed: { default: "1", category: "Connection options", help: "Ask DNS seeds for peers" },
  externalip: { value: "<ip>", category: "Connection options", help: "The own public address" },
  fixedseeds: {
    default: "1",
    category: "Connection options",
    help: "Use the addresses that are built in when nothing else is known",
  },
  forcednsseed: {
    default: "0",
    category: "Connection options",
    help: "Ask DNS seeds even when enough addresses are known",
  },
  i2pacceptincoming: { default: "1", category: "Connection options", help: "Accepted for compatibility" },
  i2psam: { value: "<ip:port>", category: "Connection options", help: "Accepted for compatibility" },
  listen: { default: "1", category: "Connection options", help: "Accept connections of peers" },
  listenonion: { default: "1", category: "Connection options", help: "Accepted for compatibility" },
  maxconnections: {
    value: "<n>",
    default: "125",
    category: "Connection options",
    help: "Most connections to peers",
  },
  maxreceivebuffer: {
    value: "<n>",
    default: "5000",
    category: "Connection options",
    help: "Receive buffer of a connection, in kB",
  },
  maxsendbuffer: {
    value: "<n>",
    default: "1000",
    category: "Connection options",
    help: "Send buffer of a connection, in kB",
  },
  maxuploadtarget: {
    value: "<n>",
    default: "0M",
    category: "Connection options",
    help: "Keep the upload of a day under this",
  },
  natpmp: { default: "1", category: "Connection options", help: "Accepted for compatibility" },
  networkactive: {
    default: "1",
    category: "Connection options",
    help: "Take part in the p2p network at start",
  },
  onion: { value: "<ip:port|path>", category: "Connection options", help: "Accepted for compatibility" },
  onlynet: { value: "<net>", category: "Connection options", help: "Connect only to this network" },
  peerblockfilters: { default: "0", category: "Connection options", help: "Accepted for compatibility" },
  peerbloomfilters: {
    default: "0",
    category: "Connection options",
    help: "Serve blocks and transactions through bloom filters",
  },
  peertimeout: {
    value: "<n>",
    default: "60",
    category: "Connection options",
    help: "Seconds after which a silent connection may be closed",
  },
  port: {
    value: "<port>",
    default: "8333",
    category: "Connection options",
    help: "Port for peers",
    networkOnly: true,
  },
  proxy: {
    value: "<ip>[:<port>]|unix:<path>[=<network>]",
    category: "Connection options",
    help: "Reach peers through a proxy alone; this version cannot yet, and then connects to none beyond this machine",
    noElision: true,
  },
  proxyrandomize: { default: "1", category: "Connection options", help: "Accepted for compatibility" },
  seednode: {
    value: "<ip>",
    category: "Connection options",
    help: "Ask a node for addresses and disconnect",
  },
  timeout: {
    value: "<n>",
    default: "5000",
    category: "Connection options",
    help: "Milliseconds for a connection attempt",
  },
  torcontrol: { value: "<ip>:<port>", category: "Connection options", help: "Accepted for compatibility" },
  torpassword: {
    value: "<pass>",
    category: "Connection options",
    help: "Accepted for compatibility",
    sensitive: true,
  },
  txreconciliation: { default: "0", category: "Connection options", help: "Accepted for compatibility" },
  v2transport: { default: "1", category: "Connection options", help: "Offer the v2 transport" },
  whitebind: {
    value: "<[permissions@]addr>",
    category: "Connection options",
    help: "Listen on an address and give the peers there permissions",
  },
  whitelist: {
    value: "<[permissions@]IP address or network>",
    category: "Connection options",
    help: "Give permissions to peers of an address or subnet",
  },
  addresstype: { default: "bech32", category: "Wallet options", help: "Accepted for compatibility" },
  avoidpartialspends: { default: "0", category: "Wallet options", help: "Accepted for compatibility" },
  changetype: { category: "Wallet options", help: "Accepted for compatibility" },
  consolidatefeerate: {
    value: "<amt>",
    default: "0.0001",
    category: "Wallet options",
    help: "Accepted for compatibility",
  },
  disablewallet: { category: "Wallet options", help: "Run without the wallet" },
  discardfee: {
    value: "<amt>",
    default: "0.0001",
    category: "Wallet options",
    help: "Accepted for compatibility",
  },
  fallbackfee: {
    value: "<amt>",
    default: "0.0001",
    category: "Wallet options",
    help: "BTC/kvB to pay while too little was seen to estimate fees; 0 to refuse to pay then",
  },
  keypool: { value: "<n>", default: "1000", category: "Wallet options", help: "Accepted for compatibility" },
  maxapsfee: {
    value: "<n>",
    default: "0.00",
    category: "Wallet options",
    help: "Accepted for compatibility",
  },
  mintxfee: {
    value: "<amt>",
    default: "0.00001",
    category: "Wallet options",
    help: "Accepted for compatibility",
  },
  signer: { value: "<cmd>", category: "Wallet options", help: "Accepted for compatibility" },
  spendzeroconfchange: { default: "1", category: "Wallet options", help: "Accepted for compatibility" },
  txconfirmtarget: {
    value: "<n>",
    default: "6",
    category: "Wallet options",
    help: "Accepted for compatibility",
  },
  wallet: { value: "<path>", category: "Wallet options", help: "Load a wallet at start", networkOnly: true },
  walletbroadcast: { default: "1", category: "Wallet options", help: "Accepted for compatibility" },
  walletdir: {
    value: "<dir>",
    category: "Wallet options",
    help: "Directory of the wallets",
    networkOnly: true,
  },
  walletnotify: { value: "<cmd>", category: "Wallet options", help: "Accepted for compatibility" },
  walletrbf: { default: "1", category: "Wallet options", help: "Accepted for compatibility" },
  unsafesqlitesync: { default: "false", category: "Wallet options", help: "Accepted for compatibility" },
  walletcrosschain: { default: "0", category: "Wallet options", help: "Accepted for compatibility" },
  walletrejectlongchains: { default: "1", category: "Wallet options", help: "Accepted for compatibility" },
  zmqpubhashblock: {
    value: "<address>",
    category: "ZeroMQ notification options",
    help: "Accepted for compatibility",
  },
  zmqpubhashblockhwm: {
    value: "<n>",
    default: "1000",
    category: "ZeroMQ notification options",
    help: "Accepted for compatibility",
  },
  zmqpubhashtx: {
    value: "<address>",
    category: "ZeroMQ notification options",
    help: "Accepted for compatibility",
  },
  zmqpubhashtxhwm: {
    value: "<n>",
    category: "ZeroMQ notification options",
    help: "Accepted for compatibility",
  },
  zmqpubrawblock: {
    value: "<address>",
    category: "ZeroMQ notification options",
    help: "Accepted for compatibility",
  },
  zmqpubrawblockhwm: {
    value: "<n>",
    default: "1000",
    category: "ZeroMQ notification options",
    help: "Accepted for compatibility",
  },
  zmqpubrawtx: {
    value: "<address>",
    category: "ZeroMQ notification options",
    help: "Accepted for compatibility",
  },
  zmqpubrawtxhwm: {
    value: "<n>",
    category: "ZeroMQ notification options",
    help: "Accepted for compatibility",
  },
  zmqpubsequence: {
    value: "<address>",
    category: "ZeroMQ notification options",
    help: "Accepted for compatibility",
  },
  zmqpubsequencehwm: {
    value: "<n>",
    default: "1000",
    category: "ZeroMQ notification options",
    help: "Accepted for compatibility",
  },
  acceptstalefeeestimates: {
    default: "0",
    category: "Debugging/Testing options",
    help: "Accepted for compatibility",
  },
  capturemessages: { category: "Debugging/Testing options", help: "Accepted for compatibility" },
  checkaddrman: {
    value: "<n>",
    default: "0",
    category: "Debugging/Testing options",
    help: "Accepted for compatibility",
  },
  checkblockindex: {
    default: "0",
    category: "Debugging/Testing options",
    help: "Accepted for compatibility",
  },
  checkblocks: {
    value: "<n>",
    default: "6",
    category: "Debugging/Testing options",
    help: "Blocks checked at start",
  },
  checklevel: {
    value: "<n>",
    default: "3",
    category: "Debugging/Testing options",
    help: "How thorough -checkblocks is (0-4)",
  },
  checkmempool: {
    value: "<n>",
    default: "0",
    category: "Debugging/Testing options",
    help: "Accepted for compatibility",
  },
  debug: {
    value: "<category>",
    category: "Debugging/Testing options",
    help: "Log a category; 1 or all for every one",
  },
  debugexclude: {
    value: "<category>",
    category: "Debugging/Testing options",
    help: "Leave a category out of the log",
  },
  deprecatedrpc: {
    value: "<method>",
    category: "Debugging/Testing options",
    help: "Accepted for compatibility",
  },
  fastprune: { category: "Debugging/Testing options", help: "Small block files, for tests" },
  limitancestorcount: {
    value: "<n>",
    default: "25",
    category: "Debugging/Testing options",
    help: "Accepted for compatibility",
  },
  limitclustercount: {
    value: "<n>",
    category: "Debugging/Testing options",
    help: "Most transactions in a cluster of the mempool",
  },
  limitclustersize: {
    value: "<n>",
    default: "101",
    category: "Debugging/Testing options",
    help: "Largest cluster of the mempool, in kvB",
  },
  limitdescendantcount: {
    value: "<n>",
    default: "25",
    category: "Debugging/Testing options",
    help: "Accepted for compatibility",
  },
  logips: { default: "0", category: "Debugging/Testing options", help: "Log the addresses of peers" },
  loglevel: {
    value: "<level>|<category>:<level>",
    category: "Debugging/Testing options",
    help: "Every line of a category that is on is written, whatever the level",
    noNegation: true,
    noElision: true,
  },
  loglevelalways: { default: "0", category: "Debugging/Testing options", help: "Accepted for compatibility" },
  logratelimit: { default: "1", category: "Debugging/Testing options", help: "Accepted for compatibility" },
  logsourcelocations: {
    default: "0",
    category: "Debugging/Testing options",
    help: "Accepted for compatibility",
  },
  logthreadnames: { default: "0", category: "Debugging/Testing options", help: "Log the name of the thread" },
  logtimemicros: { default: "0", category: "Debugging/Testing options", help: "Log microseconds" },
  logtimestamps: { default: "1", category: "Debugging/Testing options", help: "Log the time" },
  maxsigcachesize: {
    value: "<n>",
    default: "32",
    category: "Debugging/Testing options",
    help: "Memory for the signature cache, in MiB",
  },
  maxtipage: {
    value: "<n>",
    default: "86400",
    category: "Debugging/Testing options",
    help: "Age of the tip in seconds up to which the first download is over",
  },
  maxtxfee: {
    value: "<amt>",
    default: "0.10",
    category: "Debugging/Testing options",
    help: "Most fee of one transaction of the wallet, in BTC",
  },
  mocktime: {
    value: "<n>",
    default: "0",
    category: "Debugging/Testing options",
    help: "Set the clock, in seconds since 1970",
  },
  printpriority: { default: "0", category: "Debugging/Testing options", help: "Accepted for compatibility" },
  printtoconsole: {
    default: "1 when no -daemon",
    category: "Debugging/Testing options",
    help: "Log to the terminal too",
  },
  shrinkdebugfile: {
    default: "1 when no -debug",
    category: "Debugging/Testing options",
    help: "Shorten the debug log at start",
  },
  stopafterblockimport: {
    default: "0",
    category: "Debugging/Testing options",
    help: "Stop after the blocks of the disk were imported",
  },
  stopatheight: { category: "Debugging/Testing options", help: "Stop when this height is reached" },
  test: {
    value: "<option>",
    category: "Debugging/Testing options",
    help: "Behaviour for tests, on regtest (addrman: a book that draws alike; bip94: its rules)",
  },
  testactivationheight: {
    value: "name@height.",
    category: "Debugging/Testing options",
    help: "Height of a deployment on regtest (segwit, bip34, dersig, cltv, csv)",
  },
  uacomment: {
    value: "<cmt>",
    category: "Debugging/Testing options",
    help: "Add a comment to the user agent",
  },
  chain: {
    value: "<chain>",
    default: "main",
    category: "Chain selection options",
    help: "Which chain to use (main, test, testnet4, signet, regtest)",
  },
  regtest: { category: "Chain selection options", help: "Use the regression test chain" },
  signet: { category: "Chain selection options", help: "Use the signet chain" },
  signetchallenge: {
    value: "<hex>",
    category: "Chain selection options",
    help: "Challenge of a custom signet, in hex",
    noNegation: true,
  },
  signetseednode: {
    value: "<host[:port]>",
    category: "Chain selection options",
    help: "Seed node of a custom signet",
    noNegation: true,
  },
  testnet: { category: "Chain selection options", help: "Use the testnet3 chain" },
  testnet4: { category: "Chain selection options", help: "Use the testnet4 chain" },
  vbparams: {
    value: "deployment:start:end[:min_activation_height]",
    category: "Chain selection options",
    help: "Start and end of a versionbits deployment on regtest",
  },
  acceptnonstdtxn: {
    category: "Node relay options",
    help: "Relay and mine non-standard transactions (test chains only)",
  },
  bytespersigop: {
    default: "20",
    category: "Node relay options",
    help: "Virtual bytes that a sigop counts for",
  },
  datacarrier: { default: "1", category: "Node relay options", help: "Relay and mine OP_RETURN outputs" },
  datacarriersize: {
    default: "100000",
    category: "Node relay options",
    help: "Largest size of all OP_RETURN outputs of a transaction together",
  },
  dustrelayfee: {
    value: "<amt>",
    default: "0.00003",
    category: "Node relay options",
    help: "Fee rate that defines dust, in BTC/kvB",
  },
  incrementalrelayfee: {
    value: "<amt>",
    default: "0.000001",
    category: "Node relay options",
    help: "Fee rate for replacement and eviction, in BTC/kvB",
  },
  minrelaytxfee: {
    value: "<amt>",
    default: "0.000001",
    category: "Node relay options",
    help: "Least fee rate that is relayed, in BTC/kvB",
  },
  permitbaremultisig: { default: "1", category: "Node relay options", help: "Relay bare multisig outputs" },
  privatebroadcast: { default: "0", category: "Node relay options", help: "Accepted for compatibility" },
  whitelistforcerelay: {
    default: "0",
    category: "Node relay options",
    help: "Relay transactions of whitelisted peers even when they are in the mempool already",
  },
  whitelistrelay: {
    default: "1",
    category: "Node relay options",
    help: "Relay transactions of whitelisted peers with -blocksonly too",
  },
  blockmaxweight: {
    value: "<n>",
    default: "4000000",
    category: "Block creation options",
    help: "Largest weight of a mined block",
  },
  blockmintxfee: {
    value: "<amt>",
    default: "0.00000001",
    category: "Block creation options",
    help: "Least fee rate that is mined, in BTC/kvB",
  },
  blockreservedweight: {
    value: "<n>",
    default: "8000",
    category: "Block creation options",
    help: "Weight kept for the header and the coinbase",
  },
  blockversion: {
    value: "<n>",
    category: "Block creation options",
    help: "Version of mined blocks, on regtest",
  },
  rest: { default: "0", category: "RPC server options", help: "Accepted for compatibility" },
  rpcallowip: { value: "<ip>", category: "RPC server options", help: "Address or subnet that may use RPC" },
  rpcauth: {
    value: "<userpw>",
    category: "RPC server options",
    help: "User and hashed password for RPC (user:salt$hash)",
    sensitive: true,
  },
  rpcbind: {
    value: "<addr>[:port]",
    category: "RPC server options",
    help: "Address that RPC listens on; needs -rpcallowip beyond loopback",
    networkOnly: true,
    sensitive: true,
  },
  rpccookiefile: {
    value: "<loc>",
    default: ".cookie",
    category: "RPC server options",
    help: "Place of the cookie, relative to the network folder",
  },
  rpccookieperms: {
    value: "<readable-by>",
    default: "owner",
    category: "RPC server options",
    help: "Who may read the cookie (owner, group, all)",
  },
  rpcdoccheck: {
    default: "0",
    category: "RPC server options",
    help: "Check RPC results against their documentation",
  },
  rpcpassword: { value: "<pw>", category: "RPC server options", help: "Password for RPC", sensitive: true },
  rpcport: {
    value: "<port>",
    default: "8332",
    category: "RPC server options",
    help: "Port of RPC",
    networkOnly: true,
  },
  rpcservertimeout: {
    value: "<n>",
    default: "30",
    category: "RPC server options",
    help: "Seconds that an RPC connection may be silent",
  },
  rpcthreads: {
    value: "<n>",
    default: "16",
    category: "RPC server options",
    help: "RPC calls served at once",
  },
  rpcuser: { value: "<user>", category: "RPC server options", help: "User for RPC", sensitive: true },
  rpcwhitelist: {
    value: "<whitelist>",
    category: "RPC server options",
    help: "Methods that a user may call (user:method,method)",
  },
  rpcwhitelistdefault: {
    category: "RPC server options",
    help: "Whether users without a whitelist may call nothing",
  },
  rpcworkqueue: { value: "<n>", category: "RPC server options", help: "RPC calls that may wait" },
  server: { category: "RPC server options", help: "Accept commands over RPC" },
  "?": { category: "hidden", help: "Print the help" },
  h: { category: "hidden", help: "Print the help" },
  "help-debug": { category: "hidden", help: "Print the help" },
  networkfile: {
    value: "<file>",
    category: "Freehold options",
    help: "JSON file that describes a custom network, chosen with -chain=<its name>",
  },
  api: {
    category: "Freehold options",
    help: "Open the door of the dashboard (default: 1 under freehold, 0 under bitcoind)",
  },
  apiport: {
    value: "<port>",
    default: "8420",
    category: "Freehold options",
    help: "Port of the dashboard and its API on loopback; 0 picks a free one",
  },
  auditepoch: {
    value: "<n>",
    default: "3600",
    category: "Freehold options",
    help: "Seconds between two audits of a host that holds files of ours",
  },
  filediversity: {
    value: "<strict|relaxed>",
    category: "Freehold options",
    help: "Whether the shards of a file go to different hosts, accounts and netgroups (default: strict, on regtest relaxed)",
  },
  sharingprogram: {
    value: "<file>",
    category: "Freehold options",
    help: "Run this program as the sharing process, in place of the node's own (for tests)",
  },
  fileshards: {
    value: "<k>/<n>",
    category: "Freehold options",
    help: "Of how many shards of a file (n) any so many (k) bring it back (default: by the number of hosts)",
  },
  hostaway: {
    value: "<n>",
    default: "3600",
    category: "Freehold options",
    help: "Seconds out of reach after which a host counts as missing, so that files are repaired in time",
  },
  hostdead: {
    value: "<n>",
    default: "86400",
    category: "Freehold options",
    help: "Seconds out of reach after which a host is given up, and its shards are made anew elsewhere",
  },
  ledger: {
    value: "<own|none>",
    default: "own",
    category: "Freehold options",
    help: "The chain behind the wallet: this node's own, or none",
  },
  mdns: {
    category: "Freehold options",
    help: "Find peers of the mesh on the local network (default: 1, on regtest 0)",
  },
  meshbind: {
    value: "<multiaddr>",
    default: "/ip4/127.0.0.1/tcp/8440 and /ip4/127.0.0.1/tcp/8441/ws",
    category: "Freehold options",
    help: "Address that the mesh listens on; may be given several times",
  },
  name: {
    value: "<name>",
    category: "Freehold options",
    help: "Name that peers of the mesh see (default: none)",
  },
  s3port: {
    value: "<port>",
    default: "9000",
    category: "Freehold options",
    help: "Port of the S3 door on loopback; 0 picks a free one",
  },
  sharingbudget: {
    value: "<n>",
    default: "0",
    category: "Freehold options",
    help: "Satoshi that sharing may spend in a day",
  },
  sharingpeerbudget: {
    value: "<n>",
    default: "0",
    category: "Freehold options",
    help: "Satoshi that sharing may spend on one peer, over all time",
  },
  sharing: {
    category: "Freehold options",
    help: "Run the sharing process beside the node (default: 1 under freehold, 0 under bitcoind)",
  },
  dbcrashratio: { value: "<value>", category: "hidden", help: "Accepted for compatibility" },
  forcecompactdb: { value: "<value>", category: "hidden", help: "Accepted for compatibility" },
  choosedatadir: { value: "<value>", category: "hidden", help: "Accepted for compatibility" },
  lang: { value: "<value>", category: "hidden", help: "Accepted for compatibility" },
  min: { value: "<value>", category: "hidden", help: "Accepted for compatibility" },
  resetguisettings: { value: "<value>", category: "hidden", help: "Accepted for compatibility" },
  splash: { value: "<value>", category: "hidden", help: "Accepted for compatibility" },
  uiplatform: { value: "<value>", category: "hidden", help: "Accepted for compatibility" },
  checkpoints: { value: "<value>", category: "hidden", help: "Accepted for compatibility" },
  ipcbind: { value: "<value>", category: "hidden", help: "Accepted for compatibility" },
  peerbloomfilter: { value: "<value>", category: "hidden", help: "Accepted for compatibility" },
  limitdescendantsize: { value: "<value>", category: "hidden", help: "Accepted for compatibility" },
  limitancestorsize: { value: "<value>", category: "hidden", help: "Accepted for compatibility" },
  maxorphantx: { value: "<value>", category: "hidden", help: "Accepted for compatibility" },
  mempoolfullrbf: { value: "<value>", category: "hidden", help: "Accepted for compatibility" },
  upnp: { value: "<value>", category: "hidden", help: "Accepted for compatibility" },
  "reset-guisettings": { value: "<value>", category: "hidden", help: "Accepted for compatibility" },
  natpmpport: { value: "<value>", category: "hidden", help: "Accepted for compatibility" },
};
