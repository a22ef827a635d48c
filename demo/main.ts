/**
 * What `npm start` plays: two real nodes on a network of their own. Alice mines, Bob follows; Alice pays Bob; both
 * end with the same coins. Then they stay up for you to try, until Ctrl-C.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { publicKeyOf } from "#base/crypto/keys.ts";
import { hash160 } from "#base/crypto/sha256.ts";
import { secureRandom } from "#base/lib/random.ts";
import { encodeAddress, payToWitness } from "#protocol/bitcoin/address.ts";
import { regtest } from "#protocol/bitcoin/networks.ts";
import { encodeWif } from "#protocol/bitcoin/wif.ts";
import { DemoPeer } from "./peer.ts";
import { Bars, bold, chapter, dim, green, orange, say } from "./terminal.ts";

/** A coinbase can be spent after a hundred blocks; a few more make several coins. */
const BLOCKS = 120;
/** Seconds between blocks once the story is told. */
const BLOCK_INTERVAL = 10;

interface Purse {
  readonly address: string;
  readonly wif: string;
}

function newPurse(): Purse {
  const network = regtest();
  const secret = secureRandom.fill(new Uint8Array(32));
  const script = payToWitness(0, hash160(publicKeyOf(secret)));
  return {
    address: encodeAddress(script, network)!,
    wif: encodeWif({ secret, compressed: true }, network),
  };
}

async function until<T>(look: () => Promise<T | undefined>, what: string): Promise<T> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > deadline) throw new Error(`waited a minute for ${what}`);
    await sleep(20);
  }
}

async function meet(alice: DemoPeer, bob: DemoPeer): Promise<void> {
  chapter("Two peers find each other");
  await bob.rpc("addnode", `127.0.0.1:${alice.p2pPort}`, "onetry");
  const [peer] = await until(async () => {
    const peers =
      await alice.rpc<{ subver: string; version: number; bytesrecv_per_msg: Record<string, number> }[]>(
        "getpeerinfo",
      );
    return peers.length > 0 && (peers[0]?.version ?? 0) > 0 ? peers : undefined;
  }, "the handshake");
  say(`  Bob dialled Alice; she sees ${peer?.subver}`);
}

async function mine(alice: DemoPeer, bob: DemoPeer, purse: Purse): Promise<void> {
  chapter(`Alice mines ${BLOCKS} blocks, Bob checks every rule and follows`);
  const started = Date.now();
  const bars = new Bars(["Alice", "Bob"], BLOCKS);
  const heights = () => Promise.all([alice, bob].map((peer) => peer.rpc<number>("getblockcount")));
  for (let mined = 0; mined < BLOCKS; mined += 10) {
    await alice.rpc("generatetoaddress", 10, purse.address);
    bars.show(await heights());
  }
  await until(async () => {
    const now = await heights();
    bars.show(now);
    return now.every((height) => height === BLOCKS) ? now : undefined;
  }, "Bob to follow");
  bars.end();
  const tip = await bob.rpc<string>("getbestblockhash");
  say(`  one chain in ${((Date.now() - started) / 1000).toFixed(1)} s, tip ${dim(tip)}`);
}

async function pay(alice: DemoPeer, bob: DemoPeer, purse: Purse): Promise<void> {
  chapter("Alice pays Bob 10 BTC");
  const receiver = newPurse();
  const [block] = await Promise.all([alice.rpc<string>("getblockhash", 1)]);
  const { tx } = await alice.rpc<{ tx: string[] }>("getblock", block, 1);
  const inputs = [{ txid: tx[0], vout: 0 }];
  const outputs = [{ [receiver.address]: 10 }, { [purse.address]: 39.9999 }];
  const raw = await alice.rpc<string>("createrawtransaction", inputs, outputs);
  const signed = await alice.rpc<{ hex: string; complete: boolean }>("signrawtransactionwithkey", raw, [
    purse.wif,
  ]);
  const started = Date.now();
  const txid = await alice.rpc<string>("sendrawtransaction", signed.hex);
  await until(async () => {
    const waiting = await bob.rpc<string[]>("getrawmempool");
    return waiting.includes(txid) ? true : undefined;
  }, "Bob to see the payment");
  say(`  Bob sees ${dim(txid)} after ${((Date.now() - started) / 1000).toFixed(1)} s, fee 0.0001 BTC`);
  await alice.rpc("generatetoaddress", 1, purse.address);
  const coin = await until(async () => {
    const found = await bob.rpc<{ confirmations: number; value: number } | null>("gettxout", txid, 0);
    return found !== null && found.confirmations > 0 ? found : undefined;
  }, "the block");
  say(`  a block confirms it: ${green(`${coin.value} BTC`)} are Bob's, with no company between them`);
}

