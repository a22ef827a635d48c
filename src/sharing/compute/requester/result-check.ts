/** From a provider's commitment to a result that is known to be right, or a reason why it is not. */

import { leafHash, verifyMultiProof } from "#base/crypto/merkle-tree.ts";
import { sha256 } from "#base/crypto/sha256.ts";
import { equalBytes } from "#base/lib/bytes.ts";
import type { Random } from "#base/lib/random.ts";
import type { CallOptions, Mesh, PeerId } from "#sharing/mesh/mesh.ts";
import type { CallFailure } from "#sharing/mesh/protocol.ts";
import {
  COMPUTE_PROTOCOL,
  type CommitmentMessage,
  OUTPUT_CHUNK,
  REVEAL_BYTES,
  REVEAL_LEAVES,
} from "../compute-protocol.ts";
import type { BoundKind } from "../core/bound-kind.ts";
import { commitmentHolds } from "../core/commitment.ts";
import type { Challenge, PlannedTask, Rerun } from "../core/job-kind.ts";
import type { TaskId } from "../core/task.ts";

/** What came of looking at a result. */
export type Checked =
  /** `proved`: challenged and found right. Else it is still to be compared with another's. */
  | { readonly status: "right"; readonly output: Uint8Array; readonly proved: boolean }
  /** The provider said or sent what no honest one does. */
  | { readonly status: "false"; readonly reason: string }
  /** It went away, or would not answer. */
  | { readonly status: "gone"; readonly reason: string };

export interface CheckParts {
  readonly mesh: Mesh;
  readonly random: Random;
  readonly kind: BoundKind;
  readonly rerun: Rerun;
  readonly signal: AbortSignal;
}

const CALL_TIMEOUT = 30_000;

export async function checkResult(
  parts: CheckParts,
  provider: PeerId,
  task: PlannedTask,
  id: TaskId,
  commitment: CommitmentMessage,
): Promise<Checked> {
  const wrong = wrongCommitment(provider, task, id, commitment);
  if (wrong !== undefined) return { status: "false", reason: wrong };
  const call: CallOptions = { timeoutMs: CALL_TIMEOUT, signal: parts.signal };
  // The challenge is drawn now: the commitment can no longer be fitted to it.
  const challenge = parts.kind.challenge(task, parts.random);
  const [output, leaves] = await Promise.all([
    readOutput(parts.mesh, provider, id, commitment, call),
    challenge === undefined ? undefined : revealLeaves(parts.mesh, provider, id, commitment, challenge, call),
  ]);
  if (!("bytes" in output)) return output;
  const malformed = parts.kind.malformed(task, output.bytes, commitment.leafCount);
  if (malformed !== undefined) return { status: "false", reason: malformed };
  if (challenge === undefined || leaves === undefined) {
    return { status: "right", output: output.bytes, proved: false };
  }
  if (!(leaves instanceof Map)) return leaves;
  const evidence = { output: output.bytes, leafCount: commitment.leafCount, leaves };
  const verdict = await parts.kind.verify(task, evidence, challenge, parts.rerun);
  if (!verdict.ok) return { status: "false", reason: verdict.reason };
  return { status: "right", output: output.bytes, proved: true };
}

function wrongCommitment(
  provider: PeerId,
  { spec }: PlannedTask,
  id: TaskId,
  commitment: CommitmentMessage,
): string | undefined {
  if (!commitmentHolds(provider, id, commitment)) return "a commitment that is not its own";
  const { leafCount, leafLength, outputLength } = commitment;
  // A command's output is wrapped with the names of its files.
  if (outputLength > spec.limits.outputBytes + 2 ** 21) return "more output than the task allows";
  if (leafCount * leafLength > spec.limits.traceBytes) return "more trace than the task allows";
  return undefined;
}

/** A refusal or silence: not proof of cheating. A reply that breaks the format is the mesh's to punish. */
function gone(failure: CallFailure): Checked & { status: "gone" } {
  return { status: "gone", reason: `${failure.code}: ${failure.text}` };
}

async function readOutput(
  mesh: Mesh,
  provider: PeerId,
  task: TaskId,
  { outputHash, outputLength }: CommitmentMessage,
  call: CallOptions,
): Promise<{ readonly bytes: Uint8Array } | Exclude<Checked, { status: "right" }>> {
  const bytes = new Uint8Array(outputLength);
  for (let at = 0; at < outputLength; ) {
    const request = { task, offset: at };
    const answer = await mesh.call(
      provider,
      COMPUTE_PROTOCOL,
      COMPUTE_PROTOCOL.methods.output,
      request,
      call,
    );
    if (!answer.ok) return gone(answer.refusal);
    const piece = answer.value.bytes;
    if (piece.length !== Math.min(OUTPUT_CHUNK, outputLength - at)) {
      return { status: "false", reason: "an output of another length than it committed to" };
    }
    bytes.set(piece, at);
    at += piece.length;
  }
  if (!equalBytes(sha256(bytes), outputHash)) {
    return { status: "false", reason: "an output that is not the one it committed to" };
  }
  return { bytes };
}

async function revealLeaves(
  mesh: Mesh,
  provider: PeerId,
  task: TaskId,
  { leafCount, leafLength, traceRoot }: CommitmentMessage,
  challenge: Challenge,
  call: CallOptions,
): Promise<Map<number, Uint8Array> | Exclude<Checked, { status: "right" }>> {
  const wanted = [...new Set(challenge.picks.map(({ leaf }) => leaf))].sort((a, b) => a - b);
  if (wanted.some((leaf) => leaf >= leafCount))
    return { status: "false", reason: "a trace that is too short" };
  const revealed = new Map<number, Uint8Array>();
  const most = Math.max(1, Math.min(REVEAL_LEAVES, Math.floor(REVEAL_BYTES / Math.max(1, leafLength))));
  for (let i = 0; i < wanted.length; i += most) {
    const leaves = wanted.slice(i, i + most);
    const request = { task, leaves };
    const answer = await mesh.call(
      provider,
      COMPUTE_PROTOCOL,
      COMPUTE_PROTOCOL.methods.reveal,
      request,
      call,
    );
    if (!answer.ok) return gone(answer.refusal);
    const { proof } = answer.value;
    const hashes = answer.value.leaves.map(leafHash);
    const fits = answer.value.leaves.every((leaf) => leaf.length === leafLength);
    if (!fits || !verifyMultiProof(traceRoot, leafCount, leaves, hashes, proof)) {
      return { status: "false", reason: "samples that are not those it committed to" };
    }
    for (const [j, leaf] of leaves.entries()) revealed.set(leaf, answer.value.leaves[j]!);
  }
  return revealed;
}
