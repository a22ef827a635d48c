/** What `freehold status` shows of a running node. */
import type { Json, JsonObject } from "#base/lib/json.ts";

/** A node's state, as `--json` prints it. */
export interface NodeStatus {
  readonly running: true;
  readonly version: string;
  readonly network: string;
  readonly datadir: string;
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
}

/** Results of getblockchaininfo, getnetworkinfo, getmempoolinfo and uptime as a status. */
export function statusOf(results: readonly Json[], version: string, datadir: string): NodeStatus {
  const [chain, network, mempool] = results as [JsonObject, JsonObject, JsonObject];
  const number = (value: Json | undefined): number => (typeof value === "number" ? value : 0);
  return {
    running: true,
    version,
    network: String(chain["chain"]),
    datadir,
    height: number(chain["blocks"]),
    headers: number(chain["headers"]),
    progress: number(chain["verificationprogress"]),
    catchingUp: chain["initialblockdownload"] === true,
    bestBlock: String(chain["bestblockhash"]),
    bestBlockTime: number(chain["time"]),
    peers: {
      inbound: number(network["connections_in"]),
      outbound: number(network["connections_out"]),
    },
    mempool: {
      transactions: number(mempool["size"]),
      bytes: number(mempool["bytes"]),
      loaded: mempool["loaded"] === true,
    },
    diskBytes: number(chain["size_on_disk"]),
    uptimeSeconds: number(results[3]),
    warnings: Array.isArray(chain["warnings"]) ? chain["warnings"].map(String) : [],
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
  const { peers, mempool } = status;
  const state = status.catchingUp ? paint("yellow", "catching up") : paint("green", "up to date");
  const rows: [string, string][] = [
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
    ["Data", status.datadir],
    ...status.warnings.map((warning): [string, string] => ["Warning", paint("yellow", warning)]),
  ];
  const title = `${paint("bold", `Freehold ${status.version}`)} on ${paint("cyan", status.network)}, running for ${duration(status.uptimeSeconds)}`;
  const lines = rows.map(([name, text]) => `  ${paint("dim", name.padEnd(11))}${text}`);
  return [title, "", ...lines].join("\n");
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
