import assert from "node:assert/strict";
import { describe, simulateStorage } from "../sim/simulate-storage.ts";

/** The storage simulation at length. @param args days (30 when left out), and the seed (1). */
export async function run(args: string[]): Promise<void> {
  const plan = {
    ...{ seed: Number(args[1] ?? 1), peers: 1000, files: 200, days: Number(args[0] ?? 30) },
    ...{ restless: 0.3, mortal: 0.2, epochHours: 3 },
  };
  const figures = await simulateStorage(plan);
  console.log(describe(plan, figures));
  assert.equal(figures.lost, 0);
  assert.equal(figures.restored, plan.files);
}
