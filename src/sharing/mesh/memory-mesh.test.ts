import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "#base/lib/clock.ts";
import { MemoryNetwork } from "./memory-mesh.ts";
import { playUntil } from "./memory-time.ts";
import { ECHO, meshSuite } from "./mesh-suite.ts";
import { memoryWorld } from "./mesh-world.ts";
import { accept } from "./protocol.ts";

meshSuite("memory", (_context, errors) => memoryWorld(errors));

/** A story of `count` peers that ask around, as one line of text. */
async function story(seed: number, count: number): Promise<string> {
  const clock = new ManualClock();
  const network = new MemoryNetwork({ clock, seed, latencyMs: [5, 80], loss: 0.05 });
  const meshes = Array.from({ length: count }, () => network.join());
  const log: string[] = [];
  for (const mesh of meshes) {
    mesh.serve(ECHO, {
      echo: async ({ data }) => accept({ data }),
      small: async ({ n }) => accept({ n }),
      wait: async () => accept({}),
      lie: async () => accept({ truth: true }),
      missing: async () => accept({}),
    });
  }
  await playUntil(
    clock,
    Promise.all(
      meshes.map(async (mesh, i) => {
        for (let k = 1; k <= 5; k++) {
          const other = meshes[(i + 7 * k) % count]!;
          const outcome = await mesh.call(other.self, ECHO, ECHO.methods.small, { n: k }, { timeoutMs: 500 });
          log.push(`${i}>${k}:${outcome.ok ? "ok" : outcome.refusal.code}@${clock.now().toFixed(3)}`);
        }
      }),
    ),
  );
  return log.join(" ");
}

test("a story is the same for the same seed, and another for another", async () => {
  const one = await story(1, 40);
  assert.equal(await story(1, 40), one);
  assert.notEqual(await story(2, 40), one);
  assert.match(one, /timeout/);
});

/** Seconds of a processor that a story takes; what else the machine does is not in them. */
async function costOf(peers: number): Promise<number> {
  const before = process.cpuUsage();
  const log = await story(3, peers);
  assert.equal(log.split(" ").length, 5 * peers);
  return process.cpuUsage(before).user / 1e6;
}

test("a thousand peers are cheap", async () => {
  const [few, many] = [await costOf(250), await costOf(1000)];
  // Four times as many, each of whom knows four times as many: about nine times as much.
  assert.ok(many < 32 * few, `${few} s for 250 peers, ${many} s for 1000`);
});

test("partitions cut and heal", async () => {
  const network = new MemoryNetwork();
  const [a, b, c] = [network.join(), network.join(), network.join()];
  const changes: string[] = [];
  a.changed.on(({ kind, view }) => {
    changes.push(`${kind} ${view.name}`);
  });
  network.partition([a.self], [b.self, c.self]);
  assert.equal(a.view(b.self)?.connected, false);
  assert.equal(b.view(c.self)?.connected, true);
  network.heal();
  assert.equal(a.view(b.self)?.connected, true);
  assert.deepEqual(changes, [
    "disconnected peer 2",
    "disconnected peer 3",
    "connected peer 2",
    "connected peer 3",
  ]);
});

test("a peer comes back with its key", () => {
  const network = new MemoryNetwork();
  const deviceSecret = new Uint8Array(32).fill(9);
  const first = network.join({ deviceSecret });
  assert.throws(() => network.join({ deviceSecret }), /is in the network/);
  network.kill(first.self);
  assert.equal(network.join({ deviceSecret }).self, first.self);
});
