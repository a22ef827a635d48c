import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { leafHash, leafHashes } from "#base/crypto/merkle-tree.ts";
import { concatBytes, hex, toHex } from "#base/lib/bytes.ts";
import { contentIdOf } from "#sharing/content/chunk-list.ts";
import { encodeCbor } from "#sharing/mesh/cbor.ts";
import { commitmentHolds, commitTo, receiptProof, traceTree } from "./core/commitment.ts";
import { kernelFrameLength, writeKernelFrame } from "./core/kernel-frame.ts";
import { type TaskSpec, taskId } from "./core/task.ts";
import { Wasi } from "./core/wasi.ts";
import { seedOf } from "./core/wasm-job.ts";

/** The page that shows these; a copy of the vectors here would prove nothing about it. */
const page = await readFile(new URL("../../../docs/protocols/compute.md", import.meta.url), "utf8");

function mustShow(what: string, text: string): void {
  assert.ok(page.includes(text), `docs/protocols/compute.md lacks ${what}: ${text}`);
}

const TASK: TaskSpec = {
  kind: "wasm",
  code: { id: "aa".repeat(32), length: 1000 },
  inputs: [{ id: "bb".repeat(32), length: 5 }],
  params: hex("01020304"),
  seed: seedOf(7),
  limits: { memoryBytes: 16_777_216, outputBytes: 65_536, traceBytes: 0, milliseconds: 30_000 },
};
const PEER = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";

test("contents are those of the page", () => {
  const small = new TextEncoder().encode("freehold");
  mustShow("a small content", contentIdOf({ length: 8, leaves: leafHash(small) }));
  const large = Uint8Array.from({ length: 300_000 }, (_, i) => i % 251);
  const leaves = concatBytes(...leafHashes(large, 262_144));
  mustShow("a content of two chunks", contentIdOf({ length: large.length, leaves }));
});

test("seed, task and id are those of the page", () => {
  mustShow("the seed", toHex(seedOf(7)));
  mustShow("the task", toHex(encodeCbor(TASK)));
  mustShow("the id", taskId(TASK));
});

test("commitment and receipt are those of the page", () => {
  const tree = traceTree(
    Uint8Array.from({ length: 48 }, (_, i) => i),
    16,
  );
  const commitment = commitTo(PEER, taskId(TASK), new TextEncoder().encode("output"), tree);
  mustShow("the trace root", toHex(tree.root));
  mustShow("the commitment", toHex(commitment.hash));
  mustShow("the receipt's proof", toHex(receiptProof(commitment.hash, new Uint8Array(16).fill(5))));
  assert.ok(commitmentHolds(PEER, taskId(TASK), commitment));
  assert.ok(!commitmentHolds(`${PEER.slice(0, -1)}M`, taskId(TASK), commitment), "another's commitment");
  assert.ok(!commitmentHolds(PEER, "00".repeat(32), commitment), "another task's");
});

test("the kernel's frame and a command's randomness are those of the page", () => {
  const parts = [hex("01020304"), hex("0a0b0c0d0e")];
  const frame = new Uint8Array(kernelFrameLength(parts));
  writeKernelFrame(parts, frame);
  mustShow("the frame", toHex(frame));
  const wasi = new Wasi({ args: [], inputs: [], seed: seedOf(7), outputBytes: 0 });
  const memory = new WebAssembly.Memory({ initial: 1 });
  wasi.memory = memory;
  const random = wasi.imports()["random_get"] as unknown as (at: number, length: number) => number;
  assert.equal(random(0, 5), 0);
  assert.equal(random(5, 43), 0);
  mustShow("the first 48 random bytes", toHex(new Uint8Array(memory.buffer, 0, 48)));
});
