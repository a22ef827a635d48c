import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { killHosts } from "#sharing/storage/host/test-kill.ts";

/**
 * Kills a hosting process at random instants while it stores, drops and puts heads on the real disk.
 * @param args how many kills (200 when left out), and the seed (1).
 */
export async function run(args: string[]): Promise<void> {
  const kills = Number(args[0] ?? 200);
  const folder = await mkdtemp(join(tmpdir(), "freehold-host-"));
  const start = performance.now();
  try {
    const { shards, heads } = await killHosts(join(folder, "host"), { kills, seed: Number(args[1] ?? 1) });
    const seconds = ((performance.now() - start) / 1000).toFixed(0);
    console.log(`${kills} kills: none of ${shards} shards and ${heads} heads lost; ${seconds} s`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
