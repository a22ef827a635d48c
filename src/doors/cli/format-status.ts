/** What `freehold status` shows of a running node. */
import type { Json, JsonObject } from "#base/lib/json.ts";

/** The sharing process, as the API tells of it. */
export interface SharingSummary {
  readonly state: "running" | "starting" | "off";
  /** Why it does not run. */
  readonly reason?: string;
  readonly peer?: string;
  readonly listening?: readonly string[];
  readonly s3?: string;
}

export interface ServicesStatus {
  /** `http://127.0.0.1:8420`. */
  readonly api: string;
  readonly sharing: SharingSummary;
}

/** A node's state, as `--json` prints it. */
export interface NodeStatus {
  readonly running: true;
  readonly version: string;
  readonly network: string;
  readonly datadir: string;
  /** Where the chain comes from; with `none` the figures of chain and peers are 0. */
  readonly ledger: "own" | "none";
  readonly height: number;
  readonly headers: number;
  /** Share of all transactions that are validated, 0–1. */
  readonly progress: number;
  /** Whether the node still catches up with the chain. */
  readonly catchingUp: boolean;
  readonly bestBlock: string;
  /** Time in the best block's header, seconds since 1970. */
  readonly bestBlockTime: number;
  readonly peers: { readonly inbound: number; readonly outbound: number };
  readonly mempool: { readonly transactions: number; readonly bytes: number; readonly loaded: boolean };
  readonly diskBytes: number;
  readonly uptimeSeconds: number;
  readonly warnings: readonly string[];
  /** Where the API listens; missing while it is shut. */
  readonly api?: string;
  /** The other process; missing while the API is shut. */
  readonly sharing?: SharingSummary;
}

/** What is known of a node whatever it runs. */
export interface OwnStatus {
  readonly uptime: Json;
  readonly version: string;
  readonly network: string;
  readonly datadir: string;
}

/**
 * A status from results of RPC and API.
 * @param ledger results of getblockchaininfo, getnetworkinfo and getmempoolinfo; undefined with -ledger=none
 */
export function statusOf(
  own: OwnStatus,
  ledger: readonly Json[] | undefined,
  services: ServicesStatus | undefined,
): NodeStatus {
  const [chain = {}, network = {}, mempool = {}] = (ledger ?? []) as JsonObject[];
  const number = (value: Json | undefined): number => (typeof value === "number" ? value : 0);
  return {
    running: true,
    version: own.version,
    network: String(chain["chain"] ?? own.network),
    datadir: own.datadir,
    ledger: ledger === undefined ? "none" : "own",
    height: number(chain["blocks"]),
    headers: number(chain["headers"]),
    progress: number(chain["verificationprogress"]),
    catchingUp: chain["initialblockdownload"] === true,
    bestBlock: String(chain["bestblockhash"] ?? ""),
    bestBlockTime: number(chain["time"]),
    peers: {
      inbound: number(network["connections_in"]),
      outbound: number(network["connections_out"]),
    },
    mempool: {
      transactions: number(mempool["size"]),
      bytes: number(mempool["bytes"]),
      loaded: ledger === undefined || mempool["loaded"] === true,
    },
    diskBytes: number(chain["size_on_disk"]),
    uptimeSeconds: number(own.uptime),
    warnings: Array.isArray(chain["warnings"]) ? chain["warnings"].map(String) : [],
    ...(services === undefined ? {} : services),
  };
}

export type Paint = (colour: Colour, text: string) => string;
type Colour = keyof typeof COLOURS;

const COLOURS = { bold: 1, dim: 2, green: 32, yellow: 33, cyan: 36 } as const;

/** Colours for a terminal; plain text elsewhere and where the user wants none (https://no-color.org). */
export function painter(isTerminal: boolean): Paint {
  const coloured = isTerminal && !process.env["NO_COLOR"];
  return (colour, text) => (coloured ? `\u001b[${COLOURS[colour]}m${text}\u001b[0m` : text);
}

const BAR_WIDTH = 24;

/** `████░░░░  12.34 %` */
export function progressText(progress: number): string {
  const share = Math.min(1, Math.max(0, progress));
  const full = Math.floor(share * BAR_WIDTH);
  // Never 100 before it is.
  const percent = Math.floor(share * 10_000) / 100;
  return `${"█".repeat(full)}${"░".repeat(BAR_WIDTH - full)}  ${percent.toFixed(2)} %`;
}

