/**
 * A task is what it computes: kind, code, inputs, parameters, seed and limits, and nothing of who asks or when. So its
 * id is a hash of those, equal tasks have equal results, and a result may be kept (docs/protocols/compute.md, "Task").
 */
import { z } from "zod";
import { sha256 } from "#base/crypto/sha256.ts";
import { concatBytes, toHex } from "#base/lib/bytes.ts";
import type { ContentId } from "#sharing/content/content.ts";
import { encodeCbor } from "#sharing/mesh/cbor.ts";
import { bytesOf, bytesUpTo, hexOf, integer } from "#sharing/mesh/schema.ts";

/** SHA-256 over the task's canonical CBOR, hex. */
export type TaskId = string & { readonly brand?: "TaskId" };

/** What a task may use at most; exceeding one ends it with a reason. */
export interface TaskLimits {
  /** Linear memory of the module, bytes; rounded down to pages of 64 KiB. */
  readonly memoryBytes: number;
  /** Everything that comes out: standard output and files, or the kernel's output. */
  readonly outputBytes: number;
  /** The kernel's trace; 0 where none is wanted. */
  readonly traceBytes: number;
  /** Wall time of the run in milliseconds, fetching and queueing left out. */
  readonly milliseconds: number;
}

/** A content by its id, with the length that the one who names it claims. */
export interface ContentRef {
  readonly id: ContentId;
  readonly length: number;
}

export interface TaskSpec {
  readonly kind: "wasm";
  readonly code: ContentRef;
  readonly inputs: readonly ContentRef[];
  /** The kernel's part 0; for a WASI command the canonical CBOR of its arguments, an array of text. */
  readonly params: Uint8Array;
  /** 32 bytes: the only randomness a module ever sees. */
  readonly seed: Uint8Array;
  readonly limits: TaskLimits;
}

/** What any task may ask for; a provider's own limits may be lower. */
export const TASK_MAXIMA = {
  codeBytes: 64 * 2 ** 20,
  inputs: 64,
  inputBytes: 256 * 2 ** 20,
  paramsBytes: 32 * 1024,
  memoryBytes: 2 ** 32,
  outputBytes: 256 * 2 ** 20,
  traceBytes: 256 * 2 ** 20,
  milliseconds: 3_600_000,
} as const;

function contentRef(max: number): z.ZodType<ContentRef> {
  return z.strictObject({ id: hexOf(32), length: integer(0, max) });
}

export const taskLimits: z.ZodType<TaskLimits> = z.strictObject({
  memoryBytes: integer(0, TASK_MAXIMA.memoryBytes),
  outputBytes: integer(0, TASK_MAXIMA.outputBytes),
  traceBytes: integer(0, TASK_MAXIMA.traceBytes),
  milliseconds: integer(1, TASK_MAXIMA.milliseconds),
});

export const taskSpec: z.ZodType<TaskSpec> = z.strictObject({
  kind: z.literal("wasm"),
  code: contentRef(TASK_MAXIMA.codeBytes),
  inputs: z.array(contentRef(TASK_MAXIMA.inputBytes)).max(TASK_MAXIMA.inputs),
  params: bytesUpTo(TASK_MAXIMA.paramsBytes),
  seed: bytesOf(32),
  limits: taskLimits,
});

const TASK_DOMAIN = new TextEncoder().encode("freehold/task/1");

/** SHA-256("freehold/task/1" ‖ canonical CBOR of the task). */
export function taskId(task: TaskSpec): TaskId {
  return toHex(sha256(concatBytes(TASK_DOMAIN, encodeCbor(task))));
}
