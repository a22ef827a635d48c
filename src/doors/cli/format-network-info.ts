/** The text of -netinfo: peers by network and direction, and on request each of them (bitcoin-cli.cpp). */
import { type Json, JsonNumber, type JsonObject } from "#base/lib/json.ts";

const MAX_LEVEL = 4;
const NETWORKS = ["not_publicly_routable", "ipv4", "ipv6", "onion", "i2p", "cjdns", "internal"];
const SHORT_NAMES = ["npr", "ipv4", "ipv6", "onion", "i2p", "cjdns", "int"];
/** Shown only where a peer is there. */
const UNREACHABLE = ["not_publicly_routable", "internal"];
const CONNECTION_NAMES: Readonly<Record<string, string>> = {
  "outbound-full-relay": "full",
  "block-relay-only": "block",
  manual: "manual",
  feeler: "feeler",
  "addr-fetch": "addr",
  "private-broadcast": "priv",
};
/** Longest ping that is shown, in ms. */
const MAX_PING = 999_999;

export interface NetworkInfoLevel {
  /** 0: counts alone; 1: each peer; 2: with address; 3: with version; 4: with both. */
  readonly level: number;
  readonly outboundOnly: boolean;
}

export interface NetworkInfoOptions extends NetworkInfoLevel {
  /** Name of the configuration section. */
  readonly chain: string;
  /** Seconds since 1970. */
  readonly now: number;
}

/** Reads `[level [outonly]]`. @throws Error with Core's text */
export function parseNetworkInfoLevel(words: readonly string[]): NetworkInfoLevel {
  const [first, second] = words;
  if (first === undefined) return { level: 0, outboundOnly: false };
  const hint = "For more information, run: bitcoin-cli -netinfo help";
  if (!/^\d{1,3}$/.test(first) || Number(first) > 255) {
    throw new Error(`invalid -netinfo level argument: ${first}\n${hint}`);
  }
  const level = Math.min(Number(first), MAX_LEVEL);
  if (second === undefined) return { level, outboundOnly: false };
  const refusal = `invalid -netinfo outonly argument: ${second}\n`;
  if (level === 0) {
    throw new Error(
      `${refusal}The outonly argument is only valid for a level greater than 0 (the first argument). ${hint}`,
    );
  }
  if (second !== "o" && second !== "outonly") throw new Error(refusal + hint);
  return { level, outboundOnly: true };
}

const text = (value: Json | undefined): string =>
  value === undefined || value === null ? "" : value instanceof JsonNumber ? value.text : String(value);
const number = (value: Json | undefined): number => Number(text(value) || 0);
const list = (value: Json | undefined): Json[] => (Array.isArray(value) ? value : []);

/** The dashboard, from the results of getpeerinfo and getnetworkinfo. */
export function formatNetworkInfo(
  peers: readonly JsonObject[],
  network: JsonObject,
  options: NetworkInfoOptions,
): string {
  const { level, outboundOnly } = options;
  const chain = options.chain === "main" ? "" : ` ${options.chain === "test" ? "testnet" : options.chain}`;
  const services = level > 0 ? ` - services ${shortServices(network["localservicesnames"])}` : "";
  let report = `Freehold client${chain} - server ${text(network["protocolversion"])}${text(network["subversion"])}${services}\n\n`;
  const shown = peers.filter((peer) => !outboundOnly || peer["inbound"] !== true);
  if (level > 0 && shown.length > 0) report += peerTable(shown, options);
  report += countTable(peers, network);
  if (level === 0) report += `\n\nLocal services: ${longServices(network["localservicesnames"])}`;
  return `${report}\n\nLocal addresses${localAddresses(network)}`;
}

function shortServices(names: Json | undefined): string {
  return list(names)
    .map((name) => {
      if (name === "NETWORK_LIMITED") return "l";
      return name === "P2P_V2" ? "2" : text(name).slice(0, 1).toLowerCase();
    })
    .join("");
}

function longServices(names: Json | undefined): string {
  return list(names)
    .map((name) => text(name).toLowerCase().replaceAll("_", " "))
    .join(", ");
}

function pingText(seconds: Json | undefined): string {
  if (seconds === undefined) return "";
  const milliseconds = Math.round(number(seconds) * 1000);
  return milliseconds > MAX_PING ? "-" : String(milliseconds);
}

interface PeerRow {
  readonly peer: JsonObject;
  readonly services: string;
  readonly addressesProcessed: string;
  readonly addressesLimited: string;
  readonly age: string;
}

