/**
 * The client under Core's name: same options, same output, same exit codes (bitcoin-cli.cpp). Results go to
 * standard output, errors to standard error; the exit code is the RPC error's magnitude, or 1.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { type Json, JsonNumber, type JsonObject, stringify } from "#base/lib/json.ts";
import { chooseNetwork, chooseSection } from "#node/config/choose-network.ts";
import { readConfigFiles } from "#node/config/config-file.ts";
import { coreDataDirectory, dataDirectory } from "#node/config/data-directory.ts";
import { type ConfigError, Settings } from "#node/config/settings.ts";
import { CLIENT_OPTIONS } from "./client-options.ts";
import { convertNamed, convertPositional } from "./convert-arguments.ts";
import { formatInfo } from "./format-info.ts";
import { ConnectionFailed, callRpc, type RpcEndpoint, rpcRequest, ServerRefused } from "./rpc-client.ts";

/** What goes to the terminal, and the exit code. */
export interface Outcome {
  readonly code: number;
  readonly text: string;
}

const IN_WARMUP = -28;

/** Runs one command line. `version` is what -version prints. */
export async function runBitcoinCli(args: readonly string[], version: string): Promise<Outcome> {
  const end = args.findIndex((arg) => !arg.startsWith("-"));
  const options = end < 0 ? args : args.slice(0, end);
  const command = end < 0 ? [] : args.slice(end);
  if (args.length === 0) return { code: 1, text: "error: too few parameters\n" };
  if (options.some((option) => /^--?(help|h|\?)$/.test(option))) return { code: 0, text: helpText(version) };
  if (options.some((option) => /^--?version$/.test(option))) return { code: 0, text: `${version}\n` };
  const settings = new Settings(CLIENT_OPTIONS);
  let configPath = "bitcoin.conf";
  try {
    settings.readCommandLine(options);
    const folder = dataDirectory(settings, coreDataDirectory());
    configPath = join(folder, settings.string("conf", "bitcoin.conf"));
    readConfigFiles(settings, folder);
    settings.network = chooseSection(settings);
  } catch (error) {
    return { code: 1, text: `Error: ${(error as ConfigError).message}\n` };
  }
  try {
    return await runCommand(settings, command, configPath);
  } catch (error) {
    return { code: 1, text: `error: ${(error as Error).message}\n` };
  }
}

function helpText(version: string): string {
  const lines = [version, "", "Usage:  bitcoin-cli [options] <command> [params]", "", "Options:", ""];
  for (const [name, spec] of Object.entries(CLIENT_OPTIONS)) {
    lines.push(`  -${name}${spec.value === undefined ? "" : `=${spec.value}`}`, `       ${spec.help}`, "");
  }
  return `${lines.join("\n")}\n`;
}

async function runCommand(
  settings: Settings,
  command: readonly string[],
  configPath: string,
): Promise<Outcome> {
  const input = createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY });
  const lines = input[Symbol.asyncIterator]();
  const nextLine = async () => {
    const line = await lines.next();
    return line.done === true ? undefined : line.value;
  };
  try {
    let password = settings.string("rpcpassword", "");
    if (settings.boolean("stdinrpcpass", false)) {
      const line = await nextLine();
      if (line === undefined)
        throw new Error("-stdinrpcpass specified but failed to read from standard input");
      password = line;
    }
    let args = [...command];
    if (settings.boolean("stdinwalletpassphrase", false)) {
      if (!args[0]?.startsWith("walletpassphrase")) {
        throw new Error("-stdinwalletpassphrase is only applicable for walletpassphrase(change)");
      }
      const line = await nextLine();
      if (line === undefined) {
        throw new Error("-stdinwalletpassphrase specified but failed to read from standard input");
      }
      args.splice(1, 0, line);
    }
    if (settings.boolean("stdin", false)) {
      for (let line = await nextLine(); line !== undefined; line = await nextLine()) args = [...args, line];
    }
    return await connectAndCall(settings, args, password, configPath);
  } finally {
    input.close();
    process.stdin.unref?.();
  }
}

async function connectAndCall(
  settings: Settings,
  args: readonly string[],
  password: string,
  configPath: string,
): Promise<Outcome> {
  const { body, format } = buildCall(settings, args);
  const wait = settings.boolean("rpcwait", false);
  const waitSeconds = settings.integer("rpcwaittimeout", 0);
  const deadline = waitSeconds > 0 ? Date.now() + waitSeconds * 1000 : Number.POSITIVE_INFINITY;
  for (;;) {
    try {
      const { endpoint, hint } = endpointOf(settings, password, configPath);
      const reply = await callRpc(endpoint, body, hint);
      if (wait && isWarmingUp(reply)) throw new ConnectionFailed("server in warmup");
      return format(reply);
    } catch (error) {
      if (!(error instanceof ConnectionFailed)) throw error;
      if (!wait) throw error;
      if (Date.now() >= deadline) {
        throw new Error(`timeout on transient error: ${error.message}`);
      }
      await sleep(Math.min(1000, Math.max(50, deadline - Date.now())));
    }
  }
}

