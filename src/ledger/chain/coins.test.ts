import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { concatBytes, hex, toHex } from "#base/lib/bytes.ts";
import { SeededRandom } from "#base/lib/random.ts";
import type { Disk } from "#base/store/disk.ts";
import { FaultWorld } from "#base/store/fault-world.ts";
import { nodeDisk } from "#base/store/node-disk.ts";
import { PrevoutsBuilder } from "#protocol/bitcoin/prevouts.ts";
import { encodeTransaction } from "#protocol/bitcoin/transaction.ts";
import { parseTxs } from "#protocol/bitcoin/tx-table.ts";
import { hashTxs } from "#protocol/bitcoin/txid.ts";
import { CoinDatabase } from "./coin-database.ts";
import {
  applyBlock,
  assertCoins,
  CoinModel,
  fixtureHash,
  listDatabase,
  outpointOf,
  sorted,
  unapplyBlock,
} from "./coin-fixture.ts";
import { CoinCache, type CoinCacheOptions, NO_COIN } from "./coins.ts";

interface Opened {
  readonly database: CoinDatabase;
  readonly coins: CoinCache;
}

async function open(
  disk: Disk = new FaultWorld(),
  options: Partial<CoinCacheOptions> = {},
  path = "/data/chainstate",
): Promise<Opened> {
  const database = await CoinDatabase.open({ path }, { disk });
  const random = new SeededRandom(99);
  const coins = new CoinCache({ maxBytes: 200_000, ...options }, { database, random });
  return { database, coins };
}

/** Random blocks, rollbacks, disconnects, flushes and restarts; the cache must always agree with the model. */
async function compareWithModel(seed: number, steps: number, disk: Disk, path: string): Promise<void> {
  const random = new SeededRandom(seed);
  const model = new CoinModel(random);
  const options = { batchBytes: 2_000 };
  let { database, coins } = await open(disk, options, path);
  for (let step = 0; step < steps; step++) {
    const kind = random.below(12);
    if (kind < 5) {
      await applyBlock(coins, model.grow(12));
      coins.commit(model.hash);
    } else if (kind === 5) {
      await applyBlock(coins, model.grow(12));
      coins.rollback();
      model.shrink();
    } else if (kind < 8 && model.blocks.length > 0) {
      await unapplyBlock(coins, model.blocks.at(-1)!);
      if (random.below(4) === 0) {
        coins.rollback();
      } else {
        model.shrink();
        coins.commit(model.hash);
      }
    } else if (kind < 10) {
      await coins.flush({ keepBytes: [0, 30_000, 1_000_000][random.below(3)]! });
      assert.equal(coins.dirty, 0);
      if (coins.bestBlock !== undefined) {
        assert.deepEqual(sorted(await listDatabase(database)), sorted(model.coins));
        assert.deepEqual(database.bestBlock(), coins.bestBlock);
      }
    } else if (kind === 10) {
      await coins.flush();
      await database.close();
      ({ database, coins } = await open(disk, options, path));
    } else {
      await assertCoins(coins, model.coins, model.everMade);
    }
    assert.ok(coins.dirty <= coins.size);
  }
  await assertCoins(coins, model.coins, model.everMade);
  await coins.flush();
  assert.deepEqual(sorted(await listDatabase(database)), sorted(model.coins));
  await database.close();
}

test("the cache agrees with a map through blocks, reorgs, rollbacks, flushes and restarts", async () => {
  for (let seed = 1; seed <= 25; seed++) {
    await compareWithModel(seed, 60, new FaultWorld(), "/data/chainstate");
  }
});

test("so it does over LevelDB", async (t) => {
  const path = await mkdtemp(join(tmpdir(), "freehold-coins-"));
  t.after(() => rm(path, { recursive: true }));
  for (let seed = 101; seed <= 103; seed++) {
    await compareWithModel(seed, 60, nodeDisk, join(path, `chainstate-${seed}`));
  }
});

const TXID = new Uint8Array(32).fill(0x11);
const P2PKH = hex("76a91489abcdefabbaabbaabbaabbaabbaabbaabbaabba88ac");

