/** What the sharing process and the API are told, from the settings of this run. */
import type { Network } from "#protocol/bitcoin/network.ts";
import { ConfigError, type Settings } from "./settings.ts";

/** Where the wallet's chain comes from: this node's own ledger, or nowhere. */
export type LedgerChoice = "own" | "none";

export interface SharingSettings {
  /** Multiaddrs to listen on. */
  readonly meshBind: readonly string[];
  /** Nobody chose these addresses: where one is taken, any port will do. */
  readonly meshOrAny: boolean;
  readonly mdns: boolean;
  /** At most 32 printable characters; "" gives none away. */
  readonly name: string;
  /** 0 picks a free one. */
  readonly s3Port: number;
  /** Nobody chose this port: where it is taken, the next one will do. */
  readonly s3OrNext: boolean;
  readonly files: FileSettings;
}

/** How this node's files are kept by others. */
export interface FileSettings {
  /** Any `needed` of `total` shards bring a slab of a file back; by the number of hosts when left out. */
  readonly shards?: { readonly needed: number; readonly total: number };
  readonly diversity: "strict" | "relaxed";
  /** Seconds. */
  readonly auditEpoch: number;
  readonly awayAfter: number;
  readonly deadAfter: number;
}

const DEFAULT_MESH_BIND = ["/ip4/127.0.0.1/tcp/8440", "/ip4/127.0.0.1/tcp/8441/ws"];
const MAX_NAME_LENGTH = 32;

/** @throws ConfigError */
export function ledgerChoice(settings: Settings): LedgerChoice {
  const choice = settings.string("ledger", "own");
  if (choice === "own" || choice === "none") return choice;
  throw new ConfigError(`Unknown -ledger value '${choice}'; must be 'own' or 'none'.`);
}

/** Whether the sharing process is to run. */
export function wantsSharing(settings: Settings): boolean {
  return settings.boolean("sharing", false);
}

/**
 * The API's port, 0 for a free one, and whether the next free one will do; undefined when the door stays shut.
 * @throws ConfigError
 */
export function apiPort(settings: Settings): { readonly port: number; readonly orNext: boolean } | undefined {
  if (!settings.boolean("api", false)) return undefined;
  return { port: portOf(settings, "apiport", 8420), orNext: !settings.isSet("apiport") };
}

const SATOSHI = 1000;
/** Satoshi whose millisatoshi are still exact. */
const MAX_BUDGET = Math.floor(Number.MAX_SAFE_INTEGER / SATOSHI);

/** What sharing may spend, millisatoshi. @throws ConfigError */
export function sharingBudget(settings: Settings): { readonly peerMsat: number; readonly dayMsat: number } {
  const amount = (name: "sharingbudget" | "sharingpeerbudget") => {
    const satoshi = settings.integer(name, 0);
    if (satoshi >= 0 && satoshi <= MAX_BUDGET) return satoshi * SATOSHI;
    throw new ConfigError(`Invalid amount for -${name}: '${settings.string(name)}'`);
  };
  return { peerMsat: amount("sharingpeerbudget"), dayMsat: amount("sharingbudget") };
}

/** @throws ConfigError */
export function sharingSettings(settings: Settings, network: Network): SharingSettings {
  const bind = settings.list("meshbind");
  const strange = bind.find((address) => !/^\/[a-z0-9]+\//.test(address));
  if (strange !== undefined) throw new ConfigError(`Invalid multiaddr specified in -meshbind: '${strange}'`);
  const name = settings.string("name", "");
  if ([...name].length > MAX_NAME_LENGTH || /\p{C}/u.test(name)) {
    throw new ConfigError(`Invalid -name: at most ${MAX_NAME_LENGTH} printable characters.`);
  }
  return {
    meshBind: bind.length > 0 ? bind : DEFAULT_MESH_BIND,
    meshOrAny: bind.length === 0,
    mdns: settings.boolean("mdns", network.name !== "regtest"),
    name,
    s3Port: portOf(settings, "s3port", 9000),
    s3OrNext: !settings.isSet("s3port"),
    files: fileSettings(settings, network),
  };
}

function fileSettings(settings: Settings, network: Network): FileSettings {
  const shards = settings.string("fileshards");
  const diversity = settings.string("filediversity", network.name === "regtest" ? "relaxed" : "strict");
  if (diversity !== "strict" && diversity !== "relaxed") {
    throw new ConfigError(`Unknown -filediversity value '${diversity}'; must be 'strict' or 'relaxed'.`);
  }
  const seconds = (name: string, otherwise: number) => {
    const value = settings.integer(name, otherwise);
    if (value > 0) return value;
    throw new ConfigError(`${name} must be a positive integer.`);
  };
  return {
    ...(shards === undefined ? {} : { shards: shardsOf(shards) }),
    diversity,
    auditEpoch: seconds("auditepoch", 3600),
    awayAfter: seconds("hostaway", 3600),
    deadAfter: seconds("hostdead", 86_400),
  };
}

function shardsOf(text: string): { readonly needed: number; readonly total: number } {
  const match = /^(\d{1,3})\/(\d{1,3})$/.exec(text);
  const [needed, total] = [Number(match?.[1] ?? 0), Number(match?.[2] ?? 0)];
  if (needed >= 1 && needed <= total && total <= 255) return { needed, total };
  throw new ConfigError(`Invalid -fileshards '${text}': <k>/<n> with 1 <= k <= n <= 255.`);
}

function portOf(settings: Settings, name: "apiport" | "s3port", otherwise: number): number {
  const text = settings.string(name, String(otherwise));
  const port = /^\d{1,5}$/.test(text) ? Number(text) : -1;
  if (port >= 0 && port <= 65_535) return port;
  throw new ConfigError(`Invalid port specified in -${name}: '${text}'`);
}
