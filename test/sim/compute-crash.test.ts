/** A bounded few of `npm run soak -- compute-crash`. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { crashRound } from "../support/compute-crash.ts";

test("whenever requester or provider dies, the job ends right and every task is paid once", async (t) => {
  const victims = new Set<string>();
  for (let round = 0; round < 16; round++) victims.add((await crashRound(t, round)).victim);
  assert.equal(victims.size, 2);
});
