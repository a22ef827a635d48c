import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeCbor } from "#sharing/mesh/cbor.ts";
import type { FinishedTask } from "./job-kind.ts";
import { type WasmSettings, wasmJobKind } from "./wasm-job.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);

/** A task that is done, with what its command wrote to files and to standard output. */
function finished(index: number, label: string, files: Record<string, string>, stdout = ""): FinishedTask {
  const output = encodeCbor({
    files: Object.fromEntries(Object.entries(files).map(([path, text]) => [path, bytesOf(text)])),
    stdout: bytesOf(stdout),
  });
  return { index, label, output: async () => output } as unknown as FinishedTask;
}

test("no output takes the place of another, whatever inputs and files are called", async () => {
  const tasks = [
    finished(0, "a", {}, "first"),
    finished(1, "2-a", {}, "second"),
    finished(2, "a", {}, "third"),
    finished(3, "b", { "x/y": "slash", "x?y": "question", x_y: "plain", "x*y": "star" }),
  ];
  const written = new Map<string, string>();
  for await (const { name, bytes } of wasmJobKind.assemble({} as WasmSettings, tasks)) {
    assert.ok(!written.has(name), `${name} comes twice`);
    written.set(name, new TextDecoder().decode(bytes));
  }
  const contents = ["first", "second", "third", "slash", "question", "plain", "star"];
  assert.deepEqual([...written.values()].sort(), contents.sort());
  assert.equal(written.get("a.out"), "first");
  assert.equal(written.get("2-a.out"), "second");
});
