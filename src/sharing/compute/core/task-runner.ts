/**
 * Who runs a task: bytes in, bytes out, or a reason. The runtimes implement it; provider and requester are handed one.
 */
import type { ContentId } from "#sharing/content/content.ts";
import type { TaskLimits } from "./task.ts";

/** A content whose bytes are read only when the runner does not have them yet. */
export interface RunContent {
  readonly id: ContentId;
  readonly bytes: () => Promise<Uint8Array>;
}

export interface RunTask {
  /** Whose task it is. Nothing that ran one owner's code ever runs another's. */
  readonly owner: string;
  readonly code: RunContent;
  readonly inputs: readonly RunContent[];
  readonly params: Uint8Array;
  readonly seed: Uint8Array;
  readonly limits: TaskLimits;
  /** Goes before what waits: the short runs that check others' results. */
  readonly urgent?: boolean;
  /**
   * The code is a kernel of our own, whose result does not depend on runs before: its instance may stay for the next
   * run, with its inputs in its memory. Nobody else's code may leave anything behind.
   */
  readonly reuse?: boolean;
  /** In a process that has run nothing yet: a run of the same task failed before. */
  readonly fresh?: boolean;
}

export const RUN_FAILURES = [
  "refused-module", // not a module we run: malformed, foreign imports, threads, relaxed SIMD
  "trap", // unreachable, out of bounds, division by zero, stack exhausted; also while loading
  "exit", // a WASI command ended with a code other than 0, or a kernel's `run` returned one
  "time-limit",
  "memory-limit",
  "output-limit",
  "bad-output", // a kernel that points outside its memory
  "crashed", // the process ended by itself
  "cancelled",
  "no-input", // code or input could not be read
] as const;
export type RunFailureCode = (typeof RUN_FAILURES)[number];

export interface RunFailure {
  readonly code: RunFailureCode;
  /** For people, at most 200 characters. */
  readonly text: string;
}

/** Bytes of the largest leaf of a trace. */
export const MAX_LEAF = 256 * 1024;
/** Most leaves of a trace: each is hashed by who commits to it, and costs it hundreds of bytes. */
export const MAX_LEAVES = 2 ** 18;

export interface RunResult {
  readonly output: Uint8Array;
  /** Empty where the module makes none. */
  readonly trace: Uint8Array;
  /** Bytes of one leaf of the trace; 0 where it is empty. */
  readonly leafLength: number;
  /** Wall time in the runtime. */
  readonly milliseconds: number;
}

export type RunOutcome =
  | { readonly ok: true; readonly value: RunResult }
  | { readonly ok: false; readonly failure: RunFailure };

export interface TaskRunner {
  /** Resolves when the task has ended and nothing of it runs any more. Aborting kills it. */
  run(task: RunTask, signal: AbortSignal): Promise<RunOutcome>;
}

/** Failures that lie in the task itself, where they are told truly: another machine would end the same way. */
export function isTasksOwnFault(code: RunFailureCode): boolean {
  return OWN_FAULTS.has(code);
}

const OWN_FAULTS: ReadonlySet<RunFailureCode> = new Set([
  "refused-module",
  "trap",
  "exit",
  "output-limit",
  "bad-output",
]);

export function failRun(code: RunFailureCode, text: string): RunOutcome {
  return { ok: false, failure: { code, text: text.slice(0, 200) } };
}
