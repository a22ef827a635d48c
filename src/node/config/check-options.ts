/** Options that contradict each other, or make no sense (Core's init.cpp, AppInitParameterInteraction). */
import type { Network } from "#protocol/bitcoin/network.ts";
import { ConfigError, type Settings } from "./settings.ts";

/** Least that -prune keeps, in MiB. */
const MIN_PRUNE = 550;
const TEST_OPTIONS = ["addrman", "reindex_after_failure_noninteractive_yes", "bip94"];
const SECTIONS = ["main", "test", "testnet4", "signet", "regtest"];

/** Options whose values name a host and perhaps a port. */
const HOST_OPTIONS = [
  "i2psam",
  "onion",
  "proxy",
  "bind",
  "rpcbind",
  "torcontrol",
  "whitebind",
  "zmqpubhashblock",
  "zmqpubhashtx",
  "zmqpubrawblock",
  "zmqpubrawtx",
  "zmqpubsequence",
];

/**
 * Checks what no part of the node checks itself.
 * @returns warnings for the user
 * @throws ConfigError with Core's text
 */
export function checkOptions(settings: Settings, network: Network): string[] {
  refuseMisplaced(settings);
  refusePorts(settings);
  refuseContradictions(settings);
  const warnings: string[] = [];
  const unknown = settings.sections.filter(
    ({ name }) => !SECTIONS.includes(name) && name !== settings.network,
  );
  if (unknown.length > 0) {
    warnings.push(
      unknown
        .map(({ file, line, name }) => `${file}:${line} Section [${name}] is not recognized.\n`)
        .join(""),
    );
  }
  return [...warnings, ...checkTestOptions(settings, network)];
}

function refuseMisplaced(settings: Settings): void {
  const misplaced = settings.misplacedNetworkOptions();
  if (misplaced.length === 0) return;
  const { network } = settings;
  throw new ConfigError(
    misplaced
      .map(
        (name) =>
          `Config setting for -${name} only applied on ${network} network when in [${network}] section.\n`,
      )
      .join(""),
  );
}

function refuseContradictions(settings: Settings): void {
  const on = (name: string) => settings.boolean(name, false);
  const prune = settings.integer("prune", 0);
  if (prune < 0) throw new ConfigError("Prune cannot be configured with a negative value.");
  if (prune > 1 && prune < MIN_PRUNE && !on("fastprune")) {
    throw new ConfigError(
      `Prune configured below the minimum of ${MIN_PRUNE} MiB.  Please use a higher number.`,
    );
  }
  if (prune > 0) {
    if (on("txindex")) throw new ConfigError("Prune mode is incompatible with -txindex.");
    if (on("txospenderindex")) throw new ConfigError("Prune mode is incompatible with -txospenderindex.");
    if (on("reindex-chainstate")) {
      throw new ConfigError(
        "Prune mode is incompatible with -reindex-chainstate. Use full -reindex instead.",
      );
    }
  }
  const listens = settings.list("bind").length + settings.list("whitebind").length > 0;
  if (listens && !settings.boolean("listen", true)) {
    throw new ConfigError("Cannot set -bind or -whitebind together with -listen=0");
  }
  if (settings.integer("maxconnections", 125) < 0) {
    throw new ConfigError("-maxconnections must be greater or equal than zero");
  }
  if (on("forcednsseed") && !settings.boolean("dnsseed", true)) {
    throw new ConfigError("Cannot set -forcednsseed to true when setting -dnsseed to false.");
  }
  const networks = ["ipv4", "ipv6", "onion", "i2p", "cjdns"];
  const unknown = settings.list("onlynet").find((name) => !networks.includes(name.toLowerCase()));
  if (unknown !== undefined) {
    throw new ConfigError(`Unknown network specified in -onlynet: '${unknown}'`);
  }
  const hasFilters = hasBasicFilters(settings);
  if (on("peerblockfilters") && !hasFilters) {
    throw new ConfigError("Cannot set -peerblockfilters without -blockfilterindex.");
  }
}

/** Whether -blockfilterindex asks for basic filters. @throws ConfigError for a type that does not exist */
function hasBasicFilters(settings: Settings): boolean {
  const types = settings.list("blockfilterindex").filter((type) => type !== "0");
  const unknown = types.find((type) => !["", "1", "basic"].includes(type));
  if (unknown !== undefined) throw new ConfigError(`Unknown -blockfilterindex value ${unknown}.`);
  return types.length > 0;
}

function refusePorts(settings: Settings): void {
  const refuse = (name: string, value: string) =>
    new ConfigError(`Invalid port specified in -${name}: '${value}'`);
  for (const name of ["port", "rpcport"]) {
    const port = settings.string(name);
    if (port !== undefined && parsePort(port) === undefined) throw refuse(name, port);
  }
  for (const name of HOST_OPTIONS) {
    for (const value of settings.list(name)) {
      if (!hasPossiblePort(value)) throw refuse(name, value);
    }
  }
}

/** A port from decimal text, `undefined` when it is none. */
export function parsePort(text: string): number | undefined {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  return port >= 1 && port <= 65_535 ? port : undefined;
}

/** Whether the part after the last colon, where it can only be a port, is one (Core's SplitHostPort). */
function hasPossiblePort(value: string): boolean {
  const endpoint = value
    .replace(/^[^@]*@/, "")
    .replace(/=[a-z0-9]+$/, "")
    .replace(/^tcp:\/\//, "");
  if (/^(unix|ipc):/.test(endpoint)) return true;
  const colon = endpoint.lastIndexOf(":");
  if (colon < 0) return true;
  const isBracketed = endpoint.startsWith("[") && endpoint[colon - 1] === "]";
  // More than one colon without brackets is an IPv6 address without a port.
  if (!isBracketed && endpoint.indexOf(":") !== colon) return true;
  return parsePort(endpoint.slice(colon + 1)) !== undefined;
}

function checkTestOptions(settings: Settings, network: Network): string[] {
  const options = settings.list("test");
  if (options.length === 0) return [];
  if (network.name !== "regtest") throw new ConfigError("-test=<option> can only be used with regtest");
  return options
    .filter((option) => !TEST_OPTIONS.includes(option))
    .map((option) => `Unrecognised option "${option}" provided in -test=<option>.`);
}
