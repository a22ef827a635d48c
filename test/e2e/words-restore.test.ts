/**
 * The renter dies one second after the last acknowledgement, its directory is gone: the 24 words and one friend's
 * address bring every bucket, file, version and coin back; also where that friend serves old heads, and where a second
 * machine was writing under the same words.
 */
import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { SeededRandom } from "#base/lib/random.ts";
import { type DemoPeer, until } from "../../demo/peer.ts";
import {
  addressOf,
  becomes,
  befriend,
  coinsOf,
  everything,
  lendDisks,
  listed,
  PATIENCE,
  type PeerFolder,
  randomBytes,
  restoreWords,
  s3,
  s3Done,
  seesFriends,
  withPeers,
  wordsOf,
  writeFiles,
} from "./words-restore-world.ts";

/** Runs a host that answers as all do, but never tells of a head newer than the first few it was given. */
const STALE_HOST = `-sharingprogram=${join(import.meta.dirname, "words-restore-stale-host.ts")}`;
const QUICK = ["-auditepoch=5"];

/** Ends a machine as a fire would: no goodbye, nothing left of it. */
async function burn(peer: DemoPeer): Promise<void> {
  await peer.kill();
  await rm(peer.folder, { recursive: true, force: true, maxRetries: 5 });
}

/** An empty machine with the words and one address, and nothing else. */
async function restoreOn(
  folder: PeerFolder,
  name: string,
  words: string,
  address: string,
): Promise<DemoPeer> {
  const peer = await folder.peer(name, ...QUICK);
  await restoreWords(peer, words);
  await peer.freehold(["peer", "add", address]);
  return peer;
}

async function newAddress(peer: DemoPeer): Promise<string> {
  return (await peer.api.post<{ address: string }>("/wallet/addresses", {})).address;
}

/** The renter mines two blocks, a hundred follow, and it pays a friend: coins, change, fees. */
async function earnAndPay(renter: DemoPeer, miner: DemoPeer): Promise<void> {
  await until(
    async () => ((await miner.rpc<number>("getconnectioncount")) > 0 ? true : undefined),
    "the ledgers to connect",
    PATIENCE,
  );
  await miner.rpc("generatetoaddress", 2, await newAddress(renter));
  await miner.rpc("generatetoaddress", 101, await newAddress(miner));
  const to = await newAddress(miner);
  await follows(renter, miner);
  const quote = await until(
    () =>
      renter.api.post<{ quote: string }>("/wallet/quote", { to, amount: 12_345_678 }).catch(() => undefined),
    "the renter's coins",
    PATIENCE,
  );
  const { txid } = await renter.api.post<{ txid: string }>("/wallet/send", { quote: quote.quote });
  await until(
    async () => ((await miner.rpc<string[]>("getrawmempool")).includes(txid) ? true : undefined),
    "the payment",
    PATIENCE,
  );
  await miner.rpc("generatetoaddress", 1, await newAddress(miner));
  await follows(renter, miner);
}

async function follows(peer: DemoPeer, leader: DemoPeer): Promise<void> {
  const best = await leader.rpc<string>("getbestblockhash");
  await until(
    async () => ((await peer.rpc<string>("getbestblockhash")) === best ? true : undefined),
    `${peer.name} to follow the chain`,
    PATIENCE,
  ).catch(async (error: Error) => {
    const tips = await peer.rpc<unknown>("getchaintips");
    const peers = await peer.rpc<unknown>("getpeerinfo");
    throw new Error(`${error.message}: ${JSON.stringify({ best, tips, peers })}`);
  });
}

