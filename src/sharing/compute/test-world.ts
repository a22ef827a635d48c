/** Peers with deals, contents and compute on one network in memory, for tests: real parts, contents in a map. */
import { readFileSync } from "node:fs";
import type { TestContext } from "node:test";
import { sha256 } from "#base/crypto/sha256.ts";
import { toHex } from "#base/lib/bytes.ts";
import { type Clock, systemClock } from "#base/lib/clock.ts";
import { silentLogger } from "#base/lib/logger.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { FaultWorld } from "#base/store/fault-world.ts";
import type { ContentFetcher, ContentId, ContentStore } from "#sharing/content/content.ts";
import type { Deals } from "#sharing/deals/deal.ts";
import { DealBook } from "#sharing/deals/deal-book.ts";
import { FreeRail } from "#sharing/deals/free-rail.ts";
import { type MemoryMesh, MemoryNetwork, type MemoryPeerOptions } from "#sharing/mesh/memory-mesh.ts";
import type { PeerId } from "#sharing/mesh/mesh.ts";
import { kindBinder } from "./core/bound-kind.ts";
import type { PackScene } from "./core/render/pack-scene.ts";
import { RenderKind } from "./core/render/render-kind.ts";
import { failRun, type RunOutcome, type RunTask, type TaskRunner } from "./core/task-runner.ts";
import { wasmJobKind } from "./core/wasm-job.ts";
import { Provider, type ProviderOptions } from "./provider/provider.ts";
import type { JobEvent } from "./requester/job-view.ts";
import { Requester, type RequesterOptions } from "./requester/requester.ts";
import { type LoadedModule, loadModule, runModule } from "./runtimes/wasm/run-module.ts";
import { serveCompute } from "./serve-compute.ts";

/** Contents in a map; the id is the SHA-256. */
export class MapContents implements ContentStore {
  readonly limitBytes = 2 ** 30;
  readonly #contents = new Map<ContentId, Uint8Array>();

  get usedBytes(): number {
    return [...this.#contents.values()].reduce((sum, bytes) => sum + bytes.length, 0);
  }

  async add(given: Uint8Array | AsyncIterable<Uint8Array>): Promise<{ id: ContentId; length: number }> {
    const parts: Uint8Array[] = [];
    if (given instanceof Uint8Array) parts.push(given);
    else for await (const part of given) parts.push(part);
    const bytes = Uint8Array.from(Buffer.concat(parts));
    const id = toHex(sha256(bytes));
    this.#contents.set(id, bytes);
    return { id, length: bytes.length };
  }

  async has(id: ContentId): Promise<boolean> {
    return this.#contents.has(id);
  }

  async read(id: ContentId, maxLength = this.limitBytes): Promise<Uint8Array> {
    const bytes = this.#contents.get(id);
    if (bytes === undefined || bytes.length > maxLength) throw new Error(`no content ${id}`);
    return bytes;
  }

  pin(): void {}
  unpin(): void {}
}

/** Runs modules on this thread: the code of the child process without the process. */
export class DirectRunner implements TaskRunner {
  readonly #loaded = new Map<string, LoadedModule>();

