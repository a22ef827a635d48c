/** What each part of the node is told, from the settings of this run. */
import { availableParallelism } from "node:os";
import { parseFixedPoint } from "#base/lib/json.ts";
import { COIN } from "#protocol/bitcoin/amount.ts";
import type { Network } from "#protocol/bitcoin/network.ts";
import { ConfigError, type Settings } from "./settings.ts";

const MIB = 1024 * 1024;
/** Most script threads, as Core bounds them. */
const MAX_SCRIPT_THREADS = 16;

/** Script verification threads, main included (-par). */
export function scriptThreads(settings: Settings): number {
  const asked = settings.integer("par", 0);
  const threads = asked > 0 ? asked : availableParallelism() + asked;
  return Math.min(MAX_SCRIPT_THREADS, Math.max(1, threads));
}

/** A 256-bit number in hex, as -minimumchainwork and -assumevalid take it. */
function hashValue(settings: Settings, name: string, refusal: (text: string) => string): string | undefined {
  const text = settings.string(name);
  if (text === undefined) return undefined;
  const digits = text.replace(/^0x/i, "");
  if (!/^[0-9a-f]{0,64}$/i.test(digits)) throw new ConfigError(refusal(text));
  return digits.toLowerCase().padStart(64, "0");
}

/** Options of ledger/chain that come from the settings. */
export function chainSettings(settings: Settings) {
  const work = hashValue(
    settings,
    "minimumchainwork",
    (text) => `Invalid minimum work specified (${text}), must be up to 64 hex digits`,
  );
  const valid = hashValue(
    settings,
    "assumevalid",
    (text) =>
      `Invalid assumevalid block hash specified (${text}), must be up to 64 hex digits (or 0 to disable)`,
  );
  return {
    cacheBytes: Math.max(4, settings.integer("dbcache", 450)) * MIB,
    ...(settings.isSet("dbbatchsize")
      ? { coinBatchBytes: Math.max(1, settings.integer("dbbatchsize", 0)) }
      : {}),
    par: scriptThreads(settings),
    ...(work === undefined ? {} : { minimumChainWork: BigInt(`0x${work}`) }),
    ...(valid === undefined ? {} : { assumeValid: /^0+$/.test(valid) ? "0" : valid }),
    maxTipAge: settings.integer("maxtipage", 24 * 60 * 60),
    checkBlocks: settings.integer("checkblocks", 6),
    checkLevel: settings.integer("checklevel", 3),
    stopAtHeight: settings.integer("stopatheight", 0),
    reindex: settings.boolean("reindex", false),
    reindexChainState: settings.boolean("reindex-chainstate", false),
    blocksXor: settings.boolean("blocksxor", true),
    fastPrune: settings.boolean("fastprune", false),
  };
}

/** A fee rate option in BTC/kvB, as satoshi per kvB. @throws ConfigError */
export function feeRateSetting(settings: Settings, name: string, otherwise: number): number {
  const text = settings.string(name);
  if (text === undefined) return otherwise;
  const value = parseFixedPoint(text, 8);
  if (value === undefined || value < 0n || value > BigInt(21_000_000 * COIN)) {
    throw new ConfigError(`Invalid amount for -${name}=<amount>: '${text}'`);
  }
  return Number(value);
}

