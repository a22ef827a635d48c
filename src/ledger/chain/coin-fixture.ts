/** Random blocks and a plain model of the coins they leave, for the tests of the coin cache. */
import assert from "node:assert/strict";
import { concatBytes, readU32, toHex, writeU32 } from "#base/lib/bytes.ts";
import type { SeededRandom } from "#base/lib/random.ts";
import type { BlockHash } from "#protocol/bitcoin/hashes.ts";
import { encodeTransaction, type TransactionOutput } from "#protocol/bitcoin/transaction.ts";
import { parseTxs, type TxTable } from "#protocol/bitcoin/tx-table.ts";
import { hashTxs } from "#protocol/bitcoin/txid.ts";
import type { CoinDatabase } from "./coin-database.ts";
import { type Coin, type CoinCache, NO_COIN } from "./coins.ts";
import { decodeUndo, UndoBuilder } from "./undo.ts";

/** A block as far as coins are concerned. */
export interface FixtureBlock {
  readonly height: number;
  readonly hash: BlockHash;
  readonly table: TxTable;
  readonly txids: Uint8Array;
  /** The model before it. */
  readonly before: ReadonlyMap<string, Coin>;
  undo: Uint8Array;
}

export function outpointOf(txid: Uint8Array, index: number): Uint8Array {
  const outpoint = new Uint8Array(36);
  outpoint.set(txid);
  writeU32(outpoint, 32, index);
  return outpoint;
}

export function fixtureHash(height: number, branch = 0): BlockHash {
  const hash = new Uint8Array(32).fill(branch + 1);
  writeU32(hash, 0, height);
  return hash as BlockHash;
}

/** A growing and shrinking chain whose coins a Map holds by the hex of their outpoints. */
export class CoinModel {
  coins: Map<string, Coin> = new Map();
  readonly blocks: FixtureBlock[] = [];
  /** Outpoints of all outputs that ever were. */
  readonly everMade: Set<string> = new Set();
  readonly #random: SeededRandom;
  #nonce = 0;

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  get hash(): BlockHash {
    return this.blocks.at(-1)?.hash ?? fixtureHash(0);
  }