function peerTable(peers: readonly JsonObject[], { level, now }: NetworkInfoOptions): string {
  const rows = [...peers].sort(byDirectionAndPing).map((peer): PeerRow => {
    const connected = number(peer["conntime"]);
    return {
      peer,
      services: shortServices(peer["servicesnames"]),
      addressesProcessed: text(peer["addr_processed"]),
      addressesLimited: text(peer["addr_rate_limited"]),
      age: connected === 0 ? "" : String(Math.trunc((now - connected) / 60)),
    };
  });
  const widest = (least: number, of: (row: PeerRow) => string) =>
    Math.max(least, ...rows.map((row) => of(row).length));
  const widths = {
    services: widest(6, (row) => row.services),
    processed: widest(5, (row) => row.addressesProcessed),
    limited: widest(6, (row) => row.addressesLimited),
    age: widest(5, (row) => row.age),
    id: widest(2, (row) => text(row.peer["id"])),
    address: level === 2 || level === 4 ? widest(0, (row) => text(row.peer["addr"])) + 1 : 0,
    asmap: rows.some((row) => number(row.peer["mapped_as"]) !== 0) ? 7 : 0,
  };
  const withVersion = level === 3 || level === 4;
  const head =
    `<->   type   net ${"serv".padStart(widths.services)}  v  mping   ping send recv  txn  blk  hb ` +
    `${"addrp".padStart(widths.processed)}${"addrl".padStart(widths.limited)}${"age".padStart(widths.age)} ` +
    `${widths.asmap > 0 ? " asmap " : ""}${"id".padStart(widths.id)} ` +
    `${(widths.address > 0 ? "address" : "").padEnd(widths.address)}${withVersion ? "version" : ""}\n`;
  const body = rows.map((row) => {
    const { peer } = row;
    const seconds = (name: string) => (number(peer[name]) === 0 ? "" : String(now - number(peer[name])));
    const minutes = (name: string) =>
      number(peer[name]) === 0 ? "" : String(Math.trunc((now - number(peer[name])) / 60));
    const transport = text(peer["transport_protocol_type"]) || "v1";
    const version = `${text(peer["version"])}${text(peer["subver"])}`;
    const cells = [
      peer["inbound"] === true ? " in" : "out",
      ` ${(CONNECTION_NAMES[text(peer["connection_type"])] ?? "").padStart(6)}`,
      ` ${shortName(text(peer["network"])).padStart(5)}`,
      ` ${row.services.padStart(widths.services)}`,
      ` ${(/^v.$/.test(transport) ? transport.slice(1) : " ").padStart(2)}`,
      pingText(peer["minping"]).padStart(7),
      pingText(peer["pingtime"]).padStart(7),
      seconds("lastsend").padStart(5),
      seconds("lastrecv").padStart(5),
      (minutes("last_transaction") || (peer["relaytxes"] === false ? "*" : "")).padStart(5),
      minutes("last_block").padStart(5),
      `  ${peer["bip152_hb_to"] === true ? "." : " "}${peer["bip152_hb_from"] === true ? "*" : " "}`,
      ` ${processed(row).padStart(widths.processed)}`,
      (row.addressesLimited === "0" ? "" : row.addressesLimited).padStart(widths.limited),
      row.age.padStart(widths.age),
      (number(peer["mapped_as"]) === 0 ? "" : text(peer["mapped_as"])).padStart(widths.asmap),
      ` ${text(peer["id"]).padStart(widths.id)}`,
      ` ${(widths.address > 0 ? text(peer["addr"]) : "").padEnd(widths.address)}`,
      withVersion && version !== "0" ? version : "",
    ];
    return `${cells.join("")}\n`;
  });
  const units = `                ${"".padStart(widths.services)}         ms     ms  sec  sec  min  min                ${"min".padStart(widths.age)}\n\n`;
  return head + body.join("") + units;
}

function processed({ peer, addressesProcessed }: PeerRow): string {
  if (addressesProcessed !== "0" && addressesProcessed !== "") return addressesProcessed;
  return peer["addr_relay_enabled"] === true ? "" : ".";
}

function shortName(network: string): string {
  return SHORT_NAMES[NETWORKS.indexOf(network)] ?? network;
}

