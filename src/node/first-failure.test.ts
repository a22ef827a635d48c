import assert from "node:assert/strict";
import { test } from "node:test";
import { firstFailure } from "./first-failure.ts";

test("of several failures while closing the first is told", async () => {
  const stack = new AsyncDisposableStack();
  for (const text of ["third", "second", "first"]) {
    stack.defer(() => Promise.reject(new Error(text)));
  }
  const thrown: unknown = await stack.disposeAsync().catch((error: unknown) => error);
  assert.ok(thrown instanceof SuppressedError);
  assert.equal(firstFailure(thrown).message, "first");
});

test("a single failure is told as it is", () => {
  const error = new Error("alone");
  assert.equal(firstFailure(error), error);
  assert.equal(firstFailure("text").message, "text");
});
