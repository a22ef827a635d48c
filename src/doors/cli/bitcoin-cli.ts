/**
 * The client under Core's name: same options, same output, same exit codes (bitcoin-cli.cpp). Results go to
 * standard output, errors to standard error; the exit code is the RPC error's magnitude, or 1.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type Json, JsonNumber, type JsonObject, stringify } from "#base/lib/json.ts";
import { chooseNetwork } from "#node/config/choose-network.ts";
import { coreDataDirectory } from "#node/config/data-directory.ts";
import { readArguments, readConfiguration } from "#node/config/read-settings.ts";
import { ConfigError, Settings } from "#node/config/settings.ts";
import { CLIENT_OPTIONS, clientHelp } from "./client-options.ts";
import { type Command, chooseCommand, methodCommand } from "./commands.ts";
import { type CallSettings, findEndpoint } from "./endpoint.ts";
import { failure, type Outcome, success } from "./outcome.ts";
import { ConnectionFailed, callRpc, LoginRefused } from "./rpc-client.ts";
import { StandardInput } from "./standard-input.ts";

const IN_WARMUP = -28;
const WALLET_NOT_SPECIFIED = -19;
/** Between two tries of -rpcwait, ms. */
const RETRY = 1000;

/** Runs one command line. `version` is what -version prints; `show` tells the user at once. */
export async function runBitcoinCli(
  args: readonly string[],
  version: string,
  show: (text: string) => void,
): Promise<Outcome> {
  const settings = new Settings(CLIENT_OPTIONS);
  try {
    readArguments(args, settings);
  } catch (error) {
    return failure((error as ConfigError).message);
  }
  if (args.length === 0) return { ...success(clientHelp(version)), ...FEW_ARGUMENTS };
  if (["help", "help-debug", "h", "?"].some((name) => settings.isSet(name))) {
    return success(clientHelp(version));
  }
  if (settings.boolean("version", false)) return success(version);
  let places: { folder: string; config: string };
  try {
    places = readConfiguration(settings, coreDataDirectory(), show);
    chooseNetwork(settings);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    // Core puts "Error: " before what names no stage.
    return failure(error.message.startsWith("Error ") ? error.message : `Error: ${error.message}`);
  }
  try {
    return await runCommand({ settings, ...places, show }, args);
  } catch (error) {
    return failure(`error: ${(error as Error).message}`);
  }
}

const FEW_ARGUMENTS = { code: 1, stderr: "Error: too few parameters\n" };

async function runCommand(call: Omit<CallSettings, "password">, args: readonly string[]): Promise<Outcome> {
  const { settings } = call;
  const first = args.findIndex((arg) => !arg.startsWith("-"));
  const words = first < 0 ? [] : args.slice(first);
  const input = new StandardInput();
  try {
    const password = await readPassword(settings, input);
    await readFurtherWords(settings, input, words);
    const wallet = settings.isNegated("rpcwallet") ? undefined : settings.string("rpcwallet");
    const connected = { ...call, password };
    const callMethod = async (method: string, params: readonly string[], ofWallet: string | undefined) =>
      connectAndCall(connected, methodCommand(settings, method, params), ofWallet);
    const command = await chooseCommand(settings, words, (method) => callMethod(method, [], wallet));
    if ("error" in command) return formatError(command.error);
    if ("text" in command) return success(command.text);
    const reply = await connectAndCall(connected, command, wallet);
    const { result = null, error = null } = reply;
    if (error !== null) return formatError(error);
    const shown = await command.show(result, (method, ofWallet) =>
      callMethod(method, [], ofWallet ?? wallet),
    );
    return formatResult(shown);
  } finally {
    input.close();
  }
}

async function readPassword(settings: Settings, input: StandardInput): Promise<string> {
  if (!settings.boolean("stdinrpcpass", false)) return "";
  const line = await input.secret("RPC password> ");
  if (line === undefined) throw new Error("-stdinrpcpass specified but failed to read from standard input");
  return line;
}

async function readFurtherWords(settings: Settings, input: StandardInput, words: string[]): Promise<void> {
  if (settings.boolean("stdinwalletpassphrase", false)) {
    if (!words[0]?.startsWith("walletpassphrase")) {
      throw new Error("-stdinwalletpassphrase is only applicable for walletpassphrase(change)");
    }
    const line = await input.secret("Wallet passphrase> ");
    if (line === undefined) {
      throw new Error("-stdinwalletpassphrase specified but failed to read from standard input");
    }
    words.splice(1, 0, line);
  }
  if (settings.boolean("stdin", false)) words.push(...(await input.rest()));
}

/** Calls, with -rpcwait until somebody answers. @throws ConnectionFailed, ServerRefused */
async function connectAndCall(
  call: CallSettings,
  command: Command,
  wallet: string | undefined,
): Promise<JsonObject> {
  const { settings } = call;
  const wait = settings.boolean("rpcwait", false);
  const patience = settings.integer("rpcwaittimeout", 0) * 1000;
  const deadline = patience > 0 ? performance.now() + patience : Number.POSITIVE_INFINITY;
  for (;;) {
    const endpoint = findEndpoint(call, wallet);
    try {
      const reply = command.read(await callRpc(endpoint, command.body));
      if (wait && codeOf(reply["error"]) === IN_WARMUP) throw new ConnectionFailed("server in warmup");
      return reply;
    } catch (error) {
      // A node that has just started has a cookie that was not there, or another, when we looked.
      if (wait && error instanceof LoginRefused && findEndpoint(call, wallet).login !== endpoint.login)
        continue;
      if (!(error instanceof ConnectionFailed)) throw error;
      if (!wait || performance.now() >= deadline) {
        throw new ConnectionFailed(`timeout on transient error: ${error.message}`);
      }
      await sleep(RETRY);
    }
  }
}

function codeOf(error: Json | undefined): number | undefined {
  if (typeof error !== "object" || error === null) return undefined;
  const { code } = error as JsonObject;
  return code instanceof JsonNumber ? Number(code.text) : undefined;
}

/** A result as the terminal shows it: strings raw, null as nothing, the rest as JSON. */
function formatResult(result: Json): Outcome {
  if (result === null) return success("");
  return success(typeof result === "string" ? result : stringify(result, 2));
}

function formatError(error: Json): Outcome {
  const code = codeOf(error);
  const { message } = error as JsonObject;
  let text = code === undefined ? "" : `error code: ${code}\n`;
  if (typeof message === "string") text += `error message:\n${message}`;
  if (code === WALLET_NOT_SPECIFIED) {
    text +=
      ' Or for the CLI, specify the "-rpcwallet=<walletname>" option before the command (run "bitcoin-cli -h" for help or "bitcoin-cli listwallets" to see which wallets are currently loaded).';
  }
  // An exit code has eight bits.
  return failure(text, Math.abs(code ?? 1) & 0xff);
}
