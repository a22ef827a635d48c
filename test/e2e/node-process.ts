/**
 * A node as a process of its own, as a stranger starts it: `compat/bitcoind` in a data directory of its own, on
 * loopback and regtest unless told otherwise, never looking for peers by itself.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { Agent, type IncomingHttpHeaders, request } from "node:http";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../../demo/free-port.ts";

const ROOT = join(import.meta.dirname, "../..");
export const BITCOIND = join(ROOT, "compat/bitcoind");
export const BITCOIN_CLI = join(ROOT, "compat/bitcoin-cli");
export const FREEHOLD = join(ROOT, "bin/freehold");

/** Longest that a node may take to start or to stop, ms. */
const PATIENCE = 60_000;
/** Between two looks at something that must come to pass, ms. */
const GLANCE = 25;

export interface NodeOptions {
  /** Further arguments, after the usual ones, so that they win. */
  readonly args?: readonly string[];
  /** All arguments, in place of the usual ones. */
  readonly only?: readonly string[];
  /** Text of bitcoin.conf; none is written when undefined. */
  readonly conf?: string;
  /** An existing directory, which is kept; a temporary one otherwise, removed by `stop` and disposal. */
  readonly datadir?: string;
  readonly port?: number;
  readonly rpcPort?: number;
  /** `""` when arguments or bitcoin.conf choose the network themselves. */
  readonly network?: "regtest" | "";
  /** Folder of the network within the data directory, where the cookie is. */
  readonly networkFolder?: string;
  /** `user:password` where -rpcpassword is set and there is no cookie. */
  readonly login?: string;
  /** False: return as soon as the process runs. */
  readonly wait?: boolean;
}

/** How a program ended. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** An HTTP answer. */
export interface HttpReply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** What a node answered instead of a result. */
export class RpcFailure extends Error {
  override readonly name = "RpcFailure";
  readonly code: number;

  constructor(method: string, error: { code: number; message: string }) {
    super(`${method}: ${error.message} (${error.code})`);
    this.code = error.code;
  }
}

/** JSON of which a test knows the form. */
// biome-ignore lint/suspicious/noExplicitAny: tests read replies as they expect them and fail where they differ
export type Reply = any;

const directories = new Set<string>();
const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
  for (const path of directories) rmSync(path, { recursive: true, force: true });
});

/** A directory that lives no longer than this process. */
export function temporaryDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), "freehold-"));
  directories.add(path);
  return path;
}

/** Waits until `done` returns something other than undefined or false. */
export async function until<T>(
  what: string,
  done: () => T | undefined | false | Promise<T | undefined | false>,
  patience = PATIENCE,
  glance = GLANCE,
): Promise<T> {
  const end = Date.now() + patience;
  for (;;) {
    const result = await done();
    if (result !== undefined && result !== false) return result;
    if (Date.now() > end) throw new Error(`waited ${patience} ms in vain until ${what}`);
    await sleep(glance);
  }
}

/** Runs a program to its end. */
export async function runProgram(
  file: string,
  args: readonly string[],
  options: { readonly input?: string; readonly env?: NodeJS.ProcessEnv; readonly cwd?: string } = {},
): Promise<Ended> {
  const child = spawn(file, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  child.stdin.on("error", () => {});
  child.stdin.end(options.input ?? "");
  return endOf(child);
}

function endOf(child: ChildProcess): Promise<Ended> {
  let stdout = "";
  let stderr = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}

/** Sends one HTTP request to a port of loopback. */
export function sendHttp(
  port: number,
  options: {
    readonly method?: string;
    readonly path?: string;
    readonly login?: string;
    readonly headers?: Record<string, string>;
    readonly body?: string;
    readonly agent?: Agent;
  },
): Promise<HttpReply> {
  const headers: Record<string, string> = { ...options.headers };
  if (options.login !== undefined) {
    headers["Authorization"] = `Basic ${Buffer.from(options.login).toString("base64")}`;
  }
  return new Promise((resolve, reject) => {
    const call = request(
      {
        host: "127.0.0.1",
        port,
        method: options.method ?? "POST",
        path: options.path ?? "/",
        headers,
        ...(options.agent === undefined ? { agent: false } : { agent: options.agent }),
      },
      (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (chunk: string) => {
          text += chunk;
        });
        response.once("error", reject);
        response.once("end", () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text }),
        );
      },
    );
    call.once("error", reject);
    call.end(options.body ?? "");
  });
}

/** Starts a node and waits until it answers. @throws Error with its stderr when it ends instead */
export async function startNode(options: NodeOptions = {}): Promise<NodeProcess> {
  const node = new NodeProcess(
    options,
    options.port ?? (await freePort()),
    options.rpcPort ?? (await freePort()),
  );
  if (options.wait !== false) {
    try {
      await node.waitForRpc();
    } catch (error) {
      await node.kill("SIGKILL");
      throw error;
    }
  }
  return node;
}

