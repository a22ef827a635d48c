/** Packs scenes on a thread of their own, so that the process goes on answering meanwhile. */
import { WorkerPool } from "#base/workers/worker-pool.ts";
import type { PackOutcome } from "./core/render/pack-scene.ts";

const WORKER = new URL("pack-worker.ts", import.meta.url);

export class ScenePacker {
  readonly #threads = new Set<WorkerPool<Uint8Array, PackOutcome>>();

  /** As `packScene`, on a thread that ends with it: scenes are rare, and a thread holds memory. */
  async pack(glb: Uint8Array): Promise<PackOutcome> {
    const thread = new WorkerPool<Uint8Array, PackOutcome>({ file: WORKER, size: 1, name: "pack" });
    this.#threads.add(thread);
    try {
      return await thread.run(glb);
    } finally {
      this.#threads.delete(thread);
      await thread.close();
    }
  }

  /** Gives up what is under way; whoever waits for it is told so by an Error. */
  async close(): Promise<void> {
    await Promise.all([...this.#threads].map((thread) => thread.close()));
  }
}
