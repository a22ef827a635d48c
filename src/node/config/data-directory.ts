/** Where this run keeps its files. */
import { existsSync, mkdirSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
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

/** The data directory: -datadir, which must exist, else `otherwise`, which is made. @throws ConfigError */
export function dataDirectory(settings: Settings, otherwise: string): string {
  const named = settings.string("datadir");
  if (named !== undefined && named !== "") {
    const path = resolve(named);
    if (!existsSync(path) || !statSync(path).isDirectory()) {
      throw new ConfigError(`Specified data directory "${named}" does not exist.`);
    }
    return path;
  }
  mkdirSync(otherwise, { recursive: true, mode: 0o700 });
  return otherwise;
}

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
  readonly pid: string;
  readonly cookie: string | undefined;
  readonly peers: string;
  readonly mempool: string;
  readonly banList: string;
  readonly anchors: string;
  readonly settings: string | undefined;
}

/** @throws ConfigError when -blocksdir does not exist. */
export function dataPaths(settings: Settings, base: string, network: Network): DataPaths {
  const folder = network.folder === "" ? base : join(base, network.folder);
  const within = (path: string) => (isAbsolute(path) ? path : join(folder, path));
  const blocksBase = settings.string("blocksdir");
  if (blocksBase !== undefined && !existsSync(blocksBase)) {
    throw new ConfigError(`Specified blocks directory "${blocksBase}" does not exist.`);
  }
  return {
    base,
    network: folder,
    blocks: blocksBase === undefined ? join(folder, "blocks") : join(blocksBase, network.folder, "blocks"),
    chainstate: join(folder, "chainstate"),
    indexes: join(folder, "indexes"),
    wallets: join(folder, "wallets"),
    lock: join(folder, ".lock"),
    debugLog: settings.isNegated("debuglogfile")
      ? undefined
      : within(settings.string("debuglogfile", "debug.log")),
    pid: within(settings.string("pid", "bitcoind.pid")),
    cookie: settings.isNegated("rpccookiefile")
      ? undefined
      : within(settings.string("rpccookiefile", ".cookie")),
    peers: join(folder, "peers.dat"),
    mempool: join(folder, "mempool.dat"),
    banList: join(folder, "banlist.json"),
    anchors: join(folder, "anchors.dat"),
    settings: settings.isNegated("settings")
      ? undefined
      : within(settings.string("settings", "settings.json")),
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
