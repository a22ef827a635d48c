/**
 * Fills the coins of a fresh regtest data directory with coins that nobody spends, so that a benchmark meets a
 * database of some size. Arguments: directory, number of coins.
 */
import { join } from "node:path";
import { ClassicLevel } from "classic-level";
import { systemClock } from "#base/lib/clock.ts";
import { silentLogger } from "#base/lib/logger.ts";
import { SeededRandom, secureRandom } from "#base/lib/random.ts";
import { nodeDisk } from "#base/store/node-disk.ts";
import { CHAIN_DEFAULTS } from "#ledger/chain/chain-options.ts";
import { ChainState } from "#ledger/chain/chain-state.ts";
import { writeAmount, writeScript, writeVarint } from "#ledger/chain/coin-compression.ts";
import { MAX_KEY_LENGTH, writeCoinKey } from "#ledger/chain/coin-database.ts";
import { regtest } from "#protocol/bitcoin/networks.ts";

/** Coins in one batch. */
const BATCH = 50_000;

const [directory, count] = process.argv.slice(2) as [string, string];
const chain = await ChainState.open(
  { ...CHAIN_DEFAULTS, network: regtest(), dataDir: directory, blocksDir: join(directory, "blocks") },
  {
    clock: systemClock,
    random: secureRandom,
    log: silentLogger,
    disk: nodeDisk,
    fatal: (error) => {
      throw error;
    },
  },
);
await chain.close();

const store = await nodeDisk.openStore(join(directory, "chainstate"));
const random = new SeededRandom(5);
const key = new Uint8Array(MAX_KEY_LENGTH);
const value = new Uint8Array(64);
const txid = new Uint8Array(32);
const script = new Uint8Array(22);
script[1] = 20;
for (let made = 0; made < Number(count); ) {
  const batch = store.newBatch();
  for (let i = 0; i < BATCH && made < Number(count); i++, made++) {
    random.fill(txid);
    random.fill(script.subarray(2));
    const keyEnd = writeCoinKey(key, 0, txid, 0, made & 1);
    let at = writeVarint(value, 0, 2 * (made % 100));
    at = writeAmount(value, at, 1000 + made);
    at = writeScript(value, at, script, 0, script.length);
    batch.put(key.subarray(0, keyEnd), value.subarray(0, at));
  }
  await batch.write();
}
await store.close();
// At rest, as a database is that has stood for a while: else the work left over from filling it would be measured.
const level = new ClassicLevel<Uint8Array, Uint8Array>(join(directory, "chainstate"), {
  keyEncoding: "view",
  valueEncoding: "view",
});
await level.compactRange(Uint8Array.of(0), Uint8Array.of(255));
await level.close();
