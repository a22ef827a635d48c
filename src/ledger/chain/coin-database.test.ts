import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { hex, toHex } from "#base/lib/bytes.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { FaultWorld } from "#base/store/fault-world.ts";
import { openLevelStore } from "#base/store/level-store.ts";
import { nodeDisk } from "#base/store/node-disk.ts";
import { nodeFileSystem } from "#base/store/node-file-system.ts";
import type { BlockHash } from "#protocol/bitcoin/hashes.ts";
import {
  CoinDatabase,
  ForeignChainstateError,
  MARKER,
  markChainstate,
  ownerOfChainstate,
} from "./coin-database.ts";
import { fixtureHash, outpointOf } from "./coin-fixture.ts";
import { CoinCache } from "./coins.ts";

const PATH = "/data/chainstate";
const HASH = "89abcdefabbaabbaabbaabbaabbaabbaabbaabba";

test("coins are stored under Core's keys and in Core's form", async () => {
  const world = new FaultWorld();
  const database = await CoinDatabase.open({ path: PATH }, { disk: world });
  const coins = new CoinCache({ maxBytes: 0 }, { database, random: new SeededRandom(1) });
  const txid = new Uint8Array(32).map((_, i) => i + 1);
  const p2pkh = hex(`76a914${HASH}88ac`);
  coins.begin();
  // As in Core's coins_tests.cpp (ccoins_serialization), heights and amounts of the chain.
  coins.add(outpointOf(txid, 0), {
    amount: 60_000_000_000,
    script: hex("76a914816115944e077fe7c803cfa57f29b36bf87c1d3588ac"),
    height: 203_998,
    coinbase: false,
  });
  coins.add(outpointOf(txid, 200), {
    amount: 110_397,
    script: hex("76a9148c988f1a4a4de2161e0f50aac7f17e7f9555caa488ac"),
    height: 120_891,
    coinbase: true,
  });
  coins.add(outpointOf(txid, 16_512), { amount: 0, script: p2pkh, height: 0, coinbase: false });
  coins.commit(fixtureHash(9));
  await coins.flush();
  await database.close();
  const store = await world.openStore(PATH);
  const found: string[] = [];
  for await (const [key, value] of store.iterate()) found.push(`${toHex(key)} ${toHex(value)}`);
  const prefix = `43${toHex(txid)}`;
  assert.deepEqual(found, [
    `42 ${toHex(fixtureHash(9))}`,
    `${prefix}00 97f23c835800816115944e077fe7c803cfa57f29b36bf87c1d35`,
    `${prefix}8048 8ddf77bbd123008c988f1a4a4de2161e0f50aac7f17e7f9555caa4`,
    `${prefix}808000 000000${HASH}`,
  ]);
});

test("a new folder is marked before anything else, and marked folders are ours", async (t) => {
  const root = await mkdtemp(join(tmpdir(), "freehold-owner-"));
  t.after(() => rm(root, { recursive: true }));
  const path = join(root, "chainstate");
  assert.equal(await ownerOfChainstate(nodeFileSystem, path), "fresh");
  await nodeFileSystem.makeDirectory(path);
  assert.equal(await ownerOfChainstate(nodeFileSystem, path), "fresh");
  const database = await CoinDatabase.open({ path }, { disk: nodeDisk });
  assert.equal(database.bestBlock(), undefined);
  assert.equal(database.heads(), undefined);
  await database.close();
  assert.equal(await ownerOfChainstate(nodeFileSystem, path), "ours");
  // Wiping the coins keeps the folder ours.
  await nodeDisk.destroyStore(path);
  assert.deepEqual(await nodeFileSystem.readDirectory(path), [MARKER]);
  assert.equal(await nodeDisk.hasStore(path), false);
  const again = await CoinDatabase.open({ path }, { disk: nodeDisk });
  await again.close();
});