export class NodeProcess {
  readonly port: number;
  readonly rpcPort: number;
  readonly datadir: string;
  /** Folder of the network. */
  readonly folder: string;
  readonly pid: number;
  /** Settles when the process has ended. */
  readonly ended: Promise<Ended>;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #child: ChildProcess;
  #isTemporary: boolean;
  readonly #options: NodeOptions;
  #stderr = "";
  #end: Ended | undefined;
  #nextId = 1;

  constructor(options: NodeOptions, port: number, rpcPort: number) {
    this.#options = options;
    this.port = port;
    this.rpcPort = rpcPort;
    this.#isTemporary = options.datadir === undefined;
    this.datadir = options.datadir ?? temporaryDirectory();
    this.folder = join(this.datadir, options.networkFolder ?? "regtest");
    if (options.conf !== undefined) writeFileSync(join(this.datadir, "bitcoin.conf"), options.conf);
    const args = options.only ?? [
      `-datadir=${this.datadir}`,
      ...((options.network ?? "regtest") === "" ? [] : [`-${options.network ?? "regtest"}`]),
      `-bind=127.0.0.1:${port}`,
      `-rpcport=${rpcPort}`,
      "-connect=0",
      "-dnsseed=0",
      "-printtoconsole=0",
      "-par=1",
      ...(options.args ?? []),
    ];
    this.#child = spawn(BITCOIND, args, { stdio: ["ignore", "pipe", "pipe"], cwd: this.datadir });
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr += text;
    });
    this.pid = this.#child.pid ?? 0;
    running.add(this.#child);
    // A node does not keep a test alive that has failed: it is killed when the test's process ends.
    this.#child.unref();
    for (const stream of [this.#child.stdout, this.#child.stderr]) (stream as Socket | null)?.unref();
    this.ended = endOf(this.#child).then((end) => {
      this.#end = end;
      running.delete(this.#child);
      return end;
    });
  }

  /** What it has written to standard error so far. */
  get stderr(): string {
    return this.#stderr;
  }

  /** `user:password` of the cookie, or as it was told. */
  get login(): string {
    return this.#options.login ?? readFileSync(join(this.folder, ".cookie"), "utf8").trim();
  }

  get debugLog(): string {
    return readFileSync(join(this.folder, "debug.log"), "utf8");
  }

  /** Waits until calls are answered and the mempool is loaded, as Core's test framework does. */
  async waitForRpc(): Promise<void> {
    await until("the node answers", async () => {
      if (this.#end !== undefined) {
        throw new Error(`the node ended with ${this.#end.code ?? this.#end.signal}: ${this.#end.stderr}`);
      }
      try {
        return (await this.rpc("getmempoolinfo")).loaded === true;
      } catch {
        return false;
      }
    });
  }

  /** Sends a body as it stands. */
  post(body: string, options: { path?: string; login?: string; method?: string } = {}): Promise<HttpReply> {
    return sendHttp(this.rpcPort, { login: this.login, agent: this.#agent, body, ...options });
  }

  /** The result of a method. @throws RpcFailure */
  async rpc(method: string, params: unknown = []): Promise<Reply> {
    const body = JSON.stringify({ jsonrpc: "2.0", id: this.#nextId++, method, params });
    const reply = await this.post(body);
    if (reply.status !== 200) throw new Error(`${method}: HTTP ${reply.status} ${reply.text}`);
    const { result, error } = JSON.parse(reply.text) as {
      result: Reply;
      error?: { code: number; message: string };
    };
    if (error !== undefined) throw new RpcFailure(method, error);
    return result;
  }

  /** Runs bitcoin-cli against this node. */
  cli(
    args: readonly string[],
    options: { readonly input?: string; readonly env?: NodeJS.ProcessEnv } = {},
  ): Promise<Ended> {
    const network = (this.#options.network ?? "regtest") === "" ? [] : ["-regtest"];
    return runProgram(
      BITCOIN_CLI,
      [`-datadir=${this.datadir}`, ...network, `-rpcport=${this.rpcPort}`, ...args],
      options,
    );
  }

  /** Keeps the data directory when the node has ended; it is the caller's from now on. */
  keep(): string {
    this.#isTemporary = false;
    return this.datadir;
  }

  /** Asks it to stop by RPC and waits for its end. */
  async stop(): Promise<Ended> {
    if (this.#end === undefined) await this.rpc("stop");
    return this.#finish();
  }

  /** Sends a signal and waits for the end. */
  async kill(signal: NodeJS.Signals = "SIGTERM"): Promise<Ended> {
    this.#child.kill(signal);
    return this.#finish();
  }

  async #finish(): Promise<Ended> {
    const patience = new AbortController();
    const end = await Promise.race([
      this.ended,
      sleep(PATIENCE, undefined, { signal: patience.signal }).catch(() => undefined),
    ]);
    patience.abort();
    this.#agent.destroy();
    if (end === undefined) {
      this.#child.kill("SIGKILL");
      throw new Error(`the node did not end within ${PATIENCE} ms`);
    }
    if (this.#isTemporary) {
      rmSync(this.datadir, { recursive: true, force: true });
      directories.delete(this.datadir);
    }
    return end;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#end === undefined) await this.kill("SIGKILL");
    else await this.#finish();
  }
}
