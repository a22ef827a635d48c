/**
 * One peer of the story: a real node in processes of its own, spoken to as its owner would: by its API, its RPC port and
 * `bin/freehold`.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ApiClient } from "#doors/cli/api-client.ts";
import { freePort } from "./free-port.ts";
import type { Tampering } from "./tampering.ts";

const ROOT = join(import.meta.dirname, "..");
/** What `freehold start` starts. */
const NODE = join(ROOT, "src/node/freehold-node.ts");
/** The sharing process of a peer that cheats. */
const TAMPERED = join(import.meta.dirname, "tampered-sharing.ts");
export const FREEHOLD = join(ROOT, "bin/freehold");
/** Milliseconds that a node may take to start. */
const START_LIMIT = 60_000;
/** Milliseconds that a node may take to end before it is killed. */
const STOP_LIMIT = 15_000;
/** Milliseconds in which what was killed must be gone; a system that keeps the dead in its list is not waited for. */
const GROUP_LIMIT = 5_000;
/** Between two looks, ms. */
const GLANCE = 50;

/** What a run of `bin/freehold` printed. */
export interface CommandResult {
  readonly stdout: string;
  readonly stderr: string;
}

export interface PeerOptions {
  /** Folder of all peers. */
  readonly parent: string;
  /** The page's port; any free one where it is not asked for. The next free one where it is in use. */
  readonly apiPort?: number;
  /** Further options of the daemon. */
  readonly options?: readonly string[];
}

export class DemoPeer {
  readonly name: string;
  readonly folder: string;
  readonly #options: PeerOptions;
  readonly #ports: { readonly p2p: number; readonly rpc: number };
  #process: ChildProcess | undefined;
  #exit: Promise<void> = Promise.resolve();
  #errors = "";
  #login = "";
  #api: ApiClient | undefined;

  private constructor(name: string, options: PeerOptions, ports: { p2p: number; rpc: number }) {
    this.name = name;
    this.folder = join(options.parent, name.toLowerCase());
    this.#options = options;
    this.#ports = ports;
  }

  /** A peer with a folder of its own; it does not run yet. */
  static async create(name: string, options: PeerOptions): Promise<DemoPeer> {
    const peer = new DemoPeer(name, options, { p2p: await freePort(), rpc: await freePort() });
    await mkdir(peer.folder, { recursive: true });
    return peer;
  }

