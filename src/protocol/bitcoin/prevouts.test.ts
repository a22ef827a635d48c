import assert from "node:assert/strict";
import { test } from "node:test";
import { hex, toHex } from "#base/lib/bytes.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { PrevoutsBuilder, prevoutsOf } from "./prevouts.ts";

test("amounts and scripts by input, a coinbase's slot empty", () => {
  const builder = new PrevoutsBuilder(3);
  builder.skip();
  builder.add(21e14, hex("00510203"), 1, 3);
  builder.add(0, hex(""));
  const prevouts = builder.finish();
  assert.deepEqual(
    [0, 1, 2].map((input) => prevouts.amount(input)),
    [0, 21e14, 0],
  );
  assert.deepEqual(
    [0, 1, 2].map((input) => toHex(prevouts.script(input))),
    ["", "5102", ""],
  );
});

test("scripts longer than the first guess", () => {
  const random = new SeededRandom(4);
  const outputs = Array.from({ length: 400 }, (_, amount) => ({
    amount,
    script: random.fill(new Uint8Array(random.below(600))),
  }));
  const prevouts = prevoutsOf(outputs);
  for (const [input, { amount, script }] of outputs.entries()) {
    assert.equal(prevouts.amount(input), amount);
    assert.deepEqual(prevouts.script(input), script);
  }
});

test("the source may change after it was added", () => {
  const script = hex("5152");
  const prevouts = prevoutsOf([{ amount: 1, script }]);
  script.fill(0);
  assert.equal(toHex(prevouts.script(0)), "5152");
});