/** Options of ledger/mempool that come from the settings; rates in satoshi per kvB. @throws ConfigError */
export function mempoolSettings(settings: Settings, network: Network) {
  const nonStandard = settings.boolean("acceptnonstdtxn", network.acceptNonStandard);
  if (nonStandard && network.name === "main") {
    throw new ConfigError("acceptnonstdtxn is not currently supported for main chain");
  }
  const incremental = feeRateSetting(settings, "incrementalrelayfee", 100);
  // A step of the rolling minimum below the relay minimum would let it fall through.
  const minRelay = settings.isSet("minrelaytxfee")
    ? feeRateSetting(settings, "minrelaytxfee", 100)
    : Math.max(100, incremental);
  return {
    maxSize: settings.integer("maxmempool", 300) * 1_000_000,
    expiry: settings.integer("mempoolexpiry", 336) * 3600,
    incrementalRelayFee: incremental,
    minRelayFee: minRelay,
    dustRelayFee: feeRateSetting(settings, "dustrelayfee", 3000),
    maxDataCarrierBytes: settings.boolean("datacarrier", true)
      ? settings.integer("datacarriersize", 100_000)
      : undefined,
    permitBareMultisig: settings.boolean("permitbaremultisig", true),
    requireStandard: !nonStandard,
    bytesPerSigop: settings.integer("bytespersigop", 20),
    maxClusterCount: settings.integer("limitclustercount", 64),
    maxClusterSize: settings.integer("limitclustersize", 101) * 1000,
  };
}

/** Options of ledger/mining that come from the settings; the rate in satoshi per kvB. @throws ConfigError */
export function miningSettings(settings: Settings) {
  return {
    maxWeight: settings.integer("blockmaxweight", 4_000_000),
    reservedWeight: settings.integer("blockreservedweight", 8000),
    minFeeRate: feeRateSetting(settings, "blockmintxfee", 1),
    version: settings.integer("blockversion"),
  };
}

/**
 * Options of ledger/peers that come from the settings. Told nothing, the node accepts peers on loopback alone;
 * -listen=1 or -bind opens it to others.
 */
export function peerSettings(settings: Settings, network: Network) {
  const bind = settings.list("bind");
  const whitebind = settings.list("whitebind");
  const connect = connectTargets(settings);
  // What one option says of another (Core: InitParameterInteraction). An explicit choice stays as it is.
  const askedToListen = settings.isSet("listen");
  if (bind.length > 0 || whitebind.length > 0) settings.softSet("listen", true);
  if (connect !== undefined || settings.integer("maxconnections", 125) <= 0) {
    settings.softSet("dnsseed", false);
    settings.softSet("listen", false);
  }
  const listen = settings.boolean("listen", true);
  if (!listen) settings.softSet("discover", false);
  if (settings.list("externalip").length > 0) settings.softSet("discover", false);
  if (settings.boolean("blocksonly", false)) settings.softSet("whitelistrelay", false);
  if (settings.boolean("whitelistforcerelay", false)) settings.softSet("whitelistrelay", true);
  const onlyNet = settings.list("onlynet").map((name) => name.toLowerCase());
  if (onlyNet.length > 0 && !onlyNet.some((name) => name === "ipv4" || name === "ipv6")) {
    settings.softSet("dnsseed", false);
  }
  const port = settings.integer("port");
  const isPublic = askedToListen && bind.length === 0;
  const loopback = [`127.0.0.1:${port ?? network.p2pPort}`];
  return {
    uaComments: uaComments(settings),
    listen,
    bind: bind.length > 0 || whitebind.length > 0 || isPublic ? bind : loopback,
    port,
    connect,
    addNodes: settings.list("addnode"),
    seedNodes: settings.list("seednode"),
    maxConnections: Math.max(0, settings.integer("maxconnections", 125)),
    maxSendBuffer: settings.integer("maxsendbuffer", 1000) * 1000,
    maxReceiveBuffer: settings.integer("maxreceivebuffer", 5000) * 1000,
    maxUploadTarget: byteCount(settings),
    connectTimeout: settings.integer("timeout", 5000),
    peerTimeout: positive(settings, "peertimeout", 60),
    banTime: settings.integer("bantime", 86_400),
    onlyNet,
    whitelist: settings.list("whitelist"),
    whitebind,
    whitelistRelay: settings.boolean("whitelistrelay", true),
    whitelistForceRelay: settings.boolean("whitelistforcerelay", false),
    blocksOnly: settings.boolean("blocksonly", false),
    peerBloomFilters: settings.boolean("peerbloomfilters", false),
    dnsSeed: settings.boolean("dnsseed", true),
    forceDnsSeed: settings.boolean("forcednsseed", false),
    allowNameLookup: settings.boolean("dns", true),
    externalIps: settings.list("externalip"),
    discover: settings.boolean("discover", isPublic),
    networkActive: settings.boolean("networkactive", true),
    deterministicAddressBook: settings.list("test").includes("addrman"),
    testChain: network.name !== "main",
    maxTipAge: settings.integer("maxtipage", 24 * 60 * 60),
  };
}

