import assert from "node:assert/strict";
import { test } from "node:test";
import { Signal } from "./events.ts";

test("listeners run in the order they came, each awaited", async () => {
  const signal = new Signal<number>();
  const seen: string[] = [];
  signal.on(async (value) => {
    seen.push(`first ${value}`);
    await new Promise((resolve) => setImmediate(resolve));
    seen.push("first done");
  });
  signal.on((value) => {
    seen.push(`second ${value}`);
  });
  await signal.emit(1);
  assert.deepEqual(seen, ["first 1", "first done", "second 1"]);
});

test("one that left hears nothing more; one that leaves during an emit does not upset it", async () => {
  const signal = new Signal<string>();
  const seen: string[] = [];
  const off = signal.on((value) => {
    seen.push(`a ${value}`);
    off();
  });
  signal.on((value) => {
    seen.push(`b ${value}`);
  });
  await signal.emit("x");
  await signal.emit("y");
  off();
  assert.deepEqual(seen, ["a x", "b x", "b y"]);
});

test("one that comes during an emit hears the next", async () => {
  const signal = new Signal<number>();
  const seen: number[] = [];
  let came = false;
  signal.on(() => {
    if (came) return;
    came = true;
    signal.on((value) => {
      seen.push(value);
    });
  });
  await signal.emit(1);
  assert.deepEqual(seen, []);
  await signal.emit(2);
  assert.deepEqual(seen, [2]);
});

test("an exception stops the emit and reaches the emitter", async () => {
  const signal = new Signal<void>();
  let reached = false;
  signal.on(async () => {
    throw new Error("disk");
  });
  signal.on(() => {
    reached = true;
  });
  await assert.rejects(signal.emit(), { message: "disk" });
  assert.equal(reached, false);
});

test("next is the value of the next emit alone", async () => {
  const signal = new Signal<number>();
  const next = signal.next();
  await signal.emit(5);
  await signal.emit(6);
  assert.equal(await next, 5);
});