test("another program's folder is refused and left as it is", async (t) => {
  const root = await mkdtemp(join(tmpdir(), "freehold-owner-"));
  t.after(() => rm(root, { recursive: true }));
  const path = join(root, "chainstate");
  const store = await openLevelStore(path);
  await store.close();
  const before = await nodeFileSystem.readDirectory(path);
  assert.equal(await ownerOfChainstate(nodeFileSystem, path), "foreign");
  await assert.rejects(CoinDatabase.open({ path }, { disk: nodeDisk }), ForeignChainstateError);
  assert.deepEqual(await nodeFileSystem.readDirectory(path), before);
  const file = join(root, "file");
  await (await nodeFileSystem.open(file, "create")).close();
  assert.equal(await ownerOfChainstate(nodeFileSystem, file), "foreign");
});

test("a power cut while the folder is marked never makes it a stranger's", async () => {
  for (let cut = 1; cut < 12; cut++) {
    for (let seed = 0; seed < 20; seed++) {
      const world = new FaultWorld();
      await world.files.makeDirectory("/data");
      world.offAfter(cut);
      await CoinDatabase.open({ path: PATH }, { disk: world }).catch(() => {});
      const after = world.powerCut(new SeededRandom(seed));
      const database = await CoinDatabase.open({ path: PATH }, { disk: after });
      await database.close();
      assert.equal(await ownerOfChainstate(after.files, PATH), "ours");
    }
  }
  await markChainstate(new FaultWorld().files, PATH);
});

test("heads and best block come back, and damaged ones are reported", async () => {
  const world = new FaultWorld();
  const first = await CoinDatabase.open({ path: PATH }, { disk: world });
  const batch = first.beginFlush(fixtureHash(2));
  first.noteTransition(batch, fixtureHash(2));
  await batch.write({ sync: true });
  await first.close();
  const second = await CoinDatabase.open({ path: PATH }, { disk: world });
  assert.deepEqual(second.heads(), { new: fixtureHash(2), old: undefined });
  await second.endFlush(second.beginFlush(fixtureHash(2)), fixtureHash(2));
  assert.equal(second.heads(), undefined);
  const next = second.beginFlush(fixtureHash(3));
  second.noteTransition(next, fixtureHash(3));
  await next.write();
  await second.close();
  const third = await CoinDatabase.open({ path: PATH }, { disk: world });
  assert.deepEqual(third.heads(), { new: fixtureHash(3), old: fixtureHash(2) });
  assert.equal(third.bestBlock(), undefined);
  await third.close();
  for (const [key, value] of [
    ["48", "02aa"],
    ["42", "00"],
  ] as const) {
    const other = new FaultWorld();
    await markChainstate(other.files, PATH);
    const store = await other.openStore(PATH);
    await store.batch([{ type: "put", key: hex(key), value: hex(value) }]);
    await store.close();
    await assert.rejects(CoinDatabase.open({ path: PATH }, { disk: other }), /the coin database is damaged/);
    await (await other.openStore(PATH)).close();
  }
});

test("a snapshot stays as it was, and can be left early", async () => {
  const world = new FaultWorld();
  const database = await CoinDatabase.open({ path: PATH }, { disk: world });
  const coins = new CoinCache({ maxBytes: 1e6 }, { database, random: new SeededRandom(1) });
  const add = async (height: number): Promise<void> => {
    coins.begin();
    for (let i = 0; i < 300; i++) {
      const txid = new SeededRandom(1000 * height + i).fill(new Uint8Array(32));
      coins.add(outpointOf(txid, i), { amount: i, script: hex("51"), height, coinbase: i % 2 === 0 });
    }
    coins.commit(fixtureHash(height) as BlockHash);
    await coins.flush();
  };
  await add(1);
  const snapshot = await database.snapshot();
  await add(2);
  assert.deepEqual(snapshot.bestBlock, fixtureHash(1));
  let count = 0;
  await snapshot.forEach((coin) => {
    count++;
    assert.equal(coin.height, 1);
    assert.equal(coin.amount, coin.index);
    assert.equal(coin.coinbase, coin.index % 2 === 0);
  });
  assert.equal(count, 300);
  const stop = new AbortController();
  stop.abort(new Error("enough"));
  await assert.rejects(
    snapshot.forEach(() => {}, { signal: stop.signal }),
    /enough/,
  );
  await snapshot.close();
  assert.ok((await database.estimateSize()) > 0);
});