  /** Makes the next block of up to `txs` transactions, and notes what it does. */
  grow(txs: number, outputsEach = 4): FixtureBlock {
    const random = this.#random;
    const height = this.blocks.length + 1;
    const before = new Map(this.coins);
    const raw: Uint8Array[] = [];
    const count = 1 + random.below(txs);
    while (raw.length < count && (raw.length === 0 || this.coins.size > 0)) {
      raw.push(this.#transaction(raw.length === 0, height, outputsEach));
    }
    const bytes = concatBytes(...raw);
    const { table } = parseTxs(bytes, 0, raw.length);
    const { txids } = hashTxs(table);
    const hash = fixtureHash(height, random.below(200));
    const block: FixtureBlock = { height, hash, table, txids, before, undo: new Uint8Array(0) };
    this.blocks.push(block);
    return block;
  }

  /** Takes the last block back. */
  shrink(): FixtureBlock {
    const block = this.blocks.pop()!;
    this.coins = new Map(block.before);
    return block;
  }

  #transaction(coinbase: boolean, height: number, outputsEach: number): Uint8Array {
    const random = this.#random;
    const inputs = [];
    const count = coinbase ? 1 : Math.min(this.coins.size, 1 + random.below(3));
    const keys = coinbase ? [] : [...this.coins.keys()];
    for (let i = 0; i < count; i++) {
      let [txid, index] = [new Uint8Array(32), 0xffff_ffff];
      if (!coinbase) {
        // The youngest half of the time, so that coins are spent in the block that made them, too.
        const recent = random.below(2) === 0 ? Math.min(4, keys.length) : keys.length;
        const key = keys.splice(keys.length - 1 - random.below(recent), 1)[0]!;
        this.coins.delete(key);
        const outpoint = new Uint8Array(Buffer.from(key, "hex"));
        [txid, index] = [outpoint.slice(0, 32), readU32(outpoint, 32)];
      }
      inputs.push({ txid, index, script: new Uint8Array(4), sequence: this.#nonce++, witness: [] });
    }
    const outputs = Array.from({ length: 1 + random.below(outputsEach) }, () => randomOutput(random));
    const bytes = encodeTransaction({ version: 2, inputs, outputs, lockTime: 0 });
    const { txids } = hashTxs(parseTxs(bytes, 0, 1).table);
    outputs.forEach(({ value, script }, index) => {
      if (script[0] === 0x6a || script.length > 10_000) return;
      const key = toHex(outpointOf(txids, index));
      this.coins.set(key, { amount: value, script, height, coinbase });
      this.everMade.add(key);
    });
    return bytes;
  }
}

function randomOutput(random: SeededRandom): TransactionOutput {
  const hash = random.fill(new Uint8Array(20));
  const scripts = [
    () => concatBytes(Uint8Array.of(0x76, 0xa9, 20), hash, Uint8Array.of(0x88, 0xac)),
    () => concatBytes(Uint8Array.of(0xa9, 20), hash, Uint8Array.of(0x87)),
    () => concatBytes(Uint8Array.of(0, 20), hash),
    () => concatBytes(Uint8Array.of(0x51, 32), hash, hash.subarray(0, 12)),
    () => concatBytes(Uint8Array.of(0x6a, 20), hash),
    () => random.fill(new Uint8Array(random.below(40))).map((byte) => (byte === 0x6a ? 0x51 : byte)),
    () => new Uint8Array(random.below(20) === 0 ? 9_999 + random.below(3) : 300 + random.below(3)).fill(0x51),
  ];
  const value = [0, 1, 546, 5_000_000_000, random.u32() * random.below(400_000)][random.below(5)]!;
  return { value, script: scripts[random.below(scripts.length)]!() };
}

/** Spends and adds as connectBlock does, without its checks; the change stays open. */
export async function applyBlock(coins: CoinCache, block: FixtureBlock): Promise<void> {
  const { table, txids } = block;
  await coins.fetchInputs(table, txids);
  coins.begin();
  const undo = new UndoBuilder(table.txCount - 1);
  for (let tx = 0; tx < table.txCount; tx++) {
    if (tx > 0) {
      undo.transaction(table.inputCount(tx));
      for (let i = 0; i < table.inputCount(tx); i++) {
        const slot = coins.find(table.bytes, table.outpoint(table.firstInput(tx) + i));
        assert.notEqual(slot, NO_COIN, "an input has no coin");
        coins.spend(slot, undo);
      }
    }
    coins.addOutputs(table, tx, txids, block.height);
  }
  block.undo = undo.finish();
}

/** Takes a block back; the change stays open. */
export async function unapplyBlock(coins: CoinCache, block: FixtureBlock): Promise<void> {
  const { table, txids } = block;
  await coins.fetchOutputs(table, txids);
  await coins.fetchInputs(table, txids);
  coins.begin();
  const undo = decodeUndo(block.undo);
  for (let tx = table.txCount - 1; tx >= 0; tx--) {
    assert.ok(coins.removeOutputs(table, tx, txids, block.height), "outputs are as the block left them");
    if (tx > 0) assert.equal(coins.restoreInputs(table, tx, undo), "clean");
  }
}

/** Applies a block to coins of which some know it already, as after a cut flush. */
export async function replayBlock(coins: CoinCache, block: FixtureBlock): Promise<void> {
  const { table, txids } = block;
  await coins.fetchOutputs(table, txids);
  await coins.fetchInputs(table, txids);
  coins.begin();
  for (let tx = 0; tx < table.txCount; tx++) {
    for (let i = 0; tx > 0 && i < table.inputCount(tx); i++) {
      const slot = coins.find(table.bytes, table.outpoint(table.firstInput(tx) + i));
      if (slot !== NO_COIN) coins.spend(slot);
    }
    coins.addOutputs(table, tx, txids, block.height, true);
  }
  coins.commit(block.hash);
}

/** Asserts that fetching and getting every one of these outpoints gives what the model holds. */
export async function assertCoins(
  coins: CoinCache,
  model: ReadonlyMap<string, Coin>,
  outpoints: Iterable<string>,
): Promise<void> {
  const keys = [...outpoints];
  const bytes = new Uint8Array(Buffer.from(keys.join(""), "hex"));
  await coins.fetch(bytes);
  keys.forEach((key, i) => {
    assert.deepEqual(coins.get(bytes, 36 * i), model.get(key), key);
  });
}

/** All coins of the database. */
export async function listDatabase(database: CoinDatabase): Promise<Map<string, Coin>> {
  const found = new Map<string, Coin>();
  const snapshot = await database.snapshot();
  await snapshot.forEach(({ txid, index, amount, script, height, coinbase }) => {
    found.set(toHex(outpointOf(txid, index)), { amount, script: new Uint8Array(script), height, coinbase });
  });
  await snapshot.close();
  return found;
}

/** Coins in the order of their keys, for comparing. */
export function sorted(coins: ReadonlyMap<string, Coin>): [string, Coin][] {
  return [...coins].sort(([a], [b]) => (a < b ? -1 : 1));
}
