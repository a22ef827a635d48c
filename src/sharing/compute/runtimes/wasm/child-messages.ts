/** What the sharing process asks of a child, and what it hears back: headers of {@link Frame}s. */
import { z } from "zod";
import { integer } from "#sharing/mesh/schema.ts";
import type { TaskLimits } from "../../core/task.ts";
import { RUN_FAILURES } from "../../core/task-runner.ts";

/** Blobs: the code and the inputs that the child does not hold from its last run, in order. */
export interface RunHeader {
  readonly code: string;
  /** Whether the code is the first blob; else it is that of the last run. */
  readonly sendsCode: boolean;
  readonly inputs: readonly { readonly id: string; readonly sent: boolean }[];
  readonly params: Uint8Array;
  readonly seed: Uint8Array;
  readonly limits: TaskLimits;
  readonly reuse: boolean;
}

/** What a child says first: it has started, and time counts from here. */
export const readyHeader = z.strictObject({ ready: z.literal(true) });
export type ReadyHeader = z.infer<typeof readyHeader>;

/** Blobs: output and trace, when it went well. The child is trusted with nothing but its own run. */
export const replyHeader = z.union([
  z.strictObject({
    ok: z.literal(true),
    leafLength: integer(0, 2 ** 31),
    milliseconds: integer(0),
    residentBytes: integer(0),
  }),
  z.strictObject({
    ok: z.literal(false),
    code: z.enum(RUN_FAILURES),
    text: z.string().max(400),
    residentBytes: integer(0),
  }),
]);
export type ReplyHeader = z.infer<typeof replyHeader>;
