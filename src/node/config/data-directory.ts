/** Where this run keeps its files. */
import { existsSync, mkdirSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import type { Network } from "#protocol/bitcoin/network.ts";
import { ConfigError, type Settings } from "./settings.ts";

/** The folder where a drop-in bitcoind keeps its data when -datadir is not given. */
export function coreDataDirectory(): string {
  return join(homedir(), ".bitcoin");
}

/** Our own default folder. */
export function defaultDataDirectory(): string {
  return join(homedir(), ".freehold");
}

/** File in the network's folder that tells where RPC is answered. */
export const RPC_ADDRESS = ".rpc-address";

/** Files of one network, as Core names them. */
export interface DataPaths {
  readonly base: string;
  /** Folder of the network; the base itself on main. */
  readonly network: string;
  readonly blocks: string;
  readonly chainstate: string;
  readonly indexes: string;
  readonly wallets: string;
  readonly lock: string;
  readonly debugLog: string | undefined;
  /** Undefined with -nopid. */
  readonly pid: string | undefined;
  readonly cookie: string | undefined;
  /** Where RPC is answered while the node runs, `127.0.0.1:8332`: `freehold` finds it there, whatever port was chosen. */
  readonly rpcAddress: string;
  readonly peers: string;
  readonly mempool: string;
  readonly feeEstimates: string;
  readonly banList: string;
  readonly anchors: string;
  readonly settings: string | undefined;
  /** All that the sharing process keeps; made when it runs. */
  readonly sharing: string;
  /** What the dashboard hands over as files: scenes to render; made when the API is open. */
  readonly incoming: string;
  /** Address and, below it, bearer token of the API, fresh at each start. */
  readonly apiCookie: string;
}

/** @throws ConfigError when -blocksdir does not exist. */
export function dataPaths(settings: Settings, base: string, network: Network): DataPaths {
  const folder = network.folder === "" ? base : join(base, network.folder);
  const within = (path: string) => resolve(folder, path);
  const fileOf = (name: string, otherwise: string): string | undefined => {
    const path = settings.path(name) ?? otherwise;
    return path === "" ? undefined : within(path);
  };
  const blocksBase = settings.path("blocksdir");
  if (blocksBase !== undefined && !(existsSync(blocksBase) && statSync(blocksBase).isDirectory())) {
    throw new ConfigError(`Specified blocks directory "${settings.string("blocksdir")}" does not exist.`);
  }
  return {
    base,
    network: folder,
    blocks: blocksBase === undefined ? join(folder, "blocks") : resolve(blocksBase, network.folder, "blocks"),
    chainstate: join(folder, "chainstate"),
    indexes: join(folder, "indexes"),
    wallets: join(folder, "wallets"),
    lock: join(folder, ".lock"),
    debugLog: fileOf("debuglogfile", "debug.log"),
    pid: fileOf("pid", "bitcoind.pid"),
    cookie: fileOf("rpccookiefile", ".cookie"),
    rpcAddress: join(folder, RPC_ADDRESS),
    peers: join(folder, "peers.dat"),
    mempool: join(folder, "mempool.dat"),
    feeEstimates: join(folder, "fee-estimates.dat"),
    banList: join(folder, "banlist.json"),
    anchors: join(folder, "anchors.dat"),
    settings: fileOf("settings", "settings.json"),
    sharing: join(folder, "sharing"),
    incoming: join(folder, "incoming"),
    apiCookie: join(folder, ".api-cookie"),
  };
}

/**
 * Makes the folders of the network. Nobody else may look into a folder that we make. Only blocks, chainstate,
 * indexes and wallets exist as folders: tools made for bitcoind delete every other entry as a file.
 */
export function makeDataDirectories(paths: DataPaths): void {
  for (const path of [paths.network, paths.blocks, paths.indexes, paths.wallets]) {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  }
}
