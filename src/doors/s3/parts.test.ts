import assert from "node:assert/strict";
import { test } from "node:test";
import type { ObjectInfo } from "#sharing/storage/file-store.ts";
import { parsePartNumber, partCount, partRange } from "./parts.ts";
import { S3Error } from "./s3-error.ts";

const PLAIN: ObjectInfo = {
  ...{ bucket: "b", key: "k", versionId: "null", latest: true, deleteMarker: false, modified: 0 },
  size: 24,
  etag: "0".repeat(32),
};

function refused(code: string) {
  return (error: unknown) => error instanceof S3Error && error.code === code;
}

test("a part is found in its run, from the first to the last", () => {
  const parts = [
    { size: 5, count: 3 },
    { size: 9, count: 1 },
    { size: 0, count: 1 },
  ];
  const object = { ...PLAIN, etag: `${PLAIN.etag}-5`, parts };
  assert.equal(partCount(object), 5);
  const ranges = [1, 2, 3, 4, 5].map((number) => partRange(object, number)!);
  assert.deepEqual(
    ranges.map(({ first, last }) => [first, last]),
    [
      [0, 4],
      [5, 9],
      [10, 14],
      [15, 23],
      [24, 23],
    ],
  );
  assert.throws(() => partRange(object, 6), refused("InvalidPartNumber"));
});

test("an object of one piece is its own first part; of one whose record is older nothing is made up", () => {
  assert.equal(partCount(PLAIN), undefined);
  assert.deepEqual(partRange(PLAIN, 1), { first: 0, last: 23 });
  assert.throws(() => partRange(PLAIN, 2), refused("InvalidPartNumber"));
  assert.equal(partRange({ ...PLAIN, size: 0 }, 1), undefined);
  const older = { ...PLAIN, etag: `${PLAIN.etag}-2` };
  assert.throws(() => partRange(older, 2), refused("NotImplemented"));
  assert.deepEqual(partRange({ ...older, etag: `${PLAIN.etag}-1` }, 1), { first: 0, last: 23 });
});

test("part numbers are 1 to 10000", () => {
  assert.deepEqual(["1", "10000"].map(parsePartNumber), [1, 10_000]);
  for (const bad of ["", "0", "10001", "1.5", "-1", "x"]) {
    assert.throws(() => parsePartNumber(bad), refused("InvalidArgument"), bad);
  }
});
