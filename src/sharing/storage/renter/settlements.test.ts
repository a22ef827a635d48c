import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLogger } from "#base/lib/logger.ts";
import { SeededRandom } from "#base/lib/random.ts";
import type { Step } from "#sharing/deals/deal.ts";
import { stepKey } from "#sharing/deals/deal-codec.ts";
import type { HostClient } from "./host-client.ts";
import { Settlements } from "./settlements.ts";

const MIB = 2 ** 20;

/** One run of a renter that reads of its hosts, and the steps that it wants receipts for. */
async function stepsOf(seed: number, reads: readonly [host: string, bytes: number][]): Promise<Step[]> {
  const steps: Step[] = [];
  const client = { settle: async (_host: string, step: Step) => void steps.push(step) };
  const random = new SeededRandom(seed);
  const settlements = new Settlements(client as unknown as HostClient, { log: silentLogger, random });
  for (const [host, bytes] of reads) {
    settlements.read(host, bytes);
    // The receipt before is had by then.
    await new Promise((resolve) => setImmediate(resolve));
  }
  await settlements.stop();
  return steps;
}

const keysOf = (steps: readonly Step[]) =>
  steps.map((step) => Buffer.from(stepKey("d", step)).toString("hex"));

test("each 64 MiB read of a host are a step of their own, also those of a later run", async () => {
  const reads: [string, number][] = Array.from({ length: 4 }, (_, i) => [i % 2 === 0 ? "a" : "b", 64 * MIB]);
  const first = await stepsOf(1, reads);
  const second = await stepsOf(2, reads);
  assert.equal(first.length, 4);
  // A host that is asked for a step that it has receipted gives the old receipt, and earns nothing.
  assert.equal(new Set([...keysOf(first), ...keysOf(second)]).size, 8);
  for (const { what, unit, milliUnits } of first) {
    assert.deepEqual([what, unit, milliUnits], ["range read", "gib-egress", 63]);
  }
});

test("what is read in small pieces is summed before it is a step, host by host", async () => {
  const reads: [string, number][] = [
    ["a", 63 * MIB],
    ["b", 63 * MIB],
    ["a", 33 * MIB],
    ["a", 63 * MIB],
  ];
  const steps = await stepsOf(1, reads);
  assert.deepEqual(
    steps.map(({ milliUnits }) => milliUnits),
    [94],
  );
});