test("24 words and one friend's address bring files, versions and coins back, though that friend tells old heads", (t) =>
  withPeers(t, async (folder) => {
    const random = new SeededRandom(11);
    const renter = await folder.peer("Renter", ...QUICK);
    const stale = await folder.peer("Stale", ...QUICK, STALE_HOST);
    const hosts = [await folder.peer("Carol", ...QUICK), await folder.peer("Dave", ...QUICK)];
    // The renter founded the circle: with it goes who vouched for all others.
    await befriend([renter, stale, ...hosts]);
    await lendDisks([stale, ...hosts]);
    await seesFriends(renter, 3, "storage");
    await earnAndPay(renter, hosts[0]!);
    const words = await wordsOf(renter);
    await writeFiles(renter, random);
    const files = await everything(renter);
    const coins = await coinsOf(renter);
    assert.equal(files.versions.length, 10);
    const last = await s3(renter, "PUT", "/kept/letter", { body: "the last word" });
    assert.equal(last.status, 200);
    const acknowledged = performance.now();
    const version = last.headers["x-amz-version-id"] as string;
    await sleep(1000 - (performance.now() - acknowledged));
    await burn(renter);

    const started = performance.now();
    const back = await restoreOn(folder, "Phoenix", words, await addressOf(stale));
    await seesFriends(back, 3, "storage");
    await until(
      async () => {
        const newest = await s3(back, "GET", "/kept/letter");
        return newest.text === "the last word" ? true : undefined;
      },
      "the last word",
      PATIENCE,
    );
    const { text } = await s3Done(back, "GET", `/kept/letter?versionId=${version}`);
    assert.equal(text, "the last word");
    t.diagnostic(`the newest file is back ${seconds(started)} s after the empty machine started`);
    await s3Done(back, "DELETE", `/kept/letter?versionId=${version}`);
    await becomes(back, files);
    await follows(back, hosts[0]!);
    await until(
      async () => {
        try {
          assert.deepEqual(await coinsOf(back), coins);
          return true;
        } catch {
          return undefined;
        }
      },
      "the coins",
      PATIENCE,
    ).catch(async () => assert.deepEqual(await coinsOf(back), coins));
    t.diagnostic(
      `${files.buckets.length} buckets, ${files.versions.length} versions, all bytes and coins after ${seconds(started)} s`,
    );
    // It is whole again: it writes, and who vouches for members is there too.
    await s3Done(back, "PUT", "/plain/after", { body: randomBytes(random, 100_000) });
    await hosts[0]!.kill();
    const { bytes } = await s3Done(back, "GET", "/plain/film.bin");
    assert.equal(bytes.length, (9 << 20) + 12_345);
  }));

test("two machines write under the same words: the restore has what both wrote, and all agree", (t) =>
  withPeers(t, async (folder) => {
    const random = new SeededRandom(12);
    const hosts = [await folder.peer("Alice", ...QUICK), await folder.peer("Carol", ...QUICK)];
    const one = await folder.peer("One", ...QUICK);
    await befriend([...hosts, one]);
    await lendDisks(hosts);
    await seesFriends(one, 2, "storage");
    const words = await wordsOf(one);
    await s3Done(one, "PUT", "/box");
    await s3Done(one, "PUT", "/box?versioning", {
      body: "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>",
    });
    await s3Done(one, "PUT", "/flat");
    const two = await restoreOn(folder, "Two", words, await addressOf(hosts[1]!));
    await seesFriends(two, 2, "storage");
    await until(
      async () => (JSON.stringify(await listed(two)).includes("flat") ? true : undefined),
      "the buckets",
      PATIENCE,
    );
    // Machines that stay connected hear of each other's files too.
    await s3Done(two, "PUT", "/flat/hello", { body: "from the second machine" });
    await until(
      async () =>
        (await s3(one, "GET", "/flat/hello")).text === "from the second machine" ? true : undefined,
      "the first machine to hear of the second's file",
      PATIENCE,
    );
    await s3Done(one, "DELETE", "/flat/hello");
    const acknowledged: string[] = [];
    const write = async (peer: DemoPeer): Promise<void> => {
      for (let i = 0; i < 4; i++) {
        await s3Done(peer, "PUT", `/flat/${peer.name}-${i}`, { body: randomBytes(random, 1 + i * 30_000) });
        await s3Done(peer, "PUT", "/flat/both", { body: `${peer.name} ${i}` });
        const { headers } = await s3Done(peer, "PUT", "/box/both", { body: `${peer.name} ${i}` });
        acknowledged.push(`box/both ${headers["x-amz-version-id"]}`);
        acknowledged.push(`flat/${peer.name}-${i} null`);
      }
      await s3Done(peer, "DELETE", `/flat/${peer.name}-1`);
      acknowledged.splice(acknowledged.indexOf(`flat/${peer.name}-1 null`), 1);
    };
    await Promise.all([write(one), write(two)]);
    await sleep(1000);
    await Promise.all([burn(one), burn(two)]);

    const third = await restoreOn(folder, "Third", words, await addressOf(hosts[0]!));
    const expected = [...acknowledged, "flat/both null"].sort();
    let found: string[] = [];
    await until(
      async () => {
        found = ((await listed(third)) as { versions: string[] }).versions.toSorted();
        return found.length >= expected.length ? true : undefined;
      },
      "both machines' files",
      PATIENCE,
    ).catch(() => assert.deepEqual(found, expected));
    assert.deepEqual(found, expected);
    const all = await everything(third);
    const both = (await s3Done(third, "GET", "/flat/both")).text;
    assert.match(both, /^(One|Two) 3$/);
    // Another machine, by another friend, after the third has gone: the same, the winner of each conflict too.
    await burn(third);
    const fourth = await restoreOn(folder, "Fourth", words, await addressOf(hosts[1]!));
    await becomes(fourth, all);
    t.diagnostic(
      `${all.versions.length} versions of two machines; \`both\` is what ${both.split(" ")[0]} wrote`,
    );
  }));

function seconds(since: number): string {
  return ((performance.now() - since) / 1000).toFixed(1);
}
