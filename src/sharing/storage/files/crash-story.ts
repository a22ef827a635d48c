/**
 * A story for crash tests: an owner writes, its machine dies at some instant, it starts again from what the disk kept,
 * and everything that was acknowledged must be there; and an empty machine with the same words must see the same.
 */
import assert from "node:assert/strict";
import { SeededRandom } from "#base/lib/random.ts";
import { FaultWorld } from "#base/store/fault-world.ts";
import type { SyncRequest } from "#base/store/power.ts";
import { FileError } from "../file-store.ts";
import { bodyOf, Circle, type Owner, readAll } from "./test-circle.ts";

export interface CrashStory {
  readonly seed: number;
  readonly deaths: number;
  readonly hosts: number;
  /** Syncs that do nothing, for the mutant that the story must catch. */
  readonly leaveOut?: (sync: SyncRequest) => boolean;
}

export interface CrashOutcome {
  readonly acknowledged: number;
  readonly cuts: number;
  readonly kills: number;
}

const BUCKET = "story";
const KEYS = 12;

/** What may stand under a key: more than one where a write was under way when the machine died. */
type Allowed = Map<string, Set<string>>;

/** @throws AssertionError when something acknowledged is lost. */
export async function sufferCrashes(story: CrashStory): Promise<CrashOutcome> {
  const random = new SeededRandom(story.seed ^ 0x5eed);
  const policy = { slabBytes: 200_000, repackSeconds: 0, garbageSeconds: 0 };
  const circle = await Circle.start({ seed: story.seed, hosts: story.hosts, policy });
  const peer = { deviceSecret: random.fill(new Uint8Array(32)) };
  const allowed: Allowed = new Map();
  const outcome = { acknowledged: 0, cuts: 0, kills: 0 };
  let world = new FaultWorld();
  if (story.leaveOut !== undefined) world.leaveOutSyncs(story.leaveOut);
  let owner = await circle.owner({ peer, disk: world });
  await owner.files.createBucket(BUCKET);
  for (let death = 0; death < story.deaths; death++) {
    const byPower = random.below(2) === 0;
    if (byPower) world.offAfter(1 + random.below(120));
    outcome.acknowledged += await writeUntilDeath(circle, owner, world, allowed, random, byPower);
    circle.network.kill(owner.mesh.self);
    world = byPower ? world.powerCut(random) : world.kill();
    if (byPower) outcome.cuts++;
    else outcome.kills++;
    await owner.files.stop().catch(() => {});
    if (story.leaveOut !== undefined) world.leaveOutSyncs(story.leaveOut);
    owner = await circle.owner({ peer, disk: world });
    // From the directory alone first; what was cut off may still come true with what the hosts know.
    await check(owner, allowed, `seed ${story.seed}, death ${death}`);
    await owner.files.sync();
    await check(owner, allowed, `seed ${story.seed}, death ${death}, in sync`);
    settle(allowed, await foundIn(owner, allowed));
    if (random.below(3) === 0) await owner.files.upkeep();
  }
  const empty = await circle.owner();
  const report = await empty.files.sync();
  assert.equal(report.unread, 0, JSON.stringify(report));
  await check(empty, allowed, `seed ${story.seed}, an empty machine`);
  await circle.stop();
  return outcome;
}

async function writeUntilDeath(
  circle: Circle,
  owner: Owner,
  world: FaultWorld,
  allowed: Allowed,
  random: SeededRandom,
  byPower: boolean,
): Promise<number> {
  let acknowledged = 0;
  let killed = false;
  const killAfter = random.below(14);
  for (let round = 0; !killed && !world.isOff; round++) {
    const keys = new Set(Array.from({ length: 3 }, () => `key ${random.below(KEYS)}`));
    const writes = [...keys].map(async (key) => {
      if (await write(owner, key, allowed, random)) acknowledged++;
    });
    if (!byPower && round >= killAfter) {
      // In the middle of these writes.
      for (let turns = random.below(60); turns > 0; turns--)
        await new Promise((resolve) => setImmediate(resolve));
      circle.network.kill(owner.mesh.self);
      killed = true;
    }
    await Promise.all(writes);
    if (random.below(12) === 0 && !killed) await owner.files.snapshot().catch(() => {});
  }
  return acknowledged;
}

/** One write. @returns whether it was acknowledged. */
async function write(owner: Owner, key: string, allowed: Allowed, random: SeededRandom): Promise<boolean> {
  const before = allowed.get(key) ?? new Set(["nothing"]);
  const isDelete = random.below(5) === 0;
  const sizes = [100, 5000, 60_000, 450_000];
  const bytes = random.fill(new Uint8Array(sizes[random.below(sizes.length)]!));
  const after = isDelete ? "nothing" : Buffer.from(bytes).toString("base64");
  allowed.set(key, new Set([...before, after]));
  try {
    if (isDelete) await owner.files.delete(BUCKET, key);
    else await owner.files.put(BUCKET, key, bodyOf(bytes));
    allowed.set(key, new Set([after]));
    return true;
  } catch {
    return false;
  }
}

/** What stands under each key now. */
async function foundIn({ files }: Owner, keys: Allowed): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const key of keys.keys()) {
    try {
      const bytes = await readAll(files.read(await files.head(BUCKET, key)));
      found.set(key, Buffer.from(bytes).toString("base64"));
    } catch (error) {
      if (!(error instanceof FileError) || error.code !== "NoSuchKey") throw error;
      found.set(key, "nothing");
    }
  }
  return found;
}

/** What stands now stands: a write that was cut off does not come true later. */
function settle(allowed: Allowed, found: ReadonlyMap<string, string>): void {
  for (const [key, state] of found) allowed.set(key, new Set([state]));
}

async function check(owner: Owner, allowed: Allowed, when: string): Promise<void> {
  for (const [key, state] of await foundIn(owner, allowed)) {
    const known = allowed.get(key)!.has(state);
    assert.equal(known, true, `${when}: ${key} holds ${state.length} characters that were not written last`);
  }
}
