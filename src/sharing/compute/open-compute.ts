/** Compute put together: children, provider, requester, and both sides of the protocol. */
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { Clock } from "#base/lib/clock.ts";
import type { Logger } from "#base/lib/logger.ts";
import type { Random } from "#base/lib/random.ts";
import type { Disk } from "#base/store/disk.ts";
import type { ContentFetcher, ContentStore } from "#sharing/content/content.ts";
import type { Deals } from "#sharing/deals/deal.ts";
import type { Mesh } from "#sharing/mesh/mesh.ts";
import { kindBinder } from "./core/bound-kind.ts";
import { RenderKind } from "./core/render/render-kind.ts";
import type { TaskRunner } from "./core/task-runner.ts";
import { wasmJobKind } from "./core/wasm-job.ts";
import { Provider } from "./provider/provider.ts";
import type { JobView } from "./requester/job-view.ts";
import { type JobResult, Requester } from "./requester/requester.ts";
import { WasmPool } from "./runtimes/wasm/wasm-pool.ts";
import { ScenePacker } from "./scene-packer.ts";
import { serveCompute } from "./serve-compute.ts";

export interface ComputeParts {
  readonly mesh: Mesh;
  readonly deals: Deals;
  readonly store: ContentStore;
  readonly fetcher: ContentFetcher;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly disk: Disk;
  /** The sharing folder: `compute/` and `jobs/` are made in it. */
  readonly folder: string;
}

export interface ComputeOptions {
  /** Tasks at a time, over provider and own jobs; the machine's cores but one unless told. */
  readonly lanes?: number;
  /** Runs what the provider is given, in place of the children. Tests hand in one that cheats. */
  readonly providerRunner?: (honest: TaskRunner) => TaskRunner;
}

const TRACER = new URL("../../../kernels/tracer/tracer.wasm", import.meta.url);

/** What the doors ask of compute. */
export class Compute {
  readonly provider: Provider;
  readonly requester: Requester;
  readonly #pool: WasmPool;
  readonly #packer: ScenePacker;

  private constructor(provider: Provider, requester: Requester, pool: WasmPool, packer: ScenePacker) {
    this.provider = provider;
    this.requester = requester;
    this.#pool = pool;
    this.#packer = packer;
  }

  /** Opens it and goes on with the jobs that had not ended. Children start with the first task, or the provider. */
  static async open(options: ComputeOptions, parts: ComputeParts): Promise<Compute> {
    const lanes = options.lanes ?? Math.max(1, availableParallelism() - 1);
    const pool = new WasmPool({ lanes }, parts);
    const folder = join(parts.folder, "compute");
    await parts.disk.files.makeDirectory(folder);
    const { arch } = process;
    const runner = options.providerRunner?.(pool) ?? pool;
    const provider = await Provider.open({ lanes, arch }, { ...parts, runner, folder });
    const packer = new ScenePacker();
    const kinds = {
      render: kindBinder(new RenderKind(new Uint8Array(readFileSync(TRACER)), (glb) => packer.pack(glb))),
      wasm: kindBinder(wasmJobKind),
    };
    const requester = await Requester.open(
      { lanes, arch },
      { ...parts, runner: pool, folder: join(parts.folder, "jobs"), kinds },
    );
    serveCompute(parts.mesh, provider, requester);
    requester.resume();
    if (provider.status().on) pool.warm();
    return new Compute(provider, requester, pool, packer);
  }

  async startProvider(): Promise<ReturnType<Provider["status"]>> {
    this.#pool.warm();
    return this.provider.start();
  }

  stopProvider(): Promise<ReturnType<Provider["status"]>> {
    return this.provider.stop();
  }

  render(request: {
    readonly scene: string;
    readonly width: number;
    readonly height: number;
    readonly samples: number;
    readonly seed?: number;
    readonly bounces?: number;
  }): Promise<JobResult<JobView>> {
    const { scene, seed, ...settings } = request;
    this.#pool.warm();
    return this.requester.submit("render", { seed: seed ?? 1, ...settings }, [scene]);
  }

  run(request: {
    readonly module: string;
    readonly inputs: readonly string[];
    readonly args?: readonly string[];
    readonly seed?: number;
    readonly memoryBytes?: number;
    readonly outputBytes?: number;
    readonly seconds?: number;
  }): Promise<JobResult<JobView>> {
    const { module, inputs, seed, args, ...limits } = request;
    this.#pool.warm();
    const settings = { seed: seed ?? 1, args: [...(args ?? [])], ...limits };
    return this.requester.submit("wasm", settings, [module, ...inputs]);
  }

  /** Ends with the process: what runs is killed, jobs go on at the next start. */
  async close(): Promise<void> {
    await this.requester.close();
    await this.provider.close();
    await this.#packer.close();
    await this.#pool.close();
  }
}
