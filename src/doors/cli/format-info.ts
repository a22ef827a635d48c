import { type Json, JsonNumber, type JsonObject } from "#base/lib/json.ts";
import type { CallMethod } from "./commands.ts";

/** Colours of a terminal. */
const COLOURS = { green: 32, yellow: 33, blue: 34, magenta: 35, cyan: 36 } as const;

/** Below this the progress gets a bar. */
const DONE = 0.99;
const BAR_STEP = 0.05;

/** A member deep within a reply, as text; "" where there is none. */
function read(value: Json | undefined, ...path: string[]): string {
  let at: Json | undefined = value;
  for (const name of path) {
    if (at === null || at === undefined || typeof at !== "object") return "";
    at = (at as JsonObject)[name];
  }
  if (at === null || at === undefined) return "";
  if (at instanceof JsonNumber) return at.text;
  if (Array.isArray(at)) return at.map((item) => read(item)).join("\n");
  return typeof at === "object" ? "" : String(at);
}

/** Name and trusted balance of each wallet, where several are loaded. */
export async function walletBalances(call: CallMethod): Promise<[string, string][]> {
  const { result = null } = await call("listwallets");
  if (!Array.isArray(result) || result.length <= 1) return [];
  const balances: [string, string][] = [];
  for (const wallet of result) {
    const name = String(wallet);
    balances.push([name, read(await call("getbalances", name), "result", "mine", "trusted")]);
  }
  return balances;
}

/** The text of -getinfo from the replies of getnetworkinfo, getblockchaininfo, getwalletinfo and getbalances. */
export function formatInfo(
  replies: readonly JsonObject[],
  balances: readonly [string, string][],
  coloured: boolean,
): string {
  const [network, chain, wallet, balance] = replies.map((reply) => reply["result"] ?? null);
  const paint = (colour: keyof typeof COLOURS, words: string) =>
    coloured ? `\u001b[${COLOURS[colour]}m${words}\u001b[0m` : words;
  const progress = Number(read(chain, "verificationprogress"));
  const lines = [
    paint("blue", `Chain: ${read(chain, "chain")}`),
    `Blocks: ${read(chain, "blocks")}`,
    `Headers: ${read(chain, "headers")}`,
    `Verification progress: ${progress < DONE ? `${progressBar(progress)} ` : ""}${(progress * 100).toFixed(4)}%`,
    `Difficulty: ${read(chain, "difficulty")}`,
    "",
    paint(
      "green",
      `Network: in ${read(network, "connections_in")}, out ${read(network, "connections_out")}, total ${read(network, "connections")}`,
    ),
    `Version: ${read(network, "version")}`,
    `Time offset (s): ${read(network, "timeoffset")}`,
    `Proxies: ${proxies(network)}`,
    `Min tx relay fee rate (BTC/kvB): ${read(network, "relayfee")}`,
    "",
  ];
  if (wallet !== null && wallet !== undefined) {
    const unlocked = read(wallet, "unlocked_until");
    lines.push(
      paint("magenta", `Wallet: ${read(wallet, "walletname") || '""'}`),
      `Keypool size: ${read(wallet, "keypoolsize")}`,
      ...(unlocked === "" ? [] : [`Unlocked until: ${unlocked}`]),
    );
  }
  const trusted = read(balance, "mine", "trusted");
  if (trusted !== "") lines.push(`${paint("cyan", "Balance:")} ${trusted}`, "");
  if (balances.length > 0) {
    const width = Math.max(10, ...balances.map(([, amount]) => amount.length));
    lines.push(paint("cyan", "Balances"));
    for (const [name, amount] of balances) lines.push(`${amount.padStart(width)} ${name || '""'}`);
    lines.push("");
  }
  lines.push(`${paint("yellow", "Warnings:")} ${read(network, "warnings") || "(none)"}`);
  return lines.join("\n");
}

/** Twenty squares, as many of them full as the progress has twentieths. */
function progressBar(progress: number): string {
  if (progress < 0 || progress > 1) return "";
  const full = Math.ceil(progress / BAR_STEP);
  return "▒".repeat(full) + "░".repeat(Math.ceil((1 - progress) / BAR_STEP));
}

function proxies(network: Json | undefined): string {
  const users = new Map<string, string[]>();
  for (const item of ((network as JsonObject | null)?.["networks"] ?? []) as Json[]) {
    const proxy = read(item, "proxy");
    if (proxy === "") continue;
    users.set(proxy, [...(users.get(proxy) ?? []), read(item, "name")]);
  }
  if (users.size === 0) return "n/a";
  return [...users].map(([proxy, names]) => `${proxy} (${names.join(", ")})`).join(", ");
}
