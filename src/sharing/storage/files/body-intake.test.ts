import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "#base/lib/clock.ts";
import { BodyIntake, type IntakeShare } from "./body-intake.ts";

const MIB = 1 << 20;

/** Whether a body may read on now; what waits is left to wait. */
async function isFree(share: IntakeShare): Promise<boolean | undefined> {
  return Promise.race([
    share.room(),
    new Promise<undefined>((resolve) => setImmediate(() => resolve(undefined))),
  ]);
}

test("bodies share a bound; the eldest and small ones go on, others wait until something is stored", async () => {
  const intake = new BodyIntake(new ManualClock(0));
  const [eldest, second, small] = [intake.enter(), intake.enter(), intake.enter()];
  second.hold(10 * MIB);
  assert.equal(await isFree(second), true);
  eldest.hold(6 * MIB);
  small.hold(MIB / 32);
  assert.equal(await isFree(eldest), true);
  assert.equal(await isFree(small), true);
  assert.equal(await isFree(second), undefined);
  const waiting = second.room();
  second.free(4 * MIB);
  assert.equal(await waiting, true);
  assert.equal(intake.heldBytes, (12 + 1 / 32) * MIB);
});

test("one that waits long is told to store what it has; when the eldest has left, the next may go on", async () => {
  const clock = new ManualClock(0);
  const intake = new BodyIntake(clock);
  const [eldest, second, third] = [intake.enter(), intake.enter(), intake.enter()];
  for (const share of [eldest, second, third]) share.hold(40 * MIB);
  const told = second.room();
  clock.advance(9_999);
  assert.equal(await Promise.race([told, Promise.resolve("waits")]), "waits");
  clock.advance(1);
  assert.equal(await told, false);
  eldest.leave();
  assert.equal(await second.room(), true);
  assert.equal(await isFree(third), undefined);
  second.leave();
  third.leave();
  assert.equal(intake.heldBytes, 0);
});
