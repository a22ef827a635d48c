import assert from "node:assert/strict";
import { test } from "node:test";
import { HOST_MUTANTS, sufferHostCrashes } from "./test-crash.ts";

test("nothing acknowledged is lost in kills and power cuts", async () => {
  const total = { cuts: 0, kills: 0, shardsHeld: 0, headsHeld: 0, resumed: 0 };
  for (let seed = 1; seed <= 4; seed++) {
    const report = await sufferHostCrashes({ seed, lives: 15 });
    for (const key of Object.keys(total) as (keyof typeof total)[]) total[key] += report[key];
  }
  assert.ok(total.cuts > 30 && total.kills > 5, "both kinds happened");
  assert.ok(total.shardsHeld > 200 && total.headsHeld > 50 && total.resumed > 5, JSON.stringify(total));
});

for (const [name, leaveOut] of Object.entries(HOST_MUTANTS)) {
  test(`without the sync of ${name} something is lost`, async () => {
    let losses = 0;
    for (let seed = 1; seed <= 12 && losses === 0; seed++) {
      await sufferHostCrashes({ seed, lives: 12, leaveOut }).catch((error) => {
        if (!(error instanceof assert.AssertionError)) throw error;
        losses++;
      });
    }
    assert.ok(losses > 0);
  });
}
