/**
 * The story of five peers through public commands and the API alone, with the peer that dies, the cheat and its way of
 * cheating drawn at random: FREEHOLD_STORY_SEED repeats a draw.
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { SeededRandom } from "#base/lib/random.ts";
import { STORY_OPTIONS } from "../../demo/options.ts";
import { DemoPeer } from "../../demo/peer.ts";
import { joinCircle } from "../../demo/scenes/circle.ts";
import { mine, pay } from "../../demo/scenes/money.ts";
import { render } from "../../demo/scenes/render.ts";
import { storeAndLose } from "../../demo/scenes/storage.ts";
import { TAMPERINGS } from "../../demo/tampering.ts";

const NAMES = ["Alice", "Bob", "Carol", "Dave", "Erin"];

test("five peers meet, pay, store and render; one dies, one cheats", async (t) => {
  const seed = Number(process.env["FREEHOLD_STORY_SEED"] ?? Date.now() % 1_000_000);
  const random = new SeededRandom(seed);
  const parent = await mkdtemp(join(tmpdir(), "freehold-story-"));
  const peers: DemoPeer[] = [];
  try {
    for (const name of NAMES) peers.push(await DemoPeer.create(name, { parent, options: STORY_OPTIONS }));
    for (const peer of peers) await peer.start();
    const drawn = shuffled(peers, random) as [DemoPeer, DemoPeer, DemoPeer, DemoPeer, DemoPeer];
    const [owner, artist, ...others] = drawn;
    const victim = others[random.below(3)]!;
    const cheat = others[random.below(3)]!;
    const tampering = TAMPERINGS[random.below(TAMPERINGS.length)]!;
    t.diagnostic(
      `seed ${seed}: ${owner.name} stores, ${victim.name} dies, ${artist.name} renders, ${cheat.name} cheats (${tampering})`,
    );
    await joinCircle(peers);
    const [payer, payee, miner] = shuffled(peers, random) as [DemoPeer, DemoPeer, DemoPeer];
    await mine(peers, miner, payer);
    await pay(payer, payee, miner);
    await storeAndLose(owner, [artist, ...others], victim);
    if (victim !== cheat) await victim.start();
    const helpers = [owner, ...others].filter((peer) => peer !== cheat);
    await render(artist, helpers, cheat, tampering);
  } catch (error) {
    // What the peers' logs say of it.
    for (const peer of peers) {
      const log = await readFile(join(peer.folder, "regtest", "debug.log"), "utf8");
      const lines = log.split("\n").filter((line) => /sharing|error|warn/i.test(line));
      t.diagnostic(`${peer.name}:\n${lines.slice(-15).join("\n")}`);
    }
    throw error;
  } finally {
    await Promise.all(peers.map((peer) => peer.stop()));
    await rm(parent, { recursive: true, force: true });
  }
});

function shuffled<T>(items: readonly T[], random: SeededRandom): T[] {
  const left = [...items];
  return items.map(() => left.splice(random.below(left.length), 1)[0]!);
}