/** The state for people, one line a subject. `now` in seconds since 1970. */
export function formatStatus(status: NodeStatus, now: number, paint: Paint): string {
  const rows: [string, string][] = [
    ...(status.ledger === "own" ? ledgerRows(status, now, paint) : [["Ledger", "none"] as [string, string]]),
    ["Data", status.datadir],
    ...serviceRows(status, paint),
    ...status.warnings.map((warning): [string, string] => ["Warning", paint("yellow", warning)]),
  ];
  const title = `${paint("bold", `Freehold ${status.version}`)} on ${paint("cyan", status.network)}, running for ${duration(status.uptimeSeconds)}`;
  return [title, "", ...rows.map((row) => rowText(row, paint))].join("\n");
}

function rowText([name, text]: [string, string], paint: Paint): string {
  return `  ${paint("dim", name.padEnd(11))}${text}`;
}

function ledgerRows(status: NodeStatus, now: number, paint: Paint): [string, string][] {
  const { peers, mempool } = status;
  const state = status.catchingUp ? paint("yellow", "catching up") : paint("green", "up to date");
  return [
    ["Height", `${count(status.height)} of ${count(status.headers)} headers`],
    ["Progress", `${progressText(status.progress)}  ${state}`],
    ["Best block", `${status.bestBlock}, ${duration(now - status.bestBlockTime)} ago`],
    [
      "Peers",
      `${count(peers.inbound + peers.outbound)} (${count(peers.outbound)} out, ${count(peers.inbound)} in)`,
    ],
    [
      "Mempool",
      `${count(mempool.transactions)} transactions, ${size(mempool.bytes)}${mempool.loaded ? "" : ", loading"}`,
    ],
    ["Disk", size(status.diskBytes)],
  ];
}

/** The API and the sharing process; what they listen on stands behind what they are. */
function serviceRows({ api, sharing }: NodeStatus, paint: Paint): [string, string][] {
  if (api === undefined || sharing === undefined) return [];
  const rows: [string, string][] = [["Dashboard", api]];
  if (sharing.state !== "running") {
    rows.push(["Sharing", `${paint("yellow", sharing.state)}: ${sharing.reason ?? ""}`]);
    return rows;
  }
  rows.push(["Sharing", `${paint("green", "running")} as ${sharing.peer}`]);
  for (const address of sharing.listening ?? []) rows.push(["Mesh", address]);
  if (sharing.s3 !== undefined) rows.push(["S3", sharing.s3]);
  return rows;
}

/** What `freehold start` shows first: where everything is. */
export function formatStart(
  status: NodeStatus,
  places: { readonly rpc: string; readonly freeBytes: number; readonly login: string | undefined },
  paint: Paint,
): string {
  const { sharing } = status;
  const done = paint("green", "✓");
  const ports = [
    `RPC ${places.rpc}`,
    ...(sharing?.s3 === undefined ? [] : [`S3 ${withoutScheme(sharing.s3)}`]),
    ...(sharing?.listening ?? []).map((address) => `mesh ${address}`),
    ...(status.api === undefined ? [] : [`dashboard ${withoutScheme(status.api)}`]),
  ];
  const lines = [
    ` ${done} data: ${status.datadir}, ${size(places.freeBytes)} free`,
    ` ${done} ports: ${ports.join(" · ")}`,
  ];
  if (sharing?.state === "running") lines.push(` ${done} sharing as ${sharing.peer}`);
  else if (sharing !== undefined)
    lines.push(` ${paint("yellow", "○")} not sharing: ${sharing.reason ?? sharing.state}`);
  if (places.login !== undefined) lines.push(`   Open ${places.login}`);
  return lines.join("\n");
}

function withoutScheme(address: string): string {
  return address.replace(/^http:\/\//, "");
}

function count(value: number): string {
  return value.toLocaleString("en-US");
}

const UNITS = ["bytes", "kB", "MB", "GB", "TB"];

function size(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`;
}

/** The two largest units of a time, as `3 h 12 min`. */
export function duration(seconds: number): string {
  const parts: [number, string][] = [
    [86_400, "d"],
    [3600, "h"],
    [60, "min"],
    [1, "s"],
  ];
  let rest = Math.max(0, Math.floor(seconds));
  const words: string[] = [];
  for (const [length, unit] of parts) {
    const whole = Math.floor(rest / length);
    rest %= length;
    if (whole > 0 || (unit === "s" && words.length === 0)) words.push(`${whole} ${unit}`);
    if (words.length === 2) break;
  }
  return words.join(" ");
}
