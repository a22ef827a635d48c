import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { MuHash3072 } from "#base/crypto/muhash.ts";
import { sha256d } from "#base/crypto/sha256.ts";
import { concatBytes, hex, toHex, toHexReversed, writeI64, writeU32 } from "#base/lib/bytes.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { FaultWorld } from "#base/store/fault-world.ts";
import { nodeDisk } from "#base/store/node-disk.ts";
import { nodeFileSystem } from "#base/store/node-file-system.ts";
import { parseBlock } from "#protocol/bitcoin/block-table.ts";
import { blockHash, hashTxs } from "#protocol/bitcoin/txid.ts";
import { NO_SHARED, sharedVector } from "../../../test/vectors/vectors.ts";
import { scanBlockFile } from "./block-files.ts";
import { CoinDatabase } from "./coin-database.ts";
import { fixtureHash, outpointOf } from "./coin-fixture.ts";
import { CoinCache, NO_COIN } from "./coins.ts";
import { type UtxoHashType, type UtxoStats, utxoStats } from "./utxo-stats.ts";

async function statsOf(database: CoinDatabase, hashType: UtxoHashType): Promise<UtxoStats> {
  const snapshot = await database.snapshot();
  try {
    return await utxoStats(snapshot, hashType);
  } finally {
    await snapshot.close();
  }
}

/** One coin as Core hashes it, written out by hand. */
function serialized(outpoint: Uint8Array, code: number, amount: number, script: string): Uint8Array {
  const head = new Uint8Array(12);
  writeU32(head, 0, code);
  writeI64(head, 4, amount);
  return concatBytes(outpoint, head, Uint8Array.of(script.length / 2), hex(script));
}

test("the set is hashed by txid and number of the output, whatever the order of the keys", async () => {
  const database = await CoinDatabase.open({ path: "/chainstate" }, { disk: new FaultWorld() });
  const coins = new CoinCache({ maxBytes: 1e6 }, { database, random: new SeededRandom(1) });
  const [a, b] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
  // Key bytes put 16,512 (80 80 00) before 300 (81 2c): the numbers do not.
  const rows: [Uint8Array, number, boolean, number, string][] = [
    [outpointOf(a, 0), 5, true, 5_000_000_000, "51"],
    [outpointOf(a, 300), 5, true, 1, `76a914${"ab".repeat(20)}88ac`],
    [outpointOf(a, 16_512), 5, true, 2, ""],
    [outpointOf(b, 1), 7, false, 2_099_999_997_690_000, `5120${"cd".repeat(32)}`],
  ];
  coins.begin();
  for (const [outpoint, height, coinbase, amount, script] of rows) {
    coins.add(outpoint, { height, coinbase, amount, script: hex(script) });
  }
  coins.commit(fixtureHash(7));
  await coins.flush();
  const bytes = rows.map(([outpoint, height, coinbase, amount, script]) =>
    serialized(outpoint, height * 2 + (coinbase ? 1 : 0), amount, script),
  );
  const counts = { txouts: 4, transactions: 2, bogosize: 4 * 50 + 1 + 25 + 34 };
  const totalAmount = 2_100_004_997_690_003;
  assert.deepEqual(await statsOf(database, "none"), { ...counts, totalAmount, hash: undefined });
  assert.deepEqual(await statsOf(database, "hash_serialized_3"), {
    ...counts,
    totalAmount,
    hash: sha256d(concatBytes(...bytes)),
  });
  const set = new MuHash3072();
  for (const coin of bytes.reverse()) set.insert(coin);
  assert.deepEqual((await statsOf(database, "muhash")).hash, set.finalize());
});

test("an empty set", async () => {
  const database = await CoinDatabase.open({ path: "/chainstate" }, { disk: new FaultWorld() });
  const { hash, ...counts } = await statsOf(database, "hash_serialized_3");
  assert.deepEqual(counts, { txouts: 0, transactions: 0, bogosize: 0, totalAmount: 0 });
  assert.equal(toHex(hash!), toHex(sha256d(new Uint8Array(0))));
});

const REAL = sharedVector("chain/mainnet-0-4312.blk.dat");

/** The coins of the real chain up to block 4312, straight from its blocks, through LevelDB. */
async function realCoins(path: string): Promise<CoinDatabase> {
  const database = await CoinDatabase.open({ path }, { disk: nodeDisk });
  // So small that it is flushed and emptied on the way.
  const coins = new CoinCache({ maxBytes: 200_000 }, { database });
  let height = 0;
  const scanner = scanBlockFile({ path: REAL!, magic: hex("f9beb4d9") }, { files: nodeFileSystem });
  for await (const { bytes } of scanner) {
    const { txs } = parseBlock(bytes);
    const { txids } = hashTxs(txs);
    await coins.fetchInputs(txs, txids);
    coins.begin();
    for (let tx = 0; tx < txs.txCount && height > 0; tx++) {
      for (let i = 0; tx > 0 && i < txs.inputCount(tx); i++) {
        const slot = coins.find(txs.bytes, txs.outpoint(txs.firstInput(tx) + i));
        assert.notEqual(slot, NO_COIN);
        coins.spend(slot);
      }
      coins.addOutputs(txs, tx, txids, height);
    }
    coins.commit(blockHash(bytes));
    if (coins.full) await coins.flush();
    height++;
  }
  await coins.flush();
  return database;
}

test("the real chain's coins at 4312 hash as Core says", {
  skip: REAL === undefined && NO_SHARED,
}, async (t) => {
  const path = await mkdtemp(join(tmpdir(), "freehold-stats-"));
  t.after(() => rm(path, { recursive: true }));
  const database = await realCoins(join(path, "chainstate"));
  const stats = await statsOf(database, "hash_serialized_3");
  assert.equal(stats.txouts, 4149);
  assert.equal(stats.totalAmount, 215_600 * 1e8);
  assert.equal(
    toHexReversed(stats.hash!),
    "fa5670424a993c1c40c2ec80fdac5deaf80f14f3857ea2e16a1339ee7a596e62",
  );
  const snapshot = await database.snapshot();
  assert.equal(
    toHexReversed(snapshot.bestBlock!),
    "00000000a9da635727dce622d78361b153ce3334e6a60d4377fad529abfc7863",
  );
  await snapshot.close();
  await database.close();
});
