import assert from "node:assert/strict";
import { test } from "node:test";
import { equalBytes, toHex } from "#base/lib/bytes.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { SlotIndex } from "./slot-index.ts";

test("SlotIndex agrees with a Map over random additions and removals", () => {
  const random = new SeededRandom(1);
  const keys: Uint8Array[] = [];
  const index = new SlotIndex(36, random, (value, bytes, at) =>
    equalBytes(keys[value]!, bytes.subarray(at, at + 36)),
  );
  const model = new Map<string, number>();
  for (let step = 0; step < 20_000; step++) {
    // Keys that differ in few bytes, as outpoints of one transaction do.
    const key = new Uint8Array(40);
    key[7] = random.below(40);
    key[36] = random.below(20);
    const text = toHex(key.subarray(4));
    assert.equal(index.get(key, 4), model.get(text) ?? -1);
    if (random.below(2) === 0) {
      assert.equal(index.delete(key, 4), model.delete(text));
    } else if (!model.has(text)) {
      const value = keys.push(key.slice(4)) - 1;
      index.add(value, key, 4);
      model.set(text, value);
    }
    assert.equal(index.count, model.size);
  }
  assert.ok(model.size > 100);
  for (const [text, value] of model) {
    assert.equal(index.get(Uint8Array.from(text.match(/../g)!, (pair) => Number.parseInt(pair, 16))), value);
  }
});
