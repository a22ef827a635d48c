/** A sharing process of its own for tests with many of them: no ledger beside it, killed and started at will. */
import { readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { systemClock } from "#base/lib/clock.ts";
import type { Logger } from "#base/lib/logger.ts";
import { secureRandom } from "#base/lib/random.ts";
import type { ControlResult, SharingControl } from "#doors/api/sharing-control.ts";
import { linkedControl } from "#node/link/control-link.ts";
import { serveRails } from "#node/link/rail-link.ts";
import { Link } from "#node/link.ts";
import { type SharingStart, sharingStarted } from "#node/sharing-start.ts";
import { type SharingChild, spawnSharing } from "#node/spawn-sharing.ts";
import { FreeRail } from "#sharing/deals/free-rail.ts";

export interface SharingPeerOptions {
  readonly name: string;
  /** Its data directory; made anew where it is missing. */
  readonly folder: string;
  /** Where its mesh listens, `127.0.10.1`. */
  readonly address: string;
  readonly files: SharingStart["files"];
}

export class SharingPeer {
  readonly name: string;
  readonly #start: SharingStart;
  readonly #log: Logger;
  #child: SharingChild | undefined;
  #link: Link | undefined;
  #control: SharingControl | undefined;
  /** Last lines that it wrote. */
  readonly lines: string[] = [];
  #peak = 0;

  constructor({ name, folder, address, files }: SharingPeerOptions) {
    this.name = name;
    this.#start = {
      folder: join(folder, "sharing"),
      incoming: join(folder, "incoming"),
      network: "regtest",
      version: "0.0.0",
      name,
      meshBind: [`/ip4/${address}/tcp/0`],
      meshOrAny: false,
      mdns: false,
      s3Port: 0,
      s3OrNext: false,
      files,
      keys: {
        account: secureRandom.fill(new Uint8Array(32)),
        files: secureRandom.fill(new Uint8Array(32)),
      },
    };
    const keep = (text: string) => {
      this.lines.push(text);
      if (this.lines.length > 50) this.lines.shift();
    };
    this.#log = { info: keep, warn: keep, error: keep, debug() {} };
  }

  get control(): SharingControl {
    if (this.#control === undefined) throw new Error(`${this.name} does not run`);
    return this.#control;
  }

  get isRunning(): boolean {
    return this.#control !== undefined;
  }

  /** Largest resident set of all its processes so far, bytes. */
  get peakRss(): number {
    if (this.#child !== undefined) this.#peak = Math.max(this.#peak, residentPeak(this.#child.pid));
    return this.#peak;
  }

  /** Starts it, or starts it again on what is on disk. */
  async start(): Promise<void> {
    await mkdir(this.#start.folder, { recursive: true });
    await mkdir(this.#start.incoming, { recursive: true });
    const child = spawnSharing(this.#log);
    this.#child = child;
    const rails = new Map([["free", new FreeRail(() => true)] as const]);
    const link = new Link(child.pipe, serveRails(rails), { clock: systemClock, log: this.#log });
    void link.closed.then(() => child.kill("SIGKILL"));
    void link.closed.then((why) => this.#log.info(`the link closed: ${why}`));
    void child.ended.then((how) => link.close(how));
    const outcome = await link.call("start", this.#start, AbortSignal.timeout(60_000));
    const reply = outcome.ok
      ? sharingStarted.parse(outcome.value)
      : { ok: false as const, reason: outcome.text };
    if (!reply.ok) throw new Error(`${this.name} did not start: ${reply.reason}\n${this.lines.join("\n")}`);
    this.#link = link;
    this.#control = linkedControl(link);
  }

  /** `kill -9`; nothing starts it again. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    this.peakRss;
    this.#child = undefined;
    this.#control = undefined;
    child.kill("SIGKILL");
    await child.ended;
    this.#link?.close("it was killed");
  }
}

/** The high-water mark of a process's memory, bytes; 0 where the system does not tell. */
function residentPeak(pid: number): number {
  try {
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** The value of a verdict. @throws Error with its reason */
export function granted<T>(result: ControlResult<T>): T {
  if (result.ok) return result.value;
  throw new Error(result.reason);
}
