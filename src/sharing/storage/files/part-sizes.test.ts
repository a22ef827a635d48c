import assert from "node:assert/strict";
import { test } from "node:test";
import { PART_SIZES, readPartSizes, withPartSizes } from "./part-sizes.ts";

test("sizes of parts are told in runs beside the headers, and read back", () => {
  const sizes = [...Array<number>(9999).fill(16 << 20), 7];
  const headers = withPartSizes({ contentType: "a/b" }, sizes);
  assert.deepEqual(headers, { contentType: "a/b", [PART_SIZES]: "16777216*9999 7" });
  const total = 9999 * (16 << 20) + 7;
  assert.deepEqual(readPartSizes("16777216*9999 7", total), [
    { size: 16 << 20, count: 9999 },
    { size: 7, count: 1 },
  ]);
  assert.equal(readPartSizes("16777216*9999 7", total + 1), undefined);
  for (const bad of ["", "7*", "x", "7  7", "-7"]) assert.equal(readPartSizes(bad, 7), undefined, bad);
});

test("sizes that all differ are told as long as they have room", () => {
  const differing = (count: number) => Array.from({ length: count }, (_, i) => (5 << 20) + i);
  const some = differing(900);
  const text = withPartSizes(undefined, some)![PART_SIZES]!;
  assert.ok(text.length <= 8192);
  const total = some.reduce((sum, size) => sum + size, 0);
  assert.equal(readPartSizes(text, total)!.length, 900);
  assert.equal(withPartSizes(undefined, differing(10_000)), undefined);
});