function isWarmingUp(reply: Json): boolean {
  const first = Array.isArray(reply) ? reply[0] : reply;
  const error = (first as JsonObject | null | undefined)?.["error"] as JsonObject | null | undefined;
  return error?.["code"] instanceof JsonNumber && Number(error["code"].text) === IN_WARMUP;
}

/** Where to call and with what credentials; the cookie is read anew at every try. */
function endpointOf(
  settings: Settings,
  password: string,
  configPath: string,
): { endpoint: RpcEndpoint; hint: string } {
  const network = chooseNetwork(settings);
  let host = settings.string("rpcconnect", "127.0.0.1");
  let port = network.rpcPort;
  const withPort = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(host);
  if (withPort !== null) {
    host = withPort[1] ?? withPort[2]!;
    port = Number(withPort[3]);
  }
  if (settings.isSet("rpcport")) {
    port = settings.integer("rpcport", port);
    if (port < 1 || port > 65_535) {
      throw new ServerRefused(`Invalid port provided in -rpcport: ${settings.string("rpcport")}`);
    }
  }
  let login = `${settings.string("rpcuser", "")}:${password}`;
  let hint = "Authorization failed: Incorrect rpcuser or rpcpassword";
  if (password === "") {
    const folder = join(dataDirectory(settings, coreDataDirectory()), network.folder);
    const cookie = settings.string("rpccookiefile", ".cookie");
    try {
      login = readFileSync(cookie.startsWith("/") ? cookie : join(folder, cookie), "utf8").split("\n", 1)[0]!;
    } catch {
      hint = `Could not locate RPC credentials. No authentication cookie could be found, and RPC password is not set.  See -rpcpassword and -stdinrpcpass.  Configuration file: (${configPath})`;
    }
  }
  const wallet = settings.string("rpcwallet");
  const path = wallet === undefined ? "/" : `/wallet/${encodeURIComponent(wallet)}`;
  return { endpoint: { host, port, login, path, timeout: settings.integer("rpcclienttimeout", 900) }, hint };
}

interface Call {
  readonly body: Json;
  format(reply: Json): Outcome;
}

function buildCall(settings: Settings, args: readonly string[]): Call {
  if (settings.boolean("getinfo", false)) {
    if (args.length > 0) throw new Error("-getinfo takes no arguments");
    const methods = ["getnetworkinfo", "getblockchaininfo", "getwalletinfo", "getbalances"];
    return {
      body: methods.map((method, id) => rpcRequest(method, [], id)),
      format: (reply) => formatInfo(reply as Json[], process.stdout.isTTY && !process.env["NO_COLOR"]),
    };
  }
  if (settings.boolean("addrinfo", false)) {
    if (args.length > 0) throw new Error("-addrinfo takes no arguments");
    return { body: rpcRequest("getaddrmaninfo", []), format: formatAddresses };
  }
  const [method, ...rest] = args;
  if (method === undefined) throw new Error("too few parameters (need at least command)");
  const params = settings.boolean("named", false)
    ? convertNamed(method, rest)
    : convertPositional(method, rest);
  return { body: rpcRequest(method, params), format: formatReply };
}

function formatAddresses(reply: Json): Outcome {
  const result = (reply as JsonObject)["result"];
  if (result === undefined || result === null) return formatReply(reply);
  const known: JsonObject = {};
  for (const [network, counts] of Object.entries(result as JsonObject)) {
    known[network === "all_networks" ? "total" : network] = (counts as JsonObject)["total"];
  }
  return { code: 0, text: `${stringify({ addresses_known: known }, 2)}\n` };
}

/** A reply as the terminal shows it: strings raw, null as nothing, the rest as JSON. */
export function formatReply(reply: Json): Outcome {
  const { result = null, error = null } = reply as JsonObject;
  if (error !== null) return formatError(error);
  if (result === null) return { code: 0, text: "" };
  return { code: 0, text: `${typeof result === "string" ? result : stringify(result, 2)}\n` };
}

function formatError(error: Json): Outcome {
  const { code, message } = error as JsonObject;
  if (!(code instanceof JsonNumber)) return { code: 1, text: `error: ${stringify(error)}\n` };
  return {
    code: Math.abs(Number(code.text)) & 0xff,
    text: `error code: ${code.text}\nerror message:\n${String(message)}\n`,
  };
}
