/**
 * A kind of job: how it is split into tasks, how a result is checked, and how results become files. A kind is pure:
 * bytes in, bytes out, randomness and the means to run a task again handed in. `wasm-job.ts` is the kind of
 * `freehold run`, `render/` that of `freehold render`.
 */
import type { z } from "zod";
import type { Random } from "#base/lib/random.ts";
import type { JobKindName, Tile } from "./job-shape.ts";
import type { ContentRef, TaskSpec } from "./task.ts";

/** A file the user gave with the job: the scene, or the module first and then one input a task. */
export interface JobFile {
  /** The last part of its path. */
  readonly name: string;
  readonly length: number;
  /** Reads it whole. @throws when it can not be read. */
  bytes(): Promise<Uint8Array>;
  /** Puts it into the content store as it is. */
  content(): Promise<ContentRef>;
}

/** Where `split` puts what the tasks refer to (a packed scene, a kernel's code); equal bytes are one content. */
export interface ContentSink {
  add(bytes: Uint8Array): Promise<ContentRef>;
}

export interface PlannedTask {
  readonly spec: TaskSpec;
  readonly tile?: Tile;
  /** For a `run` job, the input's name: what its output file is named after. */
  readonly label?: string;
}

/** Plain data: it is kept on disk as canonical CBOR and read back after a restart. */
export interface JobPlan {
  /** For people: `scene.glb at 640×360, 64 samples`. */
  readonly title: string;
  readonly tasks: readonly PlannedTask[];
}

/** What `split` says when the user's files are at fault. */
export type SplitResult =
  | { readonly ok: true; readonly plan: JobPlan }
  | { readonly ok: false; readonly reason: string };

/** One part of one trace leaf: for a render, a pixel of the tile (row by row) and a batch of 16 samples. */
export interface Pick {
  readonly leaf: number;
  readonly part: number;
}

/**
 * What is asked of a committed result. The provider learns the leaves alone (each once, ascending), after its
 * commitment; the parts are for `verify`.
 */
export interface Challenge {
  readonly picks: readonly Pick[];
}

/** A result as it is checked: the output's hash and every leaf's proof already hold against the commitment. */
export interface Evidence {
  readonly output: Uint8Array;
  /** Leaves that the trace has. */
  readonly leafCount: number;
  /** The revealed leaves by index. */
  readonly leaves: ReadonlyMap<number, Uint8Array>;
}

export type Verdict = { readonly ok: true } | { readonly ok: false; readonly reason: string };

/** Runs the task's code and inputs with other parameters on this machine: the output. */
export type Rerun = (params: Uint8Array) => Promise<Uint8Array>;

/** One result of a job that has ended. */
export interface OutputFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface FinishedTask extends PlannedTask {
  readonly index: number;
  /** Undefined where the task failed for good. */
  readonly output: () => Promise<Uint8Array | undefined>;
}

export interface JobKind<Settings> {
  readonly name: JobKindName;
  /** What the user chose, kept with the job. */
  readonly settings: z.ZodType<Settings>;
  /** Whether its tasks run a kernel of our own, whose result does not depend on runs before. */
  readonly reuses: boolean;
  split(settings: Settings, files: readonly JobFile[], contents: ContentSink): Promise<SplitResult>;
  /** Checks what can be told from the output alone (its length); undefined when it may be right. */
  malformed(settings: Settings, task: PlannedTask, output: Uint8Array, leafCount: number): string | undefined;
  /**
   * Draws what a committed result must reveal, 64 picks for a render. Undefined: this kind can not be checked in part,
   * so it is done twice (docs/protocols/compute.md, "Checking").
   */
  challenge(settings: Settings, task: PlannedTask, random: Random): Challenge | undefined;
  /** Checks the picks against a run of our own, exactly. */
  verify(
    settings: Settings,
    task: PlannedTask,
    evidence: Evidence,
    challenge: Challenge,
    rerun: Rerun,
  ): Promise<Verdict>;
  /** A small PNG of one verified output, for those who watch. */
  preview?(settings: Settings, task: PlannedTask, output: Uint8Array): Uint8Array;
  /** The files of a job whose tasks have ended, one after another. */
  assemble(settings: Settings, tasks: readonly FinishedTask[]): AsyncIterable<OutputFile>;
}
