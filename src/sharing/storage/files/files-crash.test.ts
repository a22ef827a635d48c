import assert from "node:assert/strict";
import { test } from "node:test";
import { sufferCrashes } from "./crash-story.ts";

test("nothing acknowledged is lost by power cuts and kills at random instants", async () => {
  let acknowledged = 0;
  for (const seed of [1, 2]) {
    const outcome = await sufferCrashes({ seed, deaths: 5, hosts: 5 });
    assert.equal(outcome.cuts + outcome.kills, 5);
    acknowledged += outcome.acknowledged;
  }
  assert.equal(acknowledged > 30, true, `${acknowledged} writes were acknowledged`);
});