  get api(): ApiClient {
    if (this.#api === undefined) throw new Error(`${this.name} does not run`);
    return this.#api;
  }

  get isRunning(): boolean {
    return this.#process !== undefined;
  }

  /** Of the ledger's process, while it runs. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** How to call this peer's `freehold` from another terminal. */
  get command(): string {
    return `FREEHOLD_DATADIR=${this.folder} FREEHOLD_NETWORK=regtest bin/freehold`;
  }

  /**
   * Starts the node, or starts it again; its doors are open when this resolves.
   * @param tampering the way in which its provider cheats
   */
  async start(tampering?: Tampering): Promise<void> {
    this.#errors = "";
    // A group of its own: Ctrl-C reaches the storyteller alone, who ends the nodes in order.
    const child = spawn(
      process.execPath,
      ["--disable-warning=ExperimentalWarning", NODE, ...this.#args(tampering)],
      {
        env: { ...process.env, ...(tampering === undefined ? {} : { FREEHOLD_TAMPERING: tampering }) },
        detached: true,
        stdio: ["ignore", "ignore", "pipe"],
      },
    );
    this.#process = child;
    child.stderr?.on("data", (text: Buffer) => {
      this.#errors += text.toString();
    });
    this.#exit = new Promise((resolve) =>
      child.once("exit", () => {
        if (this.#process === child) this.#process = undefined;
        this.#api = undefined;
        resolve();
      }),
    );
    try {
      await this.#ready(child);
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  #args(tampering: Tampering | undefined): string[] {
    const { apiPort, options = [] } = this.#options;
    return [
      `-datadir=${this.folder}`,
      "-regtest",
      `-name=${this.name}`,
      `-bind=127.0.0.1:${this.#ports.p2p}`,
      `-rpcport=${this.#ports.rpc}`,
      ...(apiPort === undefined ? ["-apiport=0"] : []),
      "-s3port=0",
      "-meshbind=/ip4/127.0.0.1/tcp/0",
      "-dnsseed=0",
      "-printtoconsole=0",
      ...(tampering === undefined ? [] : [`-sharingprogram=${TAMPERED}`]),
      ...options,
    ];
  }

  async #ready(child: ChildProcess): Promise<void> {
    const deadline = Date.now() + START_LIMIT;
    const folder = join(this.folder, "regtest");
    for (;;) {
      if (child.exitCode !== null || child.signalCode !== null) {
        throw new Error(`${this.name} did not start: ${this.#errors.trim()}`);
      }
      try {
        this.#login = await readFile(join(folder, ".cookie"), "utf8");
        const info = await this.rpc<{ loaded: boolean }>("getmempoolinfo");
        if (info.loaded) {
          this.#api = ApiClient.of(folder);
          await this.#api.get("/status");
          return;
        }
      } catch (error) {
        if (Date.now() > deadline) throw error;
      }
      await sleep(GLANCE);
    }
  }

  /** Waits until the sharing process runs, which it does once there is a wallet. @returns the peer's name in the mesh */
  async sharing(): Promise<string> {
    return await until(async () => {
      const { sharing } = await this.api.get<{ sharing: { state: string; peer?: string } }>("/status");
      return sharing.state === "running" ? sharing.peer : undefined;
    }, `${this.name}'s sharing process`);
  }

  /** Calls a method of the node's JSON-RPC. @throws Error with the node's text */
  async rpc<T>(method: string, ...params: unknown[]): Promise<T> {
    const response = await fetch(`http://127.0.0.1:${this.#ports.rpc}/`, {
      method: "POST",
      headers: { Authorization: `Basic ${Buffer.from(this.#login).toString("base64")}` },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
    });
    const { result, error } = (await response.json()) as { result: T; error?: { message: string } };
    if (error !== undefined) throw new Error(`${this.name}: ${method}: ${error.message}`);
    return result;
  }

  /** Runs `bin/freehold` on this peer, as its owner would. @throws Error with what it said */
  async freehold(args: readonly string[], input?: string): Promise<CommandResult> {
    const child = spawn(FREEHOLD, [...args], {
      env: { ...process.env, FREEHOLD_DATADIR: this.folder, FREEHOLD_NETWORK: "regtest" },
      stdio: ["pipe", "pipe", "pipe"],
    });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (text: Buffer) => {
      stdout += text.toString();
    });
    child.stderr.on("data", (text: Buffer) => {
      stderr += text.toString();
    });
    child.stdin.end(input);
    const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
    if (code === 0) return { stdout, stderr };
    throw new Error(`${this.name}: freehold ${args.join(" ")}: ${(stderr || stdout).trim()}`);
  }

  /** As {@link freehold}, with `--json`: what it answered. */
  async ask<T>(...args: readonly string[]): Promise<T> {
    const { stdout } = await this.freehold([...args, "--json"]);
    return JSON.parse(stdout) as T;
  }

  /** Ends it at once, as a power cut would: the whole group, so that nothing of it lives on. */
  async kill(): Promise<void> {
    const group = this.#process?.pid;
    this.#signal("SIGKILL");
    await this.#exit;
    await groupGone(group);
  }

  /** Asks the node to end, and waits until it has: files written, ports free. */
  async stop(): Promise<void> {
    const group = this.#process?.pid;
    this.#signal("SIGTERM");
    const late = setTimeout(() => this.#signal("SIGKILL"), STOP_LIMIT);
    await this.#exit;
    clearTimeout(late);
    await groupGone(group);
  }

  #signal(signal: NodeJS.Signals): void {
    const pid = this.#process?.pid;
    if (pid === undefined) return;
    try {
      process.kill(signal === "SIGKILL" ? -pid : pid, signal);
    } catch {
      // It has just ended by itself.
    }
  }
}

/**
 * Waits until nothing of a group of processes is left, whatever became of its first one: a child that was killed with
 * it still takes a moment to end, on a busy machine a long one.
 */
async function groupGone(group: number | undefined): Promise<void> {
  if (group === undefined) return;
  const deadline = Date.now() + GROUP_LIMIT;
  while (Date.now() < deadline) {
    try {
      process.kill(-group, "SIGKILL");
    } catch {
      return;
    }
    await sleep(GLANCE);
  }
}

/** Looks again and again until something is there. @throws Error that names what never came */
export async function until<T>(look: () => Promise<T | undefined>, what: string, seconds = 60): Promise<T> {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > deadline) throw new Error(`waited ${seconds} seconds for ${what}`);
    await sleep(GLANCE);
  }
}
