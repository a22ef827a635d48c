import assert from "node:assert/strict";
import { test } from "node:test";
import { describe, type StorageSimulation, simulateStorage } from "./simulate-storage.ts";

test("1,000 peers, 30% leaving and coming back, 5% for good: none of 200 files is lost", async (t) => {
  const plan: StorageSimulation = {
    ...{ seed: 11, peers: 1000, files: 200, days: 2, restless: 0.3, mortal: 0.1, epochHours: 6 },
  };
  const figures = await simulateStorage(plan);
  t.diagnostic(describe(plan, figures));
  assert.equal(figures.lost, 0);
  assert.equal(figures.restored, 200);
  assert.equal(figures.departures > 500 && figures.deaths > 20 && figures.repaired > 30, true);
});