function connectTargets(settings: Settings): string[] | undefined {
  if (settings.isNegated("connect")) return [];
  const targets = settings.list("connect");
  if (targets.length === 0) return undefined;
  return targets.length === 1 && targets[0] === "0" ? [] : targets;
}

/** Length of the user agent without comments, at most. */
const USER_AGENT_LENGTH = "/Satoshi:29.0.0/Freehold:999.999.999/".length;
const MAX_USER_AGENT_LENGTH = 256;

function uaComments(settings: Settings): string[] {
  const comments = settings.list("uacomment");
  for (const comment of comments) {
    if (!/^[a-zA-Z0-9 .,;_?@-]*$/.test(comment)) {
      throw new ConfigError(`User Agent comment (${comment}) contains unsafe characters.`);
    }
  }
  const length = USER_AGENT_LENGTH + (comments.length === 0 ? 0 : comments.join("; ").length + 2);
  if (length > MAX_USER_AGENT_LENGTH) {
    throw new ConfigError(
      `Total length of network version string (${length}) exceeds maximum length (${MAX_USER_AGENT_LENGTH}). Reduce the number or size of uacomments.`,
    );
  }
  return comments;
}

function positive(settings: Settings, name: string, otherwise: number): number {
  const value = settings.integer(name, otherwise);
  if (value > 0) return value;
  throw new ConfigError(`${name} must be a positive integer.`);
}

/** -maxuploadtarget: a number with k, K, m, M, g, G, t or T; lower case counts thousands, upper 1,024s; M when bare. */
function byteCount(settings: Settings): number {
  const text = settings.string("maxuploadtarget", "0");
  const match = /^(\d+)([kKmMgGtT]?)$/.exec(text);
  if (match === null) throw new ConfigError(`Unable to parse -maxuploadtarget: '${text}'`);
  const unit = match[2] === "" ? "M" : match[2]!;
  const step = unit === unit.toLowerCase() ? 1000 : 1024;
  return Number(match[1]) * step ** ("kmgt".indexOf(unit.toLowerCase()) + 1);
}

/** Options of the RPC door. @throws ConfigError */
export function rpcSettings(settings: Settings, network: Network) {
  const port = settings.integer("rpcport", network.rpcPort);
  const allow = settings.list("rpcallowip");
  const binds = settings.list("rpcbind");
  const warnings: string[] = [];
  let endpoints = [
    { host: "127.0.0.1", port },
    { host: "::1", port },
  ];
  if (allow.length > 0 && binds.length > 0) {
    endpoints = binds.map((text) => parseEndpoint(text, port));
  } else if (allow.length > 0) {
    warnings.push("Option -rpcallowip was specified without -rpcbind; this doesn't usually make sense");
  } else if (binds.length > 0) {
    warnings.push(
      "Option -rpcbind was ignored because -rpcallowip was not specified, refusing to allow everyone to connect",
    );
  }
  return {
    warnings,
    binds: endpoints,
    allow,
    threads: Math.max(1, settings.integer("rpcthreads", 16)),
    workQueue: Math.max(1, settings.integer("rpcworkqueue", 64)),
    timeout: Math.max(1, settings.integer("rpcservertimeout", 30)),
  };
}

function parseEndpoint(text: string, port: number): { host: string; port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(text);
  if (match === null) return { host: text, port };
  return { host: match[1] ?? match[2]!, port: match[3] === undefined ? port : Number(match[3]) };
}
