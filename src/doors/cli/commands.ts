/** What a command line asks for: a method, or one of the client's own summaries (bitcoin-cli.cpp). */
import { type Json, JsonNumber, type JsonObject } from "#base/lib/json.ts";
import type { Settings } from "#node/config/settings.ts";
import { convertNamed, convertPositional } from "./convert-arguments.ts";
import { formatInfo, walletBalances } from "./format-info.ts";
import { formatNetworkInfo, NETWORK_INFO_HELP, parseNetworkInfoLevel } from "./format-network-info.ts";
import { rpcRequest } from "./rpc-client.ts";

/** Calls a method without arguments, for another wallet than -rpcwallet's where one is named. */
export type CallMethod = (method: string, wallet?: string) => Promise<JsonObject>;

/** One call over the wire, and what becomes of its answer. */
export interface Command {
  readonly body: Json;
  /** The one reply (`result` or `error`) of what came back. */
  read(answer: Json): JsonObject;
  /** The result as it is shown. */
  show(result: Json, call: CallMethod): Json | Promise<Json>;
}

const SUMMARIES = ["addrinfo", "generate", "getinfo", "netinfo"];
const METHOD_NOT_FOUND = "-32601";
const DEFAULT_BLOCKS = "1";

/**
 * The command of a command line; a text that needs no node, or the error of a first call.
 * @throws Error with Core's text
 */
export async function chooseCommand(
  settings: Settings,
  words: readonly string[],
  call: CallMethod,
): Promise<Command | { text: string } | { error: Json }> {
  const chosen = SUMMARIES.filter((name) => settings.isSet(name));
  if (chosen.length > 1) {
    throw new Error(`Only one of ${chosen.map((name) => `-${name}`).join(", ")} may be specified.`);
  }
  if (settings.boolean("getinfo", false)) return infoCommand(settings, words);
  if (settings.boolean("netinfo", false)) {
    if (words[0] === "h" || words[0] === "help") return { text: NETWORK_INFO_HELP };
    return networkInfoCommand(settings, words);
  }
  if (settings.boolean("generate", false)) return generateCommand(words, call);
  if (settings.boolean("addrinfo", false)) return addressCommand(words);
  const [method, ...rest] = words;
  if (method === undefined) throw new Error("too few parameters (need at least command)");
  return methodCommand(settings, method, rest);
}

/** A call of one method with arguments as they stand on the command line. */
export function methodCommand(settings: Settings, method: string, args: readonly string[]): Command {
  const params = settings.boolean("named", false)
    ? convertNamed(method, args)
    : convertPositional(method, args);
  return {
    body: rpcRequest(method, params, settings.string("rpcid", "1")),
    read: asReply,
    show: (result) => result,
  };
}

function asReply(answer: Json): JsonObject {
  if (Array.isArray(answer) || answer === null || typeof answer !== "object") {
    throw new Error("expected reply to have result, error and id properties");
  }
  return answer as JsonObject;
}

/** The replies of a batch in the order of their ids 0, 1, …, as one reply: the first error that counts, or all. */
function readBatch(answer: Json, size: number, fatal: number): JsonObject {
  if (!Array.isArray(answer)) throw new Error("Batch must be an array");
  const replies: JsonObject[] = Array.from({ length: size }, () => ({}));
  for (const item of answer) {
    const reply = asReply(item);
    const { id } = reply;
    const index = id instanceof JsonNumber ? Number(id.text) : -1;
    if (!(index >= 0 && index < size)) throw new Error("Batch member id is larger than batch size");
    replies[index] = reply;
  }
  const failed = replies.slice(0, fatal).find((reply) => (reply["error"] ?? null) !== null);
  return failed ?? { result: replies };
}

function infoCommand(settings: Settings, words: readonly string[]): Command {
  if (words.length > 0) throw new Error("-getinfo takes no arguments");
  const methods = ["getnetworkinfo", "getblockchaininfo", "getwalletinfo", "getbalances"];
  return {
    body: methods.map((method, id) => rpcRequest(method, null, id)),
    // Only the last two may fail: there may be no wallet.
    read: (answer) => readBatch(answer, methods.length, 2),
    async show(replies, call) {
      const isWalletNamed = settings.isSet("rpcwallet") && !settings.isNegated("rpcwallet");
      const balances = isWalletNamed ? [] : await walletBalances(call);
      return formatInfo(replies as JsonObject[], balances, isColoured(settings));
    },
  };
}

/** Whether -getinfo shows colours. @throws Error */
function isColoured(settings: Settings): boolean {
  const when = settings.string("color", "auto");
  if (when === "always") return true;
  if (when === "never") return false;
  if (when === "auto") return process.stdout.isTTY === true && !process.env["NO_COLOR"];
  throw new Error("Invalid value for -color option. Valid values: always, auto, never.");
}

function networkInfoCommand(settings: Settings, words: readonly string[]): Command {
  const level = parseNetworkInfoLevel(words);
  return {
    body: ["getpeerinfo", "getnetworkinfo"].map((method, id) => rpcRequest(method, null, id)),
    read: (answer) => readBatch(answer, 2, 2),
    show(replies) {
      const [peers, network] = (replies as JsonObject[]).map((reply) => reply["result"] ?? null);
      return formatNetworkInfo(peers as JsonObject[], network as JsonObject, {
        ...level,
        chain: settings.network,
        now: Math.floor(Date.now() / 1000),
      });
    },
  };
}

/** -generate: a new address of the wallet, then blocks to it. */
async function generateCommand(
  words: readonly string[],
  call: CallMethod,
): Promise<Command | { error: Json }> {
  const { result = null, error = null } = await call("getnewaddress");
  if (error !== null) return { error };
  const address = String(result);
  if (words.length > 2) throw new Error("too many arguments (maximum 2 for nblocks and maxtries)");
  const [blocks = DEFAULT_BLOCKS, ...tries] = words;
  if (blocks === "0") {
    throw new Error(
      `the first argument (number of blocks to generate, default: ${DEFAULT_BLOCKS}) must be an integer value greater than zero`,
    );
  }
  const params = convertPositional("generatetoaddress", [blocks, address, ...tries]);
  return {
    body: rpcRequest("generatetoaddress", params),
    read: asReply,
    show: (hashes) => ({ address, blocks: hashes }),
  };
}

function addressCommand(words: readonly string[]): Command {
  if (words.length > 0) throw new Error("-addrinfo takes no arguments");
  return {
    body: rpcRequest("getaddrmaninfo", null),
    read(answer) {
      const reply = asReply(answer);
      const { code } = (reply["error"] ?? {}) as JsonObject;
      if (code instanceof JsonNumber && code.text === METHOD_NOT_FOUND) {
        throw new Error(
          "-addrinfo requires bitcoind v26.0 or later which supports getaddrmaninfo RPC. Please upgrade your node or use bitcoin-cli from the same version.",
        );
      }
      return reply;
    },
    show(result) {
      const known: JsonObject = {};
      for (const [network, counts] of Object.entries(result as JsonObject)) {
        known[network === "all_networks" ? "total" : network] = (counts as JsonObject)["total"];
      }
      return { addresses_known: known };
    },
  };
}