test("what a coin holds, by slot and as an object", async () => {
  const { coins } = await open();
  const coin = { amount: 2_099_999_999_999_999, script: P2PKH, height: 840_000, coinbase: true };
  coins.begin();
  coins.add(outpointOf(TXID, 70_000), coin);
  const source = concatBytes(hex("ffff"), outpointOf(TXID, 70_000));
  const slot = coins.find(source, 2);
  assert.notEqual(slot, NO_COIN);
  assert.equal(coins.findOutput(TXID, 0, 70_000), slot);
  assert.equal(coins.amount(slot), coin.amount);
  assert.equal(coins.height(slot), 840_000);
  assert.equal(coins.isCoinbase(slot), true);
  assert.equal(coins.scriptLength(slot), 25);
  assert.deepEqual(coins.script(slot), P2PKH);
  assert.deepEqual(coins.get(source, 2), coin);
  assert.deepEqual(await coins.read(TXID, 70_000), coin);
  const builder = new PrevoutsBuilder(1);
  coins.addPrevout(slot, builder);
  assert.equal(builder.finish().amount(0), coin.amount);
  assert.deepEqual(builder.finish().script(0), P2PKH);
  assert.equal(coins.find(outpointOf(TXID, 70_001), 0), NO_COIN);
  assert.equal(await coins.read(TXID, 70_001), undefined);
  coins.commit(fixtureHash(1));
});

test("a coin that is spent before the flush is never written, one that was flushed is deleted", async () => {
  const { coins, database } = await open();
  const coin = { amount: 1, script: P2PKH, height: 1, coinbase: false };
  coins.begin();
  coins.add(outpointOf(TXID, 0), coin);
  coins.add(outpointOf(TXID, 1), coin);
  coins.commit(fixtureHash(1));
  assert.equal(coins.dirty, 2);
  coins.begin();
  coins.spend(coins.findOutput(TXID, 0, 0));
  coins.commit(fixtureHash(2));
  assert.equal(coins.dirty, 1);
  assert.equal(coins.size, 1);
  await coins.flush();
  assert.deepEqual([...(await listDatabase(database)).keys()], [toHex(outpointOf(TXID, 1))]);
  coins.begin();
  coins.spend(coins.findOutput(TXID, 0, 1));
  coins.commit(fixtureHash(3));
  assert.equal(coins.dirty, 1);
  assert.equal(coins.findOutput(TXID, 0, 1), NO_COIN);
  assert.equal(await coins.read(TXID, 1), undefined, "the cache's word counts, not the database's");
  await coins.flush();
  assert.equal((await listDatabase(database)).size, 0);
  assert.equal(coins.size, 0);
});

/** A coinbase transaction that is the same whenever it is made. */
function sameCoinbase(): { table: ReturnType<typeof parseTxs>["table"]; txids: Uint8Array } {
  const input = {
    txid: new Uint8Array(32),
    index: 0xffff_ffff,
    script: hex("51"),
    sequence: 0,
    witness: [],
  };
  const outputs = [
    { value: 50, script: P2PKH },
    { value: 0, script: hex("6a0101") },
    { value: 3, script: new Uint8Array(10_001) },
    { value: 4, script: new Uint8Array(10_000) },
  ];
  const bytes = encodeTransaction({ version: 1, inputs: [input], outputs, lockTime: 0 });
  const { table } = parseTxs(bytes, 0, 1);
  return { table, txids: hashTxs(table).txids };
}

test("a coinbase may overwrite an earlier one, as two did; outputs that nobody can spend are not stored", async () => {
  const { coins, database } = await open();
  const { table, txids } = sameCoinbase();
  coins.begin();
  coins.addOutputs(table, 0, txids, 91_722);
  coins.commit(fixtureHash(1));
  assert.equal(coins.size, 2);
  assert.equal(coins.findOutput(txids, 0, 1), NO_COIN);
  assert.equal(coins.findOutput(txids, 0, 2), NO_COIN);
  await coins.flush({ keepBytes: 0 });
  coins.begin();
  coins.addOutputs(table, 0, txids, 91_880);
  coins.commit(fixtureHash(2));
  assert.equal((await coins.read(txids, 0))?.height, 91_880);
  // It may be in the database, so it must be deleted there though the cache never read it.
  coins.begin();
  coins.spend(coins.findOutput(txids, 0, 0));
  coins.commit(fixtureHash(3));
  await coins.flush();
  assert.deepEqual(
    [...(await listDatabase(database)).values()].map((coin) => coin.amount),
    [4],
  );
  // Taking the later block back finds its coins gone or different.
  coins.begin();
  assert.equal(coins.removeOutputs(table, 0, txids, 91_880), false);
  coins.commit(fixtureHash(2));
});

