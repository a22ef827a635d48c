import assert from "node:assert/strict";
import { test } from "node:test";
import { FaultWorld } from "#base/store/fault-world.ts";
import { JobFolder } from "./job-store.ts";

test("a result that is written by several at once is there whole, as who came last wrote it", async () => {
  const disk = new FaultWorld({});
  await disk.files.makeDirectory("/job");
  const folder = await JobFolder.open(disk, "/job");
  const results = Array.from({ length: 20 }, (_, i) => new Uint8Array(1000 + i).fill(i));
  const writing = Promise.all(results.map((bytes) => folder.write("task-0.out", bytes)));
  // Who reads meanwhile finds what was asked to be written before.
  assert.deepEqual(await folder.read("task-0.out"), results.at(-1));
  await writing;
  await folder.close();
});
