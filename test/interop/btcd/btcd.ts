/** Starts btcd on regtest and speaks to it. Installed by test/interop/install-btcd.sh. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../../../demo/free-port.ts";

const BINARY = join(import.meta.dirname, "..", ".installed", "btcd", "btcd");

/** Why the tests are skipped, where they must be. */
export const NO_BTCD: string | false = existsSync(BINARY)
  ? false
  : "btcd is not installed (test/interop/install-btcd.sh)";

/** Longest that it may take to start, ms. */
const PATIENCE = 60_000;

const USER = "interop";
const PASSWORD = "interop";

export class Btcd {
  readonly port: number;
  readonly #rpcPort: number;
  readonly #process: ChildProcess;
  readonly #output: string[] = [];

  private constructor(port: number, rpcPort: number, child: ChildProcess) {
    this.port = port;
    this.#rpcPort = rpcPort;
    this.#process = child;
    child.stdout?.on("data", (text: Buffer) => this.#output.push(text.toString()));
    child.stderr?.on("data", (text: Buffer) => this.#output.push(text.toString()));
  }

  /** Starts a node in a directory of its own; both go at the end of the test. */
  static async start(
    t: { after(action: () => void | Promise<void>): void },
    { miningAddress, connect }: { miningAddress: string; connect?: string },
  ): Promise<Btcd> {
    const directory = mkdtempSync(join(tmpdir(), "freehold-btcd-"));
    const [port, rpcPort] = [await freePort(), await freePort()];
    const args = [
      "--regtest",
      "--notls",
      "--nobanning",
      `--configfile=${join(directory, "btcd.conf")}`,
      `--datadir=${join(directory, "data")}`,
      `--logdir=${join(directory, "log")}`,
      `--listen=127.0.0.1:${port}`,
      `--rpclisten=127.0.0.1:${rpcPort}`,
      `--rpcuser=${USER}`,
      `--rpcpass=${PASSWORD}`,
      `--miningaddr=${miningAddress}`,
      "--trickleinterval=200ms",
      "--blockprioritysize=0",
      ...(connect === undefined ? [] : [`--connect=${connect}`]),
    ];
    const child = spawn(BINARY, args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, HOME: directory },
    });
    const btcd = new Btcd(port, rpcPort, child);
    t.after(async () => {
      await btcd.stop();
      rmSync(directory, { recursive: true, force: true });
    });
    for (const end = performance.now() + PATIENCE; ; ) {
      try {
        await btcd.call("getblockcount");
        return btcd;
      } catch (error) {
        if (child.exitCode !== null || performance.now() > end)
          throw new Error(btcd.output, { cause: error });
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }

  get output(): string {
    return this.#output.join("");
  }

  async call(method: string, ...params: unknown[]): Promise<unknown> {
    const response = await fetch(`http://127.0.0.1:${this.#rpcPort}/`, {
      method: "POST",
      headers: {
        authorization: `Basic ${btoa(`${USER}:${PASSWORD}`)}`,
        "content-type": "application/json",
      },
      body: JSON.stringify({ jsonrpc: "1.0", id: 1, method, params }),
    });
    const { result, error } = (await response.json()) as {
      result: unknown;
      error: { message: string } | null;
    };
    if (error) throw new Error(`${method}: ${error.message}`);
    return result;
  }

  async height(): Promise<number> {
    return Number(await this.call("getblockcount"));
  }

  async tip(): Promise<string> {
    return String(await this.call("getbestblockhash"));
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null) return;
    const ended = new Promise((resolve) => this.#process.once("exit", resolve));
    this.#process.kill("SIGTERM");
    await ended;
  }
}
