/** One node of the story: a real daemon in a process of its own, spoken to over its RPC port. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const DAEMON = join(import.meta.dirname, "..", "compat", "bitcoind");
/** Milliseconds that a node may take to start. */
const START_LIMIT = 60_000;

export class DemoPeer {
  readonly name: string;
  readonly folder: string;
  readonly p2pPort: number;
  readonly rpcPort: number;
  readonly #process: ChildProcess;
  readonly #exit: Promise<number | null>;
  #errors = "";
  #login = "";

  private constructor(name: string, folder: string, ports: { p2p: number; rpc: number }) {
    this.name = name;
    this.folder = folder;
    this.p2pPort = ports.p2p;
    this.rpcPort = ports.rpc;
    // Its own process group: Ctrl-C reaches the storyteller alone, who ends the nodes in order.
    this.#process = spawn(
      DAEMON,
      [
        `-datadir=${folder}`,
        "-regtest",
        `-bind=127.0.0.1:${ports.p2p}`,
        `-rpcport=${ports.rpc}`,
        "-connect=0",
        "-dnsseed=0",
        // Friends get each other's transactions at once; strangers wait a few random seconds.
        "-whitelist=noban@127.0.0.1",
        `-uacomment=${name}`,
        "-printtoconsole=0",
      ],
      { detached: true, stdio: ["ignore", "ignore", "pipe"] },
    );
    this.#process.stderr?.on("data", (text: Buffer) => {
      this.#errors += text.toString();
    });
    this.#exit = new Promise((resolve) => this.#process.once("exit", resolve));
  }

  /** Starts a node in `<folder>/<name>`; it answers when this resolves. */
  static async start(name: string, parent: string): Promise<DemoPeer> {
    const folder = join(parent, name.toLowerCase());
    await mkdir(folder, { recursive: true });
    const peer = new DemoPeer(name, folder, { p2p: await freePort(), rpc: await freePort() });
    try {
      await peer.#ready();
    } catch (error) {
      await peer.stop();
      throw error;
    }
    return peer;
  }

  async #ready(): Promise<void> {
    const deadline = Date.now() + START_LIMIT;
    for (;;) {
      if (this.#process.exitCode !== null)
        throw new Error(`${this.name} did not start: ${this.#errors.trim()}`);
      try {
        this.#login = await readFile(join(this.folder, "regtest", ".cookie"), "utf8");
        const info = await this.rpc<{ loaded: boolean }>("getmempoolinfo");
        if (info.loaded) return;
      } catch (error) {
        if (Date.now() > deadline) throw error;
      }
      await sleep(50);
    }
  }

  /** Calls a method of the node. @throws Error with the node's text */
  async rpc<T>(method: string, ...params: unknown[]): Promise<T> {
    const response = await fetch(`http://127.0.0.1:${this.rpcPort}/`, {
      method: "POST",
      headers: { Authorization: `Basic ${Buffer.from(this.#login).toString("base64")}` },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
    });
    const { result, error } = (await response.json()) as { result: T; error?: { message: string } };
    if (error !== undefined) throw new Error(`${this.name}: ${method}: ${error.message}`);
    return result;
  }

  /** Asks the node to end, and waits until it has: files written, ports free. */
  async stop(): Promise<void> {
    if (this.#process.exitCode === null) this.#process.kill("SIGTERM");
    await this.#exit;
  }
}

/** A port of 127.0.0.1 that nobody uses now. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
