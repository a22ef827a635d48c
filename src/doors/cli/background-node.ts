/** A node in the background, as `freehold` starts it, asks it and stops it. */

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { connect } from "node:net";
import { dirname, join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { hostPort } from "#base/lib/host-port.ts";
import { type Json, JsonNumber, type JsonObject } from "#base/lib/json.ts";
import { chooseNetwork } from "#node/config/choose-network.ts";
import { defaultDataDirectory, RPC_ADDRESS } from "#node/config/data-directory.ts";
import { OPTIONS } from "#node/config/options.ts";
import { readArguments, readConfiguration } from "#node/config/read-settings.ts";
import { Settings } from "#node/config/settings.ts";
import { VERSION } from "#node/config/version.ts";
import type { Network } from "#protocol/bitcoin/network.ts";
import { ApiClient, ApiRefusal } from "./api-client.ts";
import { CLIENT_OPTIONS } from "./client-options.ts";
import { type CallSettings, findEndpoint, splitHostPort } from "./endpoint.ts";
import { reasonOf } from "./error-text.ts";
import { type NodeStatus, type ServicesStatus, statusOf } from "./format-status.ts";
import { NotRunning, noNodeIn } from "./not-running.ts";
import { ConnectionFailed, callRpc, type RpcEndpoint, rpcRequest, ServerRefused } from "./rpc-client.ts";

/** The daemon's program. */
const DAEMON = resolve(import.meta.dirname, "../../node/freehold-node.ts");
/** A daemon without a terminal, that can be asked and stopped. */
const AS_SERVICE = ["-nodaemon", "-nodaemonwait", "-noprinttoconsole", "-server=1"];
/** Between two looks at the node, ms. */
const GLANCE = 200;
const IN_WARMUP = -28;

/** The node is there but not ready; the text says what it does. */
export class Starting extends Error {
  override readonly name = "Starting";
}

export interface NodePlace {
  /** Data directory; the default one when undefined. */
  readonly datadir: string | undefined;
  /** Name of the network; the one of the configuration when undefined. */
  readonly network: string | undefined;
  /** Further options of the daemon, as `-dbcache=1000`. */
  readonly options: readonly string[];
  /** True when a node is to be started there: a folder that is missing is made. */
  readonly isNew: boolean;
}

export class BackgroundNode {
  readonly network: Network;
  /** Folder of the network. */
  readonly folder: string;
  readonly datadir: string;
  readonly #call: CallSettings;
  readonly #args: readonly string[];

  /**
   * @throws ConfigError when options or configuration make no sense
   * @throws NotRunning where there is no folder, and none is to be made
   */
  constructor(place: NodePlace) {
    const datadir = resolve(place.datadir ?? defaultDataDirectory());
    if (place.isNew) makeFolder(datadir);
    else if (!existsSync(datadir)) throw noNodeIn(datadir);
    if (!statSync(datadir).isDirectory()) {
      throw new Error(`the data directory ${datadir} is a file: a folder is needed`);
    }
    this.#args = [
      `-datadir=${datadir}`,
      ...(place.network === undefined ? [] : [`-chain=${place.network}`]),
      ...place.options,
    ];
    const settings = readArguments(this.#args, new Settings({ ...OPTIONS, ...CLIENT_OPTIONS }));
    const show = (text: string) => void process.stderr.write(`${text}\n`);
    const { folder, config } = readConfiguration(settings, datadir, show);
    this.network = chooseNetwork(settings);
    this.datadir = folder;
    this.folder = join(folder, this.network.folder);
    this.#call = { settings, folder, config, password: "", show };
  }

  /**
   * Results of methods without arguments, in one batch.
   * @throws NotRunning, Starting, ServerRefused, Error with the text of the first method that failed
   */
  async ask(methods: readonly string[]): Promise<Json[]> {
    const batch = methods.map((method, id) => rpcRequest(method, [], id));
    let replies: Json;
    try {
      replies = await callRpc(this.#endpoint(), batch);
    } catch (error) {
      // Whoever refuses us at the port of a node that was killed is another's node.
      const pid = this.#pid();
      const isGone = error instanceof ServerRefused && pid !== undefined && !isAlive(pid);
      if (isGone || error instanceof ConnectionFailed) throw noNodeIn(this.folder);
      throw error;
    }
    return (replies as JsonObject[]).map(({ result = null, error = null }) => {
      if (error === null) return plain(result);
      const { code, message } = plain(error) as { code: number; message: string };
      throw code === IN_WARMUP ? new Starting(message) : new Error(message);
    });
  }

  /** Where the node of this folder says that it answers; its options may have been given when it was started. */
  #endpoint(): RpcEndpoint {
    const found = findEndpoint(this.#call, undefined);
    if (this.#call.settings.isSet("rpcconnect")) return found;
    let text: string;
    try {
      text = readFileSync(join(this.folder, RPC_ADDRESS), "utf8").trim();
    } catch {
      throw noNodeIn(this.folder);
    }
    const { host, port } = splitHostPort(text) ?? {};
    return host === undefined || port === undefined ? found : { ...found, host, port };
  }

  /** @throws as {@link ask} */
  async status(): Promise<NodeStatus> {
    const [uptime = 0] = await this.ask(["uptime"]);
    const own = { uptime, version: VERSION, network: this.network.name, datadir: this.datadir };
    // With -ledger=none these have nothing to tell.
    const methods = ["getblockchaininfo", "getnetworkinfo", "getmempoolinfo"];
    const ledger = await this.ask(methods).catch((error: Error) => {
      if (error instanceof NotRunning || error instanceof Starting) throw error;
      return undefined;
    });
    return statusOf(own, ledger, await this.#services());
  }

  /** What the API tells of the other process; undefined while it is shut. */
  async #services(): Promise<ServicesStatus | undefined> {
    try {
      const api = ApiClient.of(this.folder);
      const { sharing } = await api.get<{ sharing: ServicesStatus["sharing"] }>("/status");
      return { api: api.address, sharing };
    } catch (error) {
      if (error instanceof NotRunning || error instanceof ApiRefusal) return undefined;
      throw error;
    }
  }

  /** A link that logs a browser in, once; undefined while the API is shut. */
  async loginLink(): Promise<string | undefined> {
    try {
      const api = ApiClient.of(this.folder);
      const { key } = await api.post<{ key: string }>("/login-links");
      return `${api.address}/#k=${key}`;
    } catch (error) {
      if (error instanceof NotRunning) return undefined;
      throw error;
    }
  }

  /** Where RPC is answered, `127.0.0.1:8332`. */
  get rpcAddress(): string {
    const { host, port } = this.#endpoint();
    return hostPort(host, port);
  }

  /**
   * Starts the daemon apart from this terminal and waits until it answers.
   * @param tell is told what it does meanwhile
   * @throws Error with the daemon's own text when it ended instead
   */
  async start(tell: (text: string) => void): Promise<void> {
    const child = spawn(process.execPath, [...process.execArgv, DAEMON, ...this.#args, ...AS_SERVICE], {
      detached: true,
      stdio: ["ignore", "ignore", "pipe"],
    });
    const failure = watch(child);
    try {
      for (;;) {
        const ended = await Promise.race([failure, sleep(GLANCE)]);
        if (ended !== undefined) throw await this.#explained(ended);
        const state = await this.#state();
        if (state === undefined) return;
        tell(state);
      }
    } finally {
      child.stderr?.destroy();
      child.unref();
    }
  }

  /** Core's text sends people to the log; that another node has the port can be said at once. */
  async #explained(failure: Error): Promise<Error> {
    const bound = /^Unable to bind to (\S+) on this computer\. /.exec(failure.message)?.[1];
    if (bound !== undefined) {
      return new Error(
        `${bound}, where the ledger's peers are awaited, is in use, perhaps by another node: give this one another ` +
          "with --port=<port>, or none with --listen=0",
      );
    }
    if (!failure.message.startsWith("Unable to start HTTP server")) return failure;
    const { host, port } = findEndpoint(this.#call, undefined);
    if (!(await isTaken(host, port)))
      return new Error(`${failure.message} (${join(this.folder, "debug.log")})`);
    return new Error(
      `port ${port}, on which RPC is to be answered, is in use, perhaps by another node: give this one another with ` +
        "--rpcport=<port>",
    );
  }

  /** What the node does before it is ready; undefined when it is. */
  async #state(): Promise<string | undefined> {
    try {
      await this.ask(["uptime"]);
      return undefined;
    } catch (error) {
      if (error instanceof Starting) return error.message;
      if (error instanceof NotRunning) return "Starting";
      // The cookie of an earlier run is still there until the new one has written its own.
      return "Waiting for the node's credentials";
    }
  }

  /** Stops the node and waits until its process has ended. @throws NotRunning */
  async stop(): Promise<void> {
    const pid = this.#pid();
    await this.ask(["stop"]);
    while (pid === undefined ? await this.#answers() : isAlive(pid)) await sleep(GLANCE);
  }

  async #answers(): Promise<boolean> {
    return this.ask(["uptime"]).then(
      () => true,
      (error) => !(error instanceof NotRunning),
    );
  }

  #pid(): number | undefined {
    const name = this.#call.settings.path("pid") ?? "bitcoind.pid";
    try {
      const pid = Number(readFileSync(resolve(this.folder, name), "utf8"));
      return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined;
    } catch {
      return undefined;
    }
  }
}

/**
 * One folder after the other, each for its owner alone. Not with `recursive`,
 * which never ends below /proc.
 */
function makeFolder(path: string): void {
  if (existsSync(path)) return;
  const parent = dirname(path);
  if (parent !== path) makeFolder(parent);
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return;
    throw new Error(`the data directory ${path} cannot be made: ${reasonOf(error as Error)}`, {
      cause: error,
    });
  }
}

/** Settles with the reason when the daemon ends. */
function watch(child: ChildProcess): Promise<Error> {
  let text = "";
  child.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
  });
  return new Promise((resolve) => {
    child.once("error", resolve);
    child.once("close", (code) => {
      resolve(new Error(text.trim().replace(/^Error: /, "") || `The node ended with code ${code}.`));
    });
  });
}

/** True when somebody takes connections there. */
function isTaken(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** A reply with its numbers as numbers. */
function plain(value: Json): Json {
  if (value instanceof JsonNumber) return Number(value.text);
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, plain(member ?? null)]));
}