async function compareCoins(alice: DemoPeer, bob: DemoPeer): Promise<void> {
  chapter("Both count all coins that exist");
  const count = (peer: DemoPeer) =>
    peer.rpc<{ txouts: number; total_amount: number; hash_serialized_3: string }>("gettxoutsetinfo");
  const [mine, theirs] = await Promise.all([count(alice), count(bob)]);
  if (mine.hash_serialized_3 !== theirs.hash_serialized_3) throw new Error("Alice and Bob disagree");
  say(
    `  ${mine.txouts} coins, ${mine.total_amount} BTC, the same hash on both: ${dim(mine.hash_serialized_3)}`,
  );
}

async function stayUp(alice: DemoPeer, bob: DemoPeer, purse: Purse, ended: AbortSignal): Promise<void> {
  chapter("They stay up. Try them from another terminal:");
  for (const peer of [alice, bob]) {
    say(`  compat/bitcoin-cli -datadir=${peer.folder} -regtest -rpcport=${peer.rpcPort} getblockchaininfo`);
  }
  say(dim(`  Alice finds a block every ${BLOCK_INTERVAL} seconds. Ctrl-C ends both.`));
  while (!ended.aborted) {
    await sleep(BLOCK_INTERVAL * 1000, undefined, { signal: ended }).catch(() => undefined);
    if (ended.aborted) return;
    await alice.rpc("generatetoaddress", 1, purse.address);
    const height = await alice.rpc<number>("getblockcount");
    const follower = await until(async () => {
      const reached = await bob.rpc<number>("getblockcount");
      return reached >= height ? reached : undefined;
    }, "Bob to follow");
    say(`  block ${height}, Bob at ${follower}`);
  }
}

async function tell(): Promise<void> {
  const ended = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => ended.abort());
  say(bold(`${orange("Freehold")}: owned, not rented`));
  say(dim("Two bitcoin nodes on a network of their own, on this machine alone."));
  const folder = await mkdtemp(join(tmpdir(), "freehold-"));
  const peers: DemoPeer[] = [];
  const interrupted = new Promise<"interrupted">((resolve) => {
    ended.signal.addEventListener("abort", () => resolve("interrupted"), { once: true });
  });
  const story = async (): Promise<void> => {
    for (const name of ["Alice", "Bob"]) {
      if (ended.signal.aborted) return;
      peers.push(await DemoPeer.start(name, folder));
    }
    const [alice, bob] = peers as [DemoPeer, DemoPeer];
    const purse = newPurse();
    await meet(alice, bob);
    await mine(alice, bob, purse);
    await pay(alice, bob, purse);
    await compareCoins(alice, bob);
    await stayUp(alice, bob, purse, ended.signal);
  };
  // A call that is cut off by the end is no failure of the story.
  const failure = story().then(
    () => undefined,
    (error: unknown) => (ended.signal.aborted ? undefined : error),
  );
  await Promise.race([failure, interrupted]);
  ended.abort();
  say("\nEnding both nodes…");
  await Promise.all(peers.map((peer) => peer.stop()));
  const error = await failure;
  // One may just have been starting.
  await Promise.all(peers.map((peer) => peer.stop()));
  await rm(folder, { recursive: true, force: true });
  if (error !== undefined) throw error;
  say("Done.");
}

await tell();
