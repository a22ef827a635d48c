import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { DecodeError } from "#base/lib/decode-error.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { type FuzzTarget, mutate } from "./fuzz.ts";

// By hand: FREEHOLD_FUZZ_RUNS=1000000 FREEHOLD_FUZZ_SEED=7 node --test test/fuzz/fuzz.test.ts
const RUNS = Number(process.env["FREEHOLD_FUZZ_RUNS"] ?? 2_000);
const SEED = Number(process.env["FREEHOLD_FUZZ_SEED"] ?? 1);

for (const file of readdirSync(import.meta.dirname).filter((name) => name.endsWith(".fuzz.ts"))) {
  const { target } = (await import(join(import.meta.dirname, file))) as { target: FuzzTarget };
  test(`fuzz ${target.name}: ${RUNS} inputs from seed ${SEED}`, async () => {
    assert.ok(target.seeds.length > 0, "a target needs seeds");
    for (const seed of target.seeds) await target.run(seed);
    const random = new SeededRandom(SEED);
    for (let i = 0; i < RUNS; i++) {
      const input = mutate(target.seeds, random);
      try {
        await target.run(input);
      } catch (error) {
        if (error instanceof DecodeError) continue;
        throw new Error(`input ${i}: ${Buffer.from(input).toString("hex")}`, { cause: error });
      }
    }
  });
}
