/** One task of a job under way: who tried it, who is at it, and what is claimed to be its result. */
import type { PeerId } from "#sharing/mesh/mesh.ts";
import type { PlannedTask } from "../core/job-kind.ts";
import { type TaskId, taskId } from "../core/task.ts";
import type { Failure } from "./failure-verdict.ts";
import type { TaskView } from "./job-view.ts";
import type { Claim, Worker } from "./worker.ts";

/** An attempt under way. */
export interface Running {
  readonly worker: Worker;
  readonly controller: AbortController;
  /** By the monotonic clock. */
  readonly began: number;
  readonly isCheck: boolean;
}

/** A result that is to be compared, or waits until its provider has passed another check. */
export interface Held {
  readonly worker: Worker;
  readonly claim: Claim;
  readonly outputHash: string;
  readonly milliseconds: number;
}

export class TaskRun {
  readonly index: number;
  readonly planned: PlannedTask;
  readonly id: TaskId;
  state: "open" | "settling" | "verified" | "lost" = "open";
  phase: "running" | "verifying" = "running";
  readonly running = new Map<PeerId, Running>();
  /** Who failed it: gets it never again. */
  readonly tried = new Set<PeerId>();
  readonly attempts: { provider: PeerId; outcome: string }[] = [];
  held: Held[] = [];
  /** Whether the held result must be done again by another, or by this machine alone. */
  check: "none" | "another" | "self" = "none";
  provider: { readonly peer: PeerId; readonly name: string } | undefined;
  milliseconds: number | undefined;
  /** What machines say went wrong with it, this one among them: claims, see failure-verdict.ts. */
  readonly failures: Failure[] = [];
  /** Whether this machine alone may do it: it has the last word on those claims. */
  needsSelf = false;

  constructor(index: number, planned: PlannedTask) {
    this.index = index;
    this.planned = planned;
    this.id = taskId(planned.spec);
  }

  /** Whether nobody is at it and nobody has a result. */
  get waits(): boolean {
    return this.state === "open" && this.held.length === 0 && this.running.size === 0;
  }

  get ended(): boolean {
    return this.state === "verified" || this.state === "lost";
  }

  /** The file of its result before the job is done. No output of a module may bear the name: none begins with a dot. */
  get outputName(): string {
    return `.task-${this.index}`;
  }

  /** Ends whatever is under way. */
  abort(): void {
    for (const { controller } of this.running.values()) controller.abort();
  }

  /** Runs that failed on this machine. */
  get ownFailures(): number {
    return this.failures.filter(({ isSelf }) => isSelf).length;
  }

  view(): TaskView {
    const one = this.running.values().next().value;
    const who = this.provider ?? (one && { peer: one.worker.peer, name: one.worker.name });
    const { tile } = this.planned;
    return {
      index: this.index,
      state: this.#viewState(),
      attempts: [...this.attempts],
      ...(who === undefined ? {} : { provider: who.peer, providerName: who.name }),
      ...(tile === undefined ? {} : { tile }),
      ...(this.milliseconds === undefined ? {} : { milliseconds: this.milliseconds }),
    };
  }

  #viewState(): TaskView["state"] {
    if (this.state === "verified") return "verified";
    if (this.state === "lost") return "failed";
    if (this.state === "settling" || this.held.length > 0) return "verifying";
    if (this.running.size === 0) return "waiting";
    return this.phase;
  }
}