test("only a coinbase may overwrite", async () => {
  const { coins } = await open();
  const coin = { amount: 1, script: P2PKH, height: 1, coinbase: false };
  coins.begin();
  coins.add(outpointOf(TXID, 0), coin);
  assert.throws(() => coins.add(outpointOf(TXID, 0), coin), /overwrite an unspent coin/);
  coins.add(outpointOf(TXID, 0), { ...coin, amount: 2 }, true);
  assert.equal(coins.get(outpointOf(TXID, 0))?.amount, 2);
  coins.spend(coins.findOutput(TXID, 0, 0));
  coins.add(outpointOf(TXID, 0), { ...coin, amount: 3 });
  assert.equal(coins.get(outpointOf(TXID, 0))?.amount, 3);
  coins.rollback();
  assert.equal(coins.size, 0);
  assert.equal(coins.dirty, 0);
});

test("undo data that does not fit is refused, an overwritten coin is reported", async () => {
  const random = new SeededRandom(4);
  const model = new CoinModel(random);
  const { coins } = await open();
  await applyBlock(coins, model.grow(1));
  coins.commit(model.hash);
  let block = model.grow(3);
  while (block.table.txCount < 3) {
    model.shrink();
    block = model.grow(3);
  }
  await applyBlock(coins, block);
  coins.commit(model.hash);
  const { decodeUndo } = await import("./undo.ts");
  const undo = decodeUndo(block.undo);
  coins.begin();
  assert.equal(coins.restoreInputs(block.table, 2, undo), "clean");
  assert.equal(coins.restoreInputs(block.table, 2, undo), "unclean");
  assert.equal(coins.restoreInputs(block.table, 1, decodeUndo(hex("00"))), "failed");
  coins.rollback();
});

test("changes are not nested, and nothing changes outside of one or during a flush", async () => {
  const { coins } = await open();
  const coin = { amount: 1, script: P2PKH, height: 1, coinbase: false };
  assert.throws(() => coins.add(outpointOf(TXID, 0), coin), /no change/);
  assert.throws(() => coins.commit(fixtureHash(1)), /no change/);
  assert.throws(() => coins.rollback(), /no change/);
  coins.begin();
  assert.throws(() => coins.begin(), /has begun already/);
  coins.add(outpointOf(TXID, 0), coin);
  await assert.rejects(coins.flush(), /has not ended/);
  coins.commit(fixtureHash(1));
  const flushing = coins.flush();
  assert.throws(() => coins.begin(), /being flushed/);
  await assert.rejects(coins.flush(), /being flushed/);
  await flushing;
  coins.begin();
  coins.rollback();
});

test("the limit is told, a flush keeps the youngest coins that fit and gives the room back", async () => {
  const { coins, database } = await open(new FaultWorld(), { maxBytes: 400_000 });
  const count = 6_000;
  for (let height = 1; height <= 60; height++) {
    coins.begin();
    for (let i = 0; i < count / 60; i++) {
      const txid = new SeededRandom(height * 1000 + i).fill(new Uint8Array(32));
      coins.add(outpointOf(txid, 0), { amount: i, script: P2PKH, height, coinbase: false });
    }
    coins.commit(fixtureHash(height));
  }
  assert.ok(coins.full);
  await coins.flush();
  assert.ok(!coins.full);
  assert.ok(coins.memoryUsage < 300_000, `${coins.memoryUsage}`);
  assert.ok(coins.size > 1_000 && coins.size < 4_000, `${coins.size}`);
  const cached = (height: number): boolean =>
    coins.findOutput(new SeededRandom(height * 1000).fill(new Uint8Array(32)), 0, 0) !== NO_COIN;
  assert.ok(cached(60) && !cached(1));
  await coins.flush({ keepBytes: 0 });
  assert.equal(coins.size, 0);
  assert.ok(coins.memoryUsage < 30_000);
  assert.equal((await listDatabase(database)).size, count);
  assert.ok(!cached(1));
  await coins.fetch(outpointOf(new SeededRandom(1000).fill(new Uint8Array(32)), 0));
  assert.ok(cached(1));
});

test("more coins than the cache was made for still have room", async () => {
  const { coins } = await open(new FaultWorld(), { maxBytes: 0 });
  const script = new Uint8Array(10_000).fill(0x51);
  coins.begin();
  for (let i = 0; i < 2_000; i++) {
    coins.add(outpointOf(TXID, i), { amount: i, script, height: 1, coinbase: false });
  }
  coins.commit(fixtureHash(1));
  assert.ok(coins.memoryUsage > 20_000_000);
  for (let i = 0; i < 2_000; i += 97) {
    const coin = coins.get(outpointOf(TXID, i));
    assert.equal(coin?.amount, i);
    assert.deepEqual(coin?.script, script);
  }
});