function byDirectionAndPing(a: JsonObject, b: JsonObject): number {
  const direction = (peer: JsonObject) => (peer["inbound"] === true ? 0 : 1);
  const ping = (peer: JsonObject) => (peer["minping"] === undefined ? -1 : number(peer["minping"]));
  return direction(a) - direction(b) || ping(a) - ping(b);
}

function countTable(peers: readonly JsonObject[], network: JsonObject): string {
  const known = peers.filter((peer) => NETWORKS.includes(text(peer["network"])));
  const ofType = (type: string) => known.filter((peer) => text(peer["connection_type"]) === type).length;
  const manual = ofType("manual");
  const columns = list(network["networks"])
    .filter((item) => (item as JsonObject)["reachable"] === true)
    .map((item) => text((item as JsonObject)["name"]));
  let table = `     ${columns.map((name) => name.padStart(8)).join("")}`;
  for (const name of UNREACHABLE) {
    if (!known.some((peer) => peer["network"] === name)) continue;
    table += shortName(name).padStart(8);
    columns.push(name);
  }
  table += `   total   block${manual > 0 ? "  manual" : ""}`;
  const rows: [string, readonly JsonObject[]][] = [
    ["in", known.filter((peer) => peer["inbound"] === true)],
    ["out", known.filter((peer) => peer["inbound"] !== true)],
    ["total", known],
  ];
  for (const [name, members] of rows) {
    table += `\n${name.padEnd(5)}`;
    for (const column of columns) {
      table += String(members.filter((peer) => peer["network"] === column).length).padStart(8);
    }
    table += `   ${String(members.length).padStart(5)}`;
    if (name !== "out") continue;
    table += `   ${String(ofType("block-relay-only")).padStart(5)}`;
    if (manual > 0) table += `   ${String(manual).padStart(5)}`;
  }
  return table;
}

function localAddresses(network: JsonObject): string {
  const addresses = list(network["localaddresses"]) as JsonObject[];
  if (addresses.length === 0) return ": n/a\n";
  const width = Math.max(...addresses.map(({ address }) => text(address).length + 1));
  return addresses
    .map(
      ({ address, port, score }) =>
        `\n${text(address).padEnd(width)}    port ${text(port).padStart(6)}    score ${text(score).padStart(6)}`,
    )
    .join("");
}

export const NETWORK_INFO_HELP = `-netinfo (level [outonly]) | help

Returns a network peer connections dashboard with information from the remote server.
This human-readable interface will change regularly and is not intended to be a stable API.
Under the hood, -netinfo fetches the data by calling getpeerinfo and getnetworkinfo.
If more than two arguments are passed, only the first two are read and parsed.

Arguments:
1. level (integer 0-${MAX_LEVEL}, optional)  Specify the info level of the peers dashboard (default 0):
                                  0 - Peer counts for each reachable network as well as for block relay peers
                                      and manual peers, and the list of local addresses and ports
                                  1 - Like 0 but preceded by a peers listing (without address and version columns)
                                  2 - Like 1 but with an address column
                                  3 - Like 1 but with a version column
                                  4 - Like 1 but with both address and version columns
2. outonly ("outonly" or "o", optional) Return the peers listing with outbound peers only. Only valid if a level
                                        is passed.

help ("help" or "h", optional) Print this help documentation instead of the dashboard.

Columns of the peers listing, which is sorted by direction and minimum ping time:
  <->      "in" the peer opened the connection, "out" we did
  type     full, block (no transactions or addresses), manual, feeler, addr (asks for addresses), priv
  net      ipv4, ipv6, onion, i2p, cjdns, or npr (not publicly routable)
  serv     n NETWORK, b BLOOM, w WITNESS, c COMPACT_FILTERS, l NETWORK_LIMITED, 2 P2P_V2, u unknown
  v        version of the transport
  mping    least ping time, ms
  ping     last ping time, ms
  send     seconds since the last message to the peer
  recv     seconds since the last message from the peer
  txn      minutes since the last transaction of the peer that we took; "*" we relay none to it
  blk      minutes since the last block of the peer that we took
  hb       BIP152 high bandwidth: "." we chose the peer, "*" it chose us
  addrp    addresses processed; "." we relay none to it
  addrl    addresses dropped, since they came too fast
  age      minutes since it connected
  id       number of the peer
  address  address and port of the peer
  version  version and user agent of the peer

Examples:

> bitcoin-cli -netinfo
> bitcoin-cli -netinfo ${MAX_LEVEL} outonly
> watch --interval 1 --no-title bitcoin-cli -netinfo ${MAX_LEVEL}`;
