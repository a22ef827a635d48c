import assert from "node:assert/strict";
import { test } from "node:test";
import { bodyOf, Circle, readAll } from "./test-circle.ts";

test("a file of several slabs comes back bit for bit, and by ranges", async () => {
  const circle = await Circle.start({ hosts: 12, policy: { slabBytes: 1 << 20 } });
  const { files } = await circle.owner();
  await files.createBucket("photos");
  const bytes = circle.random.fill(new Uint8Array((3 << 20) + 12_345));
  const put = await files.put("photos", "a/b.bin", bodyOf(bytes), { contentType: "image/raw" });
  assert.equal(put.size, bytes.length);
  const head = await files.head("photos", "a/b.bin");
  assert.equal(head.contentType, "image/raw");
  assert.deepEqual(await readAll(files.read(head)), bytes);
  for (const [first, last] of [
    [0, 0],
    [65_519, 65_540],
    [1 << 20, (2 << 20) + 5],
    [bytes.length - 1, bytes.length - 1],
  ] as const) {
    assert.deepEqual(await readAll(files.read(head, { first, last })), bytes.slice(first, last + 1));
  }
  await circle.stop();
});
