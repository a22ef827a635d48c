/** Where bitcoin-cli calls, and with what login (bitcoin-cli.cpp, CallRPC). */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { chooseNetwork } from "#node/config/choose-network.ts";
import type { Settings } from "#node/config/settings.ts";
import { type RpcEndpoint, ServerRefused } from "./rpc-client.ts";

export const DEFAULT_TIMEOUT = 900;

/** What the command line and the configuration say, before a connection. */
export interface CallSettings {
  readonly settings: Settings;
  /** Data directory. */
  readonly folder: string;
  /** Path of the configuration file, for texts. */
  readonly config: string;
  /** From standard input; "" when none was read. */
  readonly password: string;
  /** Tells the user at once. */
  show(text: string): void;
}

/** The endpoint as it is now: a cookie may have changed since the last call. @throws ServerRefused */
export function findEndpoint(call: CallSettings, wallet: string | undefined): RpcEndpoint {
  const { settings } = call;
  const network = chooseNetwork(settings);
  const { login, refusal } = findLogin(call, network.folder);
  return {
    ...findHost(call, network.rpcPort),
    login,
    refusal: `${refusal} Configuration file: (${call.config})`,
    path: wallet === undefined ? "/" : `/wallet/${encodeURIComponent(wallet)}`,
    timeout: settings.integer("rpcclienttimeout", DEFAULT_TIMEOUT),
  };
}

function findHost({ settings, show }: CallSettings, usual: number): { host: string; port: number } {
  const connect = settings.string("rpcconnect", "127.0.0.1");
  const parsed = splitHostPort(connect);
  if (parsed === undefined) throw new ServerRefused(`Invalid port provided in -rpcconnect: ${connect}`);
  const { host, port } = parsed;
  const given = settings.string("rpcport");
  if (given === undefined) return { host, port: port ?? usual };
  const own = parsePort(given);
  if (own === undefined) throw new ServerRefused(`Invalid port provided in -rpcport: ${given}`);
  if (port !== undefined) {
    show(`Warning: Port specified in both -rpcconnect and -rpcport. Using -rpcport ${own}`);
  }
  return { host, port: own };
}

function parsePort(text: string): number | undefined {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  return port >= 1 && port <= 65_535 ? port : undefined;
}

/** Host and port of `host`, `host:port`, `[host]:port`; undefined when the port is none. */
export function splitHostPort(text: string): { host: string; port: number | undefined } | undefined {
  const colon = text.lastIndexOf(":");
  const isBracketed = text.startsWith("[") && text[colon - 1] === "]";
  const hasPort = colon >= 0 && (isBracketed || text.indexOf(":") === colon);
  const host = (hasPort ? text.slice(0, colon) : text).replace(/^\[(.*)\]$/, "$1");
  if (!hasPort) return { host, port: undefined };
  const port = parsePort(text.slice(colon + 1));
  return port === undefined ? undefined : { host, port };
}

function findLogin(call: CallSettings, networkFolder: string): { login: string; refusal: string } {
  const { settings } = call;
  const password = call.password === "" ? settings.string("rpcpassword", "") : call.password;
  if (password !== "") {
    return {
      login: `${settings.string("rpcuser", "")}:${password}`,
      refusal: "Incorrect rpcuser or rpcpassword were specified.",
    };
  }
  const cookie = settings.path("rpccookiefile") ?? ".cookie";
  if (cookie === "") {
    return {
      login: "",
      refusal: "Cookie file was disabled via -norpccookiefile and no rpcpassword was specified.",
    };
  }
  try {
    const text = readFileSync(resolve(call.folder, networkFolder, cookie), "utf8");
    return {
      login: text.split("\n", 1)[0] ?? "",
      refusal: "Cookie file credentials were invalid and no rpcpassword was specified.",
    };
  } catch {
    return { login: "", refusal: "Failed to read cookie file and no rpcpassword was specified." };
  }
}
