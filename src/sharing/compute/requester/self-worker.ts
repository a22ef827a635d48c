/** This machine as a worker: what it computes needs no check and no receipt. */
import type { ContentStore } from "#sharing/content/content.ts";
import type { Mesh, PeerId } from "#sharing/mesh/mesh.ts";
import type { PlannedTask } from "../core/job-kind.ts";
import type { ContentRef } from "../core/task.ts";
import type { RunOutcome, TaskRunner } from "../core/task-runner.ts";
import type { Attempt, AttemptResult, Worker } from "./worker.ts";

export interface SelfWorkerParts {
  readonly mesh: Mesh;
  readonly store: ContentStore;
  readonly runner: TaskRunner;
  readonly arch: string;
  /** Tasks at a time; 0 where this machine is to do no more than check. */
  readonly lanes: number;
}

/** How code is run: an urgent run goes before what waits; `reuse` is for kernels of our own; `fresh` is in a new process. */
export interface Execution {
  readonly signal: AbortSignal;
  readonly urgent: boolean;
  readonly reuse: boolean;
  readonly fresh?: boolean;
}

/** What this machine is called where it did a task itself. */
const SELF_NAME = "this machine";

/** What providers are called, this machine among them; empty where that is not known. */
export function namesIn(mesh: Mesh): (peer: PeerId) => string {
  return (peer) => (peer === mesh.self ? SELF_NAME : (mesh.view(peer)?.name ?? ""));
}

export class SelfWorker implements Worker {
  readonly peer: PeerId;
  readonly account: string;
  readonly name = SELF_NAME;
  readonly isSelf = true;
  readonly arch: string;
  readonly window: number;
  readonly #parts: SelfWorkerParts;

  constructor(parts: SelfWorkerParts) {
    this.#parts = parts;
    this.peer = parts.mesh.self;
    this.account = parts.mesh.account;
    this.arch = parts.arch;
    this.window = Math.max(1, parts.lanes);
  }

  async run({ task, signal, reuse, fresh, moved }: Attempt): Promise<AttemptResult> {
    moved("running");
    const outcome = await this.execute(task, task.spec.params, { signal, reuse, fresh, urgent: false });
    if (outcome.ok) {
      const { output, milliseconds } = outcome.value;
      return { status: "right", output, proved: true, milliseconds };
    }
    const { code, text } = outcome.failure;
    if (code === "cancelled") return { status: "gone", reason: text };
    return { status: "failed", code, reason: `${code}: ${text}` };
  }

  /** Runs the task's code with these parameters. */
  execute(
    { spec }: PlannedTask,
    params: Uint8Array,
    { signal, reuse, urgent, fresh = false }: Execution,
  ): Promise<RunOutcome> {
    const content = ({ id, length }: ContentRef) => ({ id, bytes: () => this.#parts.store.read(id, length) });
    return this.#parts.runner.run(
      {
        // Ours and no stranger's: nothing that ran another's code ever runs this.
        owner: "self",
        code: content(spec.code),
        inputs: spec.inputs.map(content),
        params,
        seed: spec.seed,
        limits: spec.limits,
        urgent,
        reuse,
        fresh,
      },
      signal,
    );
  }
}
