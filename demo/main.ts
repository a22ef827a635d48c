/**
 * What `npm start` plays: five real peers on a network of their own, on this machine alone. They find each other, pay each
 * other, keep each other's files and render a picture together; then they stay up for you to try, until Ctrl-C.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { STORY_OPTIONS } from "./options.ts";
import { DemoPeer } from "./peer.ts";
import { joinCircle } from "./scenes/circle.ts";
import { mine, pay } from "./scenes/money.ts";
import { render } from "./scenes/render.ts";
import { storeAndLose } from "./scenes/storage.ts";
import { bold, chapter, dim, green, orange, say } from "./terminal.ts";

const NAMES = ["Alice", "Bob", "Carol", "Dave", "Erin"] as const;
/** Seconds between blocks once the story is told. */
const BLOCK_INTERVAL = 10;
async function tell(peers: readonly DemoPeer[], ended: AbortSignal): Promise<void> {
  const [alice, bob, carol, dave, erin] = peers as [DemoPeer, DemoPeer, DemoPeer, DemoPeer, DemoPeer];
  // Two at a time, as many as this machine may have cores.
  for (let i = 0; i < peers.length && !ended.aborted; i += 2) {
    await Promise.all(peers.slice(i, i + 2).map((peer) => peer.start()));
  }
  if (ended.aborted) return;
  await joinCircle(peers);
  await mine(peers, carol, alice);
  await pay(alice, bob, carol);
  await storeAndLose(bob, [alice, carol, dave, erin], dave);
  await render(erin, [alice, bob, carol], dave, "skip");
  await stayUp(peers, carol, ended);
}

async function stayUp(peers: readonly DemoPeer[], miner: DemoPeer, ended: AbortSignal): Promise<void> {
  chapter("They stay up");
  const [alice] = peers as [DemoPeer];
  const { key } = await alice.api.post<{ key: string }>("/login-links", {});
  say(`  Alice's page  ${green(`${alice.api.address}/#k=${key}`)}`);
  if (!alice.api.address.endsWith(":8420"))
    say(dim("                (port 8420 is in use here, so the next free one)"));
  say(`  Try each peer by hand, from this folder:`);
  for (const peer of peers) say(`    ${dim("#")} ${peer.name}\n    ${peer.command} status`);
  say(
    dim(
      `  …or wallet balance, peers, files ls, receipts, open, help. A block comes every ${BLOCK_INTERVAL} seconds.`,
    ),
  );
  say(dim("  Ctrl-C ends all five."));
  const { address } = await miner.api.post<{ address: string }>("/wallet/addresses", {});
  while (!ended.aborted) {
    await sleep(BLOCK_INTERVAL * 1000, undefined, { signal: ended }).catch(() => undefined);
    if (!ended.aborted) await miner.rpc("generatetoaddress", 1, address);
  }
}

async function main(): Promise<void> {
  const ending = new AbortController();
  const interrupted = new Promise<void>((resolve) => {
    ending.signal.addEventListener("abort", () => resolve(), { once: true });
  });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => ending.abort());
  say(bold(`${orange("Freehold")}: owned, not rented`));
  say(dim("Five peers on a network of their own, on this machine alone. No server, no company, no token."));
  const parent = await mkdtemp(join(tmpdir(), "freehold-"));
  const peers: DemoPeer[] = [];
  const story = async (): Promise<void> => {
    for (const name of NAMES) {
      // The page of the first one is where people look for it.
      const page = name === "Alice" ? { apiPort: 8420 } : {};
      peers.push(await DemoPeer.create(name, { parent, options: STORY_OPTIONS, ...page }));
    }
    await tell(peers, ending.signal);
  };
  // A call that is cut off by the end is no failure of the story.
  const failure = story().then(
    () => undefined,
    (error: unknown) => (ending.signal.aborted ? undefined : error),
  );
  await Promise.race([failure, interrupted]);
  ending.abort();
  say("\nEnding all peers…");
  await Promise.all(peers.map((peer) => peer.stop()));
  const error = await failure;
  // One may just have been starting.
  await Promise.all(peers.map((peer) => peer.stop()));
  await rm(parent, { recursive: true, force: true });
  if (error !== undefined) throw error;
  say("Done.");
}

await main();
