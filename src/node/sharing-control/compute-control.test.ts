import assert from "node:assert/strict";
import { test } from "node:test";
import type { JobView } from "#doors/api/sharing-control.ts";
import type { Compute } from "#sharing/compute/open-compute.ts";
import { encodeFrame } from "../link/frame.ts";
import { LINK_LIMITS } from "../link/link-limits.ts";
import { computeControl } from "./compute-control.ts";

/** A job under way as large as one can be. */
function jobOf(index: number, count: number): JobView {
  const provider = "12D3KooWRGPVW4ufaT2wX68EgeVTDJvs4bH3HDh3XeUchKdxKeQx";
  const attempts = [{ provider, outcome: "verified" }];
  return {
    id: `${index}`.padStart(32, "0"),
    kind: "wasm",
    title: "a.wasm over many inputs",
    state: "running",
    created: index,
    tasks: Array.from({ length: count }, (_, i) => ({
      ...{ index: i, state: "verified", provider, providerName: "Bob", attempts },
    })),
    counts: { total: count, verified: count },
  };
}

test("a page of large jobs fits through the link: the tasks that do not are left out", async () => {
  const jobs = [jobOf(5, 3), ...Array.from({ length: 4 }, (_, i) => jobOf(4 - i, 10_000)), jobOf(0, 4000)];
  const requester = { jobs: async () => jobs };
  const control = computeControl({ requester } as unknown as Compute, { sell: () => {} });
  const listed = await control.jobs({ limit: 200 });
  assert.deepEqual(
    listed.map(({ tasks }) => tasks.length),
    [3, 0, 0, 0, 0, 4000],
  );
  assert.deepEqual(listed[1], { ...jobs[1]!, tasks: [] });
  const length = (value: unknown): number => encodeFrame({ kind: "item", id: 1, value }).length;
  assert.ok(length(listed) < LINK_LIMITS.frameBytes);
  assert.ok(length(jobs) > LINK_LIMITS.frameBytes, "all of it does not fit");
});
