/** What a peer may do that others may not: -whitelist and -whitebind (Core's net_permissions). */
import type { NetAddress } from "#protocol/wire/net-address.ts";
import { type NodeEndpoint, parseEndpoint } from "#protocol/wire/net-address.ts";
import { parseSubnet, type Subnet, subnetContains } from "./subnet.ts";

export const Permission = {
  NONE: 0,
  /** May query with bloom filters. */
  BLOOM_FILTER: 1 << 1,
  /** Its transactions are relayed in -blocksonly mode too, and are not limited in number. */
  RELAY: 1 << 3,
  /** Its transactions are relayed even if they are in the mempool already; implies RELAY. */
  FORCE_RELAY: (1 << 2) | (1 << 3),
  /** May ask for headers during our initial download and for blocks beyond -maxuploadtarget. */
  DOWNLOAD: 1 << 6,
  /** Is never disconnected or discouraged for what it sends; implies DOWNLOAD. */
  NO_BAN: (1 << 4) | (1 << 6),
  /** May ask for the mempool's content. */
  MEMPOOL: 1 << 5,
  /** Its addresses are not limited in number, and it gets uncached ones. */
  ADDR: 1 << 7,
  ALL: (1 << 1) | (1 << 2) | (1 << 3) | (1 << 4) | (1 << 5) | (1 << 6) | (1 << 7),
} as const;

/** Of a friend's node: nothing is held back from it, and nothing that it sends costs it the connection. */
export const FRIEND_PERMISSIONS: number = Permission.NO_BAN | Permission.RELAY;

/** Names for options and getpeerinfo, in Core's order. */
const NAMES: readonly (readonly [string, number])[] = [
  ["bloomfilter", Permission.BLOOM_FILTER],
  ["noban", Permission.NO_BAN],
  ["forcerelay", Permission.FORCE_RELAY],
  ["relay", Permission.RELAY],
  ["mempool", Permission.MEMPOOL],
  ["download", Permission.DOWNLOAD],
  ["addr", Permission.ADDR],
];

export function hasPermission(flags: number, wanted: number): boolean {
  return (flags & wanted) === wanted;
}

/** As getpeerinfo prints them. */
export function permissionNames(flags: number): string[] {
  return NAMES.filter(([, flag]) => hasPermission(flags, flag)).map(([name]) => name);
}

/** A -whitelist entry. `flags` undefined stands for those of a bare subnet, which depend on other options. */
export interface WhitelistEntry {
  readonly subnet: Subnet;
  readonly flags: number | undefined;
  /** For which direction it holds. */
  readonly inbound: boolean;
  readonly outbound: boolean;
}

/** A -whitebind entry: connections to this address of ours get the permissions. */
export interface WhitebindEntry {
  readonly endpoint: NodeEndpoint;
  readonly flags: number | undefined;
}

/** Parses `[permissions@]subnet`. The error is Core's text. */
export function parseWhitelist(text: string): WhitelistEntry | { error: string } {
  const parsed = parsePermissions(text);
  if ("error" in parsed) return parsed;
  const subnet = parseSubnet(parsed.rest);
  if (subnet === undefined) return { error: `Invalid netmask specified in -whitelist: '${parsed.rest}'` };
  const { flags, inbound, outbound } = parsed;
  if (outbound && flags === undefined) {
    return { error: `whitelist permissions are required for outgoing connections ('${text}')` };
  }
  return { subnet, flags, inbound, outbound };
}

/** Parses `[permissions@]host:port`; the port is required. */
export function parseWhitebind(text: string): WhitebindEntry | { error: string } {
  const parsed = parsePermissions(text);
  if ("error" in parsed) return parsed;
  if (parsed.outbound)
    return { error: `whitebind may only be used for incoming connections ("out" was passed)` };
  const endpoint = parseEndpoint(parsed.rest, 0);
  if (endpoint === undefined) return { error: `Cannot resolve -whitebind address: '${parsed.rest}'` };
  if (endpoint.port === 0) return { error: `Need to specify a port with -whitebind: '${parsed.rest}'` };
  return { endpoint, flags: parsed.flags };
}

/** Permissions that whitelist entries grant an address; bare subnets grant `implicit`. */
export function whitelistPermissions(
  entries: readonly WhitelistEntry[],
  address: NetAddress,
  direction: "inbound" | "outbound",
  implicit: number,
): number {
  let flags = 0;
  for (const entry of entries) {
    if (!entry[direction] || !subnetContains(entry.subnet, address)) continue;
    flags |= entry.flags ?? implicit;
  }
  return flags;
}

/** What an entry without permissions grants (Core: InitializePermissionFlags). */
export function implicitPermissions(relay: boolean, forceRelay: boolean): number {
  let flags = Permission.NO_BAN | Permission.MEMPOOL;
  if (relay) flags |= Permission.RELAY;
  if (forceRelay) flags |= Permission.FORCE_RELAY;
  return flags;
}

interface ParsedPermissions {
  readonly rest: string;
  readonly flags: number | undefined;
  readonly inbound: boolean;
  readonly outbound: boolean;
}

function parsePermissions(text: string): ParsedPermissions | { error: string } {
  const at = text.indexOf("@");
  if (at < 0) return { rest: text, flags: undefined, inbound: true, outbound: false };
  let flags = 0;
  let inbound = false;
  let outbound = false;
  for (const word of text.slice(0, at).split(",")) {
    if (word === "in") inbound = true;
    else if (word === "out") outbound = true;
    else if (word === "all") flags |= Permission.ALL;
    else if (word !== "") {
      const flag = permissionOf(word);
      if (flag === undefined) return { error: `Invalid P2P permission: '${word}'` };
      flags |= flag;
    }
  }
  return { rest: text.slice(at + 1), flags, inbound: inbound || !outbound, outbound };
}

/** Core takes `bloom` beside `bloomfilter`. */
function permissionOf(word: string): number | undefined {
  if (word === "bloom") return Permission.BLOOM_FILTER;
  return NAMES.find(([name]) => name === word)?.[1];
}
