import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "#base/lib/random.ts";
import { EntryTimes } from "./entry-times.ts";

test("EntryTimes agrees with a Map over random comings and goings", () => {
  const random = new SeededRandom(1);
  const times = new EntryTimes();
  const model = new Map<number, number>();
  for (let step = 0; step < 30_000; step++) {
    const slot = random.below(300);
    if (model.has(slot)) {
      times.remove(slot);
      model.delete(slot);
    } else {
      const time = random.below(1000);
      times.add(slot, time);
      model.set(slot, time);
    }
    if (step % 100 !== 0) continue;
    const limit = random.below(1000);
    const expected = [...model].filter(([, time]) => time < limit).map(([filled]) => filled);
    assert.deepEqual(times.before(limit).sort(), expected.sort(), `step ${step}`);
  }
});
