/**
 * `/freehold/compute/1`: what requester and provider say to each other (docs/protocols/compute.md, "Messages"). The
 * requester asks, assigns, reads, challenges, cancels and tells its verdict; the provider tells progress. Every message
 * may come twice: a task is known by its id.
 */
import { z } from "zod";
import { DecodeError } from "#base/lib/decode-error.ts";
import { decodeCbor, encodeCbor } from "#sharing/mesh/cbor.ts";
import { method, protocol } from "#sharing/mesh/protocol.ts";
import { bytesOf, bytesUpTo, hexOf, integer, textUpTo } from "#sharing/mesh/schema.ts";
import type { Commitment } from "./core/commitment.ts";
import { TASK_MAXIMA, type TaskId, taskLimits, taskSpec } from "./core/task.ts";
import { MAX_LEAF, MAX_LEAVES, RUN_FAILURES, type RunFailure } from "./core/task-runner.ts";

/** Bytes of output in one reply. */
export const OUTPUT_CHUNK = 256 * 1024;
/** Bytes of leaves in one reply, and most of them. */
export const REVEAL_BYTES = 1024 * 1024;
export const REVEAL_LEAVES = 256;
/** Most tasks in one progress message. */
export const PROGRESS_TASKS = 64;

export const commitmentMessage: z.ZodType<Commitment & { readonly leafLength: number }> = z.strictObject({
  outputHash: bytesOf(32),
  outputLength: integer(0, TASK_MAXIMA.outputBytes),
  traceRoot: bytesOf(32),
  leafCount: integer(0, MAX_LEAVES),
  leafLength: integer(0, MAX_LEAF),
  hash: bytesOf(32),
});
export type CommitmentMessage = z.infer<typeof commitmentMessage>;

export const TASK_STATES = ["fetching", "queued", "running", "done", "failed"] as const;

/** Where a task stands with a provider. `done` carries the commitment, `failed` the reason. */
export interface TaskState {
  readonly task: TaskId;
  readonly state: (typeof TASK_STATES)[number];
  readonly commitment?: CommitmentMessage | undefined;
  readonly failure?: RunFailure | undefined;
}

const failure: z.ZodType<RunFailure> = z.strictObject({ code: z.enum(RUN_FAILURES), text: textUpTo(200) });
const taskIdText: z.ZodType<TaskId> = hexOf(32);

export const taskState: z.ZodType<TaskState> = z
  .strictObject({
    task: taskIdText,
    state: z.enum(TASK_STATES),
    commitment: commitmentMessage.optional(),
    failure: failure.optional(),
  })
  .refine((state) => (state.state === "done") === (state.commitment !== undefined), "done and its commitment")
  .refine((state) => (state.state === "failed") === (state.failure !== undefined), "failed and its reason");

export const COMPUTE_PROTOCOL = protocol({
  name: "compute",
  major: 1,
  methods: {
    /** Would a task of these limits be taken, and how many at a time? */
    ask: method({
      request: z.strictObject({ kind: z.literal("wasm"), limits: taskLimits }),
      reply: z.strictObject({ lanes: integer(1, 1024), window: integer(1, 1024) }),
    }),
    /** Does this task. `order` (16 bytes) is the requester's name for the job: it goes into the receipt. */
    assign: method({
      request: z.strictObject({ task: taskSpec, order: bytesOf(16) }),
      reply: taskState,
    }),
    /** From the provider: tasks whose state changed, and every few seconds all of them. */
    progress: method({
      request: z.strictObject({ tasks: z.array(taskState).max(PROGRESS_TASKS) }),
      /** Tasks that the requester does not know, or no longer wants. */
      reply: z.strictObject({ unknown: z.array(taskIdText).max(PROGRESS_TASKS) }),
    }),
    /** A piece of the output of a task that is done. */
    output: method({
      request: z.strictObject({ task: taskIdText, offset: integer(0, TASK_MAXIMA.outputBytes) }),
      reply: z.strictObject({ bytes: bytesUpTo(OUTPUT_CHUNK) }),
      replyLimit: OUTPUT_CHUNK + 1024,
    }),
    /** Leaves of the trace, ascending, with one proof for all. */
    reveal: method({
      request: z.strictObject({
        task: taskIdText,
        leaves: z.array(integer(0, MAX_LEAVES)).min(1).max(REVEAL_LEAVES),
      }),
      reply: z.strictObject({
        leaves: z.array(bytesUpTo(MAX_LEAF)).max(REVEAL_LEAVES),
        proof: bytesUpTo(REVEAL_LEAVES * 24 * 32),
      }),
      replyLimit: REVEAL_BYTES + REVEAL_LEAVES * 24 * 32 + 64 * 1024,
    }),
    /** These are no longer wanted. */
    cancel: method({
      request: z.strictObject({ tasks: z.array(taskIdText).max(PROGRESS_TASKS) }),
      reply: z.null(),
    }),
    /** What came of the check; the receipt follows by way of the deal. */
    verdict: method({
      request: z.strictObject({ task: taskIdText, verified: z.boolean(), reason: textUpTo(200) }),
      reply: z.null(),
    }),
  },
});

/** What a provider tells every peer, in the mesh's offer `compute`. */
export const computeOffer = z.strictObject({
  kinds: z.array(z.literal("wasm")).max(8),
  /** Tasks at a time. */
  lanes: integer(1, 1024),
  memoryBytes: integer(0),
  milliseconds: integer(1),
  /** Machine: two of one kind agree on the bits of a NaN. */
  arch: textUpTo(16),
});
export type ComputeOffer = z.infer<typeof computeOffer>;

export function encodeOffer(offer: ComputeOffer): Uint8Array {
  return encodeCbor(offer);
}

/** A peer's offer, or undefined when it makes none that fits. */
export function decodeOffer(bytes: Uint8Array | undefined): ComputeOffer | undefined {
  if (bytes === undefined || bytes.length > 1024) return undefined;
  try {
    const parsed = computeOffer.safeParse(decodeCbor(bytes, 64));
    return parsed.success ? parsed.data : undefined;
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}
