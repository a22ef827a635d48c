/** A job as people and programs see it, and what happens to it. */
import type { PeerId } from "#sharing/mesh/mesh.ts";
import type { JobKindName, Tile } from "../core/job-shape.ts";

export type JobState = "waiting" | "running" | "done" | "failed" | "cancelled";

export interface JobView {
  readonly id: string;
  readonly kind: JobKindName;
  readonly title: string;
  readonly state: JobState;
  /** Milliseconds since 1970. */
  readonly created: number;
  readonly finished?: number;
  readonly tasks: readonly TaskView[];
  /** Also where a list leaves the tasks out. */
  readonly counts: TaskCounts;
  /** The job's folder; a verified tile lies in it as `tile-<i>.png` at once, the rest when the job is done. */
  readonly outputs?: string;
  readonly reason?: string;
}

export interface TaskCounts {
  readonly total: number;
  readonly verified: number;
}

export interface TaskView {
  readonly index: number;
  readonly state: "waiting" | "running" | "verifying" | "verified" | "failed";
  readonly provider?: PeerId;
  readonly providerName?: string;
  readonly tile?: Tile;
  readonly attempts: readonly { readonly provider: PeerId; readonly outcome: string }[];
  readonly milliseconds?: number;
}

export type JobEvent =
  | { readonly type: "job"; readonly job: JobView }
  | { readonly type: "task"; readonly job: string; readonly task: TaskView }
  | {
      readonly type: "cheat";
      readonly peer: PeerId;
      readonly name: string;
      readonly job: string;
      readonly task: number;
      readonly reason: string;
    };
