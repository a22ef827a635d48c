import { hex } from "#base/lib/bytes.ts";
import { decodedOrUndefined } from "#base/lib/decode-error.ts";
import { COMPUTE_PROTOCOL, decodeOffer, encodeOffer } from "#sharing/compute/compute-protocol.ts";
import { commitTo, traceTree } from "#sharing/compute/core/commitment.ts";
import type { TaskSpec } from "#sharing/compute/core/task.ts";
import { readCommandOutput } from "#sharing/compute/core/wasm-job.ts";
import { replyHeader } from "#sharing/compute/runtimes/wasm/child-messages.ts";
import { encodeFrame, FrameReader } from "#sharing/compute/runtimes/wasm/frame.ts";
import { decodeCbor, encodeCbor } from "#sharing/mesh/cbor.ts";
import type { FuzzTarget } from "./fuzz.ts";

const ID = "ab".repeat(32);
const task: TaskSpec = {
  kind: "wasm",
  code: { id: ID, length: 100 },
  inputs: [{ id: ID, length: 7 }],
  params: hex("00ff"),
  seed: new Uint8Array(32),
  limits: { memoryBytes: 65_536, outputBytes: 10, traceBytes: 0, milliseconds: 1000 },
};
const output = hex("010203");
const commitment = { ...commitTo("12D3KooW", ID, output, traceTree(new Uint8Array(64), 32)), leafLength: 32 };
const done = { task: ID, state: "done", commitment };

const messages = [
  { kind: "wasm", limits: task.limits },
  { lanes: 1, window: 2 },
  { task, order: new Uint8Array(16) },
  done,
  { task: ID, state: "failed", failure: { code: "trap", text: "unreachable" } },
  { tasks: [done] },
  { unknown: [ID] },
  { task: ID, offset: 0 },
  { bytes: output },
  { task: ID, leaves: [0, 1] },
  { leaves: [new Uint8Array(32)], proof: new Uint8Array(64) },
  { tasks: [ID] },
  { task: ID, verified: true, reason: "" },
  { files: { a: output }, stdout: output },
].map((message) => encodeCbor(message));
const reply = { ok: true, leafLength: 0, milliseconds: 1, residentBytes: 1 };
const frame = Buffer.concat(encodeFrame({ header: reply, blobs: [output, new Uint8Array(0)] }));
const offer = encodeOffer({ kinds: ["wasm"], lanes: 1, memoryBytes: 1, milliseconds: 1, arch: "x64" });

/** Every message of `/freehold/compute/1`, the offer, a command's output, and what a child may send. */
export const target: FuzzTarget = {
  name: "compute",
  seeds: [...messages, offer, Uint8Array.from(frame)],
  run(input) {
    decodeOffer(input);
    readCommandOutput(input);
    const frames = decodedOrUndefined(() => new FrameReader(() => 1024).push(input)) ?? [];
    for (const sent of frames) replyHeader.safeParse(sent.header);
    const value = decodedOrUndefined(() => decodeCbor(input));
    if (value === undefined) return;
    for (const method of Object.values(COMPUTE_PROTOCOL.methods)) {
      const message = method.request.safeParse(value);
      // What is taken is exactly what was sent.
      if (message.success) expectSame(input, encodeCbor(message.data));
      method.reply.safeParse(value);
    }
  },
};

function expectSame(input: Uint8Array, again: Uint8Array): void {
  if (Buffer.compare(input, again) !== 0) throw new Error("a message is read as another");
}
