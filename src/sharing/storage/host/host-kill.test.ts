import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { killHosts } from "./test-kill.ts";

test("kill -9 of a host on the real disk loses nothing that was acknowledged", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "freehold-host-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const { shards } = await killHosts(join(folder, "host"), { kills: 4, seed: 1 });
  assert.ok(shards > 10, `${shards} shards were held`);
});
