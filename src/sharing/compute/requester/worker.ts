/** Who does a task for a job: a provider over the mesh, or this machine. */
import type { Deal } from "#sharing/deals/deal.ts";
import type { AccountId, PeerId } from "#sharing/mesh/mesh.ts";
import type { Commitment } from "../core/commitment.ts";
import type { PlannedTask } from "../core/job-kind.ts";
import type { TaskId } from "../core/task.ts";
import type { RunFailureCode } from "../core/task-runner.ts";

/** What came of one attempt. */
export type AttemptResult =
  | {
      readonly status: "right";
      readonly output: Uint8Array;
      /** Known to be right; else it is to be compared with another's, or trusted for its provider's record. */
      readonly proved: boolean;
      /** Undefined where this machine did it: nobody is to be paid. */
      readonly claim?: Claim;
      readonly milliseconds: number;
    }
  | { readonly status: "false"; readonly reason: string }
  /** The task ended with a reason there. */
  | { readonly status: "failed"; readonly code: RunFailureCode; readonly reason: string }
  /** The provider went away, refused, or was told to stop. */
  | { readonly status: "gone"; readonly reason: string; readonly isLate?: boolean };

/** What a provider is to get a receipt for. */
export interface Claim {
  readonly deal: Deal;
  readonly commitment: Commitment;
}

export interface Attempt {
  readonly task: PlannedTask;
  readonly id: TaskId;
  readonly signal: AbortSignal;
  /** Whether the kernel is our own: its instance may serve many runs. */
  readonly reuse: boolean;
  /** A run failed here before: this one is to share nothing with it. */
  readonly fresh: boolean;
  /** Runs or waits there, as its provider tells. */
  readonly moved: (state: "running" | "verifying") => void;
}

export interface Worker {
  readonly peer: PeerId;
  readonly account: AccountId | undefined;
  readonly name: string;
  readonly isSelf: boolean;
  readonly arch: string;
  /** Tasks that it takes at a time. */
  readonly window: number;
  run(attempt: Attempt): Promise<AttemptResult>;
}
