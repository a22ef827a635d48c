/** A job as people and programs see it, and what happens to it. */
import type { PeerId } from "#sharing/mesh/mesh.ts";
import type { JobKindName, Tile } from "../core/job-shape.ts";
import type { JobPlace } from "./job-order.ts";

export type JobState = "waiting" | "running" | "done" | "failed" | "cancelled";

export interface JobView {
  readonly id: string;
  /** `unknown` where the job's record can not be read. */
  readonly kind: JobKindName | "unknown";
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
  /** Bytes in the job's folder, once it has ended. */
  readonly bytes?: number;
  readonly reason?: string;
}

/** Which jobs are listed, the newest first. */
export interface JobQuery {
  /** Jobs at most. */
  readonly limit: number;
  /** The last job of the page before; it need no longer be there. */
  readonly after?: JobPlace;
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
  /** A job was removed with its folder. */
  | { readonly type: "job-removed"; readonly job: string }
  | { readonly type: "task"; readonly job: string; readonly task: TaskView }
  | {
      readonly type: "cheat";
      readonly peer: PeerId;
      readonly name: string;
      readonly job: string;
      readonly task: number;
      readonly reason: string;
    };