  async run(task: RunTask, signal: AbortSignal): Promise<RunOutcome> {
    await new Promise<void>((resolve) => setImmediate(resolve));
    if (signal.aborted) return failRun("cancelled", "cancelled");
    const key = `${task.code.id} ${task.limits.memoryBytes}`;
    let loaded = this.#loaded.get(key);
    if (loaded === undefined) {
      const module = loadModule(await task.code.bytes(), task.limits.memoryBytes);
      if ("ok" in module) return module;
      loaded = module;
      this.#loaded.set(key, loaded);
    }
    const inputs = await Promise.all(task.inputs.map((input) => input.bytes()));
    return runModule(loaded, { ...task, inputs });
  }
}

export interface ComputePeer {
  readonly mesh: MemoryMesh;
  readonly disk: FaultWorld;
  readonly deals: DealBook;
  readonly contents: MapContents;
  readonly provider: Provider;
  readonly requester: Requester;
  readonly events: JobEvent[];
}

export interface PeerOptions {
  readonly mesh?: MemoryPeerOptions;
  readonly runner?: TaskRunner;
  readonly provider?: Partial<ProviderOptions>;
  readonly requester?: Partial<RequesterOptions>;
  readonly disk?: FaultWorld;
  /** Who runs its own tasks and checks; the same as for others unless told. */
  readonly ownRunner?: TaskRunner;
  /** What its requester sees of its deals. */
  readonly dealsSeen?: (book: Deals) => Deals;
  /** Where its scenes are packed: on this thread unless told. */
  readonly pack?: PackScene;
  readonly clock?: Clock;
  /** Whether it lends its cores. Default true. */
  readonly lends?: boolean;
}

export const TRACER = new Uint8Array(
  readFileSync(new URL("../../../kernels/tracer/tracer.wasm", import.meta.url)),
);
export const FOLDER = "/data";

export class ComputeWorld {
  readonly network: MemoryNetwork;
  readonly random: SeededRandom;
  readonly #contents = new Map<PeerId, MapContents>();
  readonly #closers: (() => Promise<void>)[] = [];

  constructor(t: Pick<TestContext, "after">, seed = 1) {
    this.network = new MemoryNetwork({ seed });
    this.random = new SeededRandom(seed);
    // The clock's timers keep no process alive.
    const alive = setInterval(() => {}, 1000);
    t.after(async () => {
      for (const close of this.#closers.reverse()) await close();
      clearInterval(alive);
    });
  }

  async join(options: PeerOptions = {}): Promise<ComputePeer> {
    const mesh = this.network.join(options.mesh ?? {});
    const disk = options.disk ?? new FaultWorld();
    await disk.files.makeDirectory(FOLDER);
    const clock = options.clock ?? systemClock;
    const log = silentLogger;
    const friends = new FreeRail((peer) => mesh.view(peer)?.standing === "friend");
    const deals = await DealBook.open({
      mesh,
      disk,
      folder: `${FOLDER}/deals`,
      clock,
      random: this.random,
      log,
      rails: [friends],
    });
    deals.sell("compute", { service: "compute", prices: { task: 1000 } });
    const contents = this.#contents.get(mesh.self) ?? new MapContents();
    this.#contents.set(mesh.self, contents);
    const runner = options.runner ?? new DirectRunner();
    const parts = { mesh, deals, store: contents, runner, clock, random: this.random, log, disk };
    const provider = await Provider.open(
      { lanes: 1, arch: "x64", ...options.provider },
      { ...parts, fetcher: this.#fetcher(contents), folder: FOLDER },
    );
    const requester = await Requester.open(
      { lanes: 1, arch: "x64", ...options.requester },
      {
        ...parts,
        deals: options.dealsSeen?.(deals) ?? deals,
        runner: options.ownRunner ?? runner,
        folder: `${FOLDER}/jobs`,
        kinds: { render: kindBinder(new RenderKind(TRACER, options.pack)), wasm: kindBinder(wasmJobKind) },
      },
    );
    const events: JobEvent[] = [];
    requester.events.on((event) => {
      events.push(event);
    });
    serveCompute(mesh, provider, requester);
    if (options.lends ?? true) await provider.start();
    this.#closers.push(async () => {
      await requester.close().catch(() => {});
      await provider.close();
      await deals.stop();
    });
    return { mesh, disk, deals, contents, provider, requester, events };
  }

  #fetcher(into: MapContents): ContentFetcher {
    return {
      fetch: async (id, peers, { maxLength }) => {
        for (const peer of peers) {
          const from = this.#contents.get(peer);
          if (from === undefined || !(await from.has(id))) continue;
          await into.add(await from.read(id, maxLength));
          return { ok: true };
        }
        return { ok: false, reason: "nobody has it" };
      },
    };
  }
}

/** Writes a file of the user's. */
export async function putFile(peer: ComputePeer, path: string, bytes: Uint8Array): Promise<string> {
  await peer.disk.files.makeDirectory("/home");
  const file = await peer.disk.files.open(`/home/${path}`, "create");
  await file.write(bytes, 0);
  await file.close();
  return `/home/${path}`;
}