test("coins can be read at every moment of a flush, which lets others run", async (t) => {
  const random = new SeededRandom(8);
  const model = new CoinModel(random);
  const disk = new FaultWorld();
  const { coins, database } = await open(disk, { batchBytes: 20_000, maxBytes: 30_000_000 });
  for (let i = 0; i < 40; i++) {
    await applyBlock(coins, model.grow(100, 10));
    coins.commit(model.hash);
    if (i === 20) await coins.flush({ keepBytes: 1_000_000 });
  }
  const keys = [...model.everMade];
  const bytes = new Uint8Array(Buffer.from(keys.join(""), "hex"));
  await coins.fetch(bytes);
  // Every look at the clock finds the slice over.
  let now = 0;
  t.mock.method(performance, "now", () => (now += 100));
  let flushing = true;
  let turns = 0;
  const flushed = coins.flush({ keepBytes: 500_000 }).finally(() => {
    flushing = false;
  });
  while (flushing) {
    turns++;
    for (let i = 0; i < 50; i++) {
      const at = random.below(keys.length);
      const expected = model.coins.get(keys[at]!);
      // Evicted coins are still in the database; spent ones are nowhere.
      const cached = coins.get(bytes, 36 * at);
      if (cached !== undefined || expected === undefined) assert.deepEqual(cached, expected);
      const outpoint = bytes.subarray(36 * at, 36 * at + 36);
      const index = new DataView(bytes.buffer, 36 * at + 32).getUint32(0, true);
      if (i === 0) assert.deepEqual(await coins.read(outpoint.subarray(0, 32), index), expected);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  await flushed;
  t.mock.restoreAll();
  assert.ok(turns > 50, `${turns} turns`);
  assert.ok(coins.size < model.coins.size);
  await assertCoins(coins, model.coins, model.everMade);
  assert.deepEqual(sorted(await listDatabase(database)), sorted(model.coins));
});

/** A disk whose store holds back reads until it is told. */
function gatedDisk(disk: Disk): { disk: Disk; hold(): () => void } {
  let gate: Promise<void> = Promise.resolve();
  return {
    disk: {
      ...disk,
      files: disk.files,
      hasStore: (path) => disk.hasStore(path),
      destroyStore: (path) => disk.destroyStore(path),
      async openStore(path, options) {
        const store = await disk.openStore(path, options);
        const getMany = store.getMany.bind(store);
        store.getMany = async (keys) => {
          const values = await getMany(keys);
          await gate;
          return values;
        };
        return store;
      },
    },
    hold() {
      let open!: () => void;
      gate = new Promise((resolve) => {
        open = resolve;
      });
      return open;
    },
  };
}

test("what was read from the database before a flush does not bring back what was spent meanwhile", async () => {
  const { disk, hold } = gatedDisk(new FaultWorld());
  const { coins } = await open(disk);
  const coin = { amount: 1, script: P2PKH, height: 1, coinbase: false };
  const outpoint = outpointOf(TXID, 0);
  coins.begin();
  coins.add(outpoint, coin);
  coins.commit(fixtureHash(1));
  await coins.flush({ keepBytes: 0 });
  const release = hold();
  const slow = coins.fetch(outpoint);
  await new Promise((resolve) => setImmediate(resolve));
  // Meanwhile it comes into the cache another way, is spent, and the spending is flushed and forgotten.
  coins.begin();
  coins.add(outpoint, coin, true);
  coins.spend(coins.find(outpoint, 0));
  coins.commit(fixtureHash(2));
  await coins.flush({ keepBytes: 0 });
  release();
  await slow;
  assert.equal(coins.get(outpoint), undefined);
});

test("a damaged entry is an error of the disk, not of whoever asked", async () => {
  const world = new FaultWorld();
  const { coins, database } = await open(world);
  coins.begin();
  coins.add(outpointOf(TXID, 0), { amount: 1, script: P2PKH, height: 1, coinbase: false });
  coins.commit(fixtureHash(1));
  await coins.flush({ keepBytes: 0 });
  await database.close();
  const store = await world.openStore("/data/chainstate");
  const key = concatBytes(hex("43"), TXID, hex("00"));
  const value = (await store.get(key))!;
  await store.batch([{ type: "put", key, value: value.subarray(0, 9) }]);
  await store.close();
  const again = await open(world);
  for (const action of [again.coins.fetch(outpointOf(TXID, 0)), again.coins.read(TXID, 0)]) {
    await assert.rejects(action, { name: "Error", message: /the coin database is damaged/ });
  }
});
