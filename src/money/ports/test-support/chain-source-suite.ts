/**
 * What every ChainSource keeps to, as tests: run it over a source in this process, and again over the same source
 * behind the link.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { BlockPlace, ChainChange, ChainSource, ChainTx } from "../chain-source.ts";
import type { TestOutput } from "./spend-coin.ts";

/** A chain that the suite may move, and the source under test on it. At least 110 blocks high. */
export interface ChainSourceWorld extends AsyncDisposable {
  readonly source: ChainSource;
  /** A script whose outputs {@link spend} can spend. */
  readonly anyone: Uint8Array;
  /** Mines a block of all that is in the mempool, its reward to a script. */
  mine(script?: Uint8Array): Promise<BlockPlace>;
  /** Pays satoshi to a script, into the mempool; the transaction's first output is the payment. */
  pay(script: Uint8Array, amount: number): Promise<{ readonly txid: string; readonly raw: Uint8Array }>;
  /** A transaction, not broadcast, that spends an output locked by {@link anyone}; it signals replaceability. */
  spend(txid: string, index: number, outputs: readonly TestOutput[]): Promise<Uint8Array>;
  /** Replaces the last blocks by one more without transactions: those they held wait again. */
  reorg(depth: number): Promise<void>;
}

/** P2WPKH of a hash nobody has a key for. */
function scriptOf(byte: number): Uint8Array {
  return Uint8Array.from([0, 20, ...new Array<number>(20).fill(byte)]);
}

/** Waits until a change meets a test, looking at those that came before too. */
class Ear {
  readonly changes: ChainChange[] = [];
  readonly #waiting: (() => void)[] = [];
  readonly #off: () => void;

  constructor(source: ChainSource, follower: string) {
    this.#off = source.changed.on((told) => {
      if (told.follower !== follower) return;
      this.changes.push(told.change);
      for (const wake of this.#waiting.splice(0)) wake();
    });
  }

  async heard(test: (change: ChainChange) => boolean): Promise<ChainChange> {
    for (;;) {
      const found = this.changes.find(test);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  [Symbol.dispose](): void {
    this.#off();
  }
}

const TIMEOUT = 20_000;

const holds = (txs: readonly ChainTx[], txid: string) => txs.some((tx) => tx.txid === txid);
const isMined = (txid: string) => (change: ChainChange) =>
  change.connected.some(({ txs }) => holds(txs, txid));

async function scanned(source: ChainSource, follower: string, from: number): Promise<ChainChange[]> {
  const changes: ChainChange[] = [];
  for await (const change of source.scan(follower, from)) changes.push(change);
  return changes;
}

/** Declares the suite's tests. @param open makes a fresh world for each */
export function chainSourceSuite(name: string, open: () => Promise<ChainSourceWorld>): void {
  const check = (what: string, run: (world: ChainSourceWorld) => Promise<void>) =>
    test(`${name}: ${what}`, { timeout: TIMEOUT }, async () => {
      await using world = await open();
      await run(world);
    });

  check("the tip is the block at its height, and nothing is above it", async ({ source }) => {
    const tip = await source.tip();
    assert.deepEqual(await source.blockAt(tip.height), tip);
    assert.equal(await source.blockAt(tip.height + 1), undefined);
    assert.equal(await source.blockAt(-1), undefined);
    assert.equal((await source.blockAt(0))?.height, 0);
  });

  check("a payment is told when it comes in, and again with its block", async (world) => {
    const { source } = world;
    const script = scriptOf(1);
    await source.watch("a", [script]);
    using ear = new Ear(source, "a");
    const { txid, raw } = await world.pay(script, 5000);
    const added = await ear.heard((change) => holds(change.mempoolAdded, txid));
    const [told] = added.mempoolAdded;
    assert.deepEqual(new Uint8Array(told!.raw), new Uint8Array(raw));
    assert.equal(told!.block, undefined);
    assert.equal(typeof told!.fee, "number");
    const place = await world.mine();
    const mined = await ear.heard(isMined(txid));
    const [block] = mined.connected;
    assert.deepEqual(block?.block, place);
    assert.deepEqual(mined.tip, place);
    assert.deepEqual(block?.txs[0]?.block, place);
    assert.equal(block?.txs[0]?.position, 1);
    assert.equal(block?.txs[0]?.fee, told!.fee);
    assert.deepEqual(mined.mempoolRemoved, []);
    assert.deepEqual(await source.tip(), place);
  });

  check("every new tip is told, though nothing concerns the follower", async (world) => {
    await world.source.watch("a", [scriptOf(1)]);
    using ear = new Ear(world.source, "a");
    const place = await world.mine();
    const change = await ear.heard(({ tip }) => tip.hash === place.hash);
    assert.deepEqual(change.connected, [{ block: place, txs: [] }]);
  });

  check("a follower hears of its own scripts alone", async (world) => {
    const { source } = world;
    await source.watch("a", [scriptOf(1)]);
    await source.watch("b", [scriptOf(2)]);
    await source.watch("b", [scriptOf(2), scriptOf(3)]);
    using a = new Ear(source, "a");
    using b = new Ear(source, "b");
    const first = await world.pay(scriptOf(3), 5000);
    await b.heard((change) => holds(change.mempoolAdded, first.txid));
    const second = await world.pay(scriptOf(1), 5000);
    await a.heard((change) => holds(change.mempoolAdded, second.txid));
    assert.ok(!a.changes.some((change) => holds(change.mempoolAdded, first.txid)));
    const place = await world.mine();
    const change = await b.heard(isMined(first.txid));
    assert.equal(change.tip.hash, place.hash);
    assert.ok(!change.connected.some(({ txs }) => holds(txs, second.txid)));
  });

  check("what spends a watched script is told, in the mempool and in a block", async (world) => {
    const { source, anyone } = world;
    const { txid } = await world.pay(anyone, 50_000);
    await world.mine();
    await source.watch("a", [anyone]);
    using ear = new Ear(source, "a");
    const raw = await world.spend(txid, 0, [{ value: 40_000, script: scriptOf(9) }]);
    const verdict = await source.broadcast(raw);
    assert.ok(verdict.ok);
    const added = await ear.heard((change) => holds(change.mempoolAdded, verdict.txid));
    assert.equal(added.mempoolAdded.find((tx) => tx.txid === verdict.txid)?.fee, 10_000);
    await world.mine(scriptOf(9));
    await ear.heard(isMined(verdict.txid));
  });

  check("a scan finds all, block by block, then the mempool", async (world) => {
    const { source } = world;
    const script = scriptOf(1);
    const mined = await world.pay(script, 5000);
    const place = await world.mine();
    await world.mine(script);
    const waiting = await world.pay(script, 6000);
    await source.watch("a", [script]);
    const all = await scanned(source, "a", 0);
    const heights = all.flatMap(({ connected }) => connected.map(({ block }) => block.height));
    assert.deepEqual(
      heights,
      Array.from({ length: place.height + 2 }, (_, height) => height),
    );
    const found = all.flatMap(({ connected }) => connected.flatMap(({ txs }) => txs));
    assert.equal(found.length, 2);
    assert.equal(found[0]?.txid, mined.txid);
    assert.deepEqual(found[0]?.block, place);
    assert.equal(found[1]?.position, 0);
    assert.deepEqual(
      all.flatMap(({ mempoolAdded }) => mempoolAdded.map(({ txid }) => txid)),
      [waiting.txid],
    );
    assert.ok(all.at(-1)!.connected.length === 0, "the mempool comes last");
    const late = await scanned(source, "a", place.height + 1);
    assert.equal(late.flatMap(({ connected }) => connected).length, 1);
    const past = await scanned(source, "a", place.height + 100);
    assert.deepEqual(
      past.flatMap(({ connected }) => connected),
      [],
    );
  });

  check("a reorganisation is one change, from the old tip down and up to the new one", async (world) => {
    const { source } = world;
    const script = scriptOf(1);
    await source.watch("a", [script]);
    using ear = new Ear(source, "a");
    const { txid } = await world.pay(script, 5000);
    const first = await world.mine();
    const second = await world.mine();
    await ear.heard(({ tip }) => tip.hash === second.hash);
    await world.reorg(2);
    const tip = await source.tip();
    const change = await ear.heard((each) => each.tip.hash === tip.hash);
    assert.deepEqual(change.disconnected, [second, first]);
    assert.deepEqual(
      change.connected.map(({ block }) => block.height),
      [first.height, first.height + 1, first.height + 2],
    );
    assert.ok(ear.changes.every((each) => each.disconnected.length === 0 || each === change));
    const waiting = (await scanned(source, "a", first.height)).flatMap(({ mempoolAdded }) => mempoolAdded);
    assert.deepEqual(
      waiting.map((tx) => tx.txid),
      [txid],
      "what the old blocks held waits again",
    );
    const known = ear.changes.filter((each) => holds(each.mempoolAdded, txid));
    assert.equal(known.length, 2, "and that was told");
    const again = await world.mine();
    await ear.heard((each) => isMined(txid)(each) && each.tip.hash === again.hash);
  });

  check("what is replaced in the mempool is told to have left it", async (world) => {
    const { source, anyone } = world;
    const { txid } = await world.pay(anyone, 100_000);
    await world.mine();
    const script = scriptOf(1);
    await source.watch("a", [script]);
    using ear = new Ear(source, "a");
    const cheap = await source.broadcast(await world.spend(txid, 0, [{ value: 90_000, script }]));
    assert.ok(cheap.ok);
    await ear.heard((change) => holds(change.mempoolAdded, cheap.txid));
    const dear = await source.broadcast(await world.spend(txid, 0, [{ value: 50_000, script }]));
    assert.ok(dear.ok);
    await ear.heard((change) => change.mempoolRemoved.includes(cheap.txid));
    await ear.heard((change) => holds(change.mempoolAdded, dear.txid));
    await world.mine();
    const mined = await ear.heard(isMined(dear.txid));
    assert.deepEqual(mined.mempoolRemoved, []);
  });

  check("a broadcast is answered by a verdict", async (world) => {
    const { source, anyone } = world;
    const garbage = await source.broadcast(Uint8Array.of(1, 2, 3));
    assert.equal(garbage.ok, false);
    const { txid } = await world.pay(anyone, 100_000);
    await world.mine();
    const raw = await world.spend(txid, 0, [{ value: 90_000, script: scriptOf(1) }]);
    const sent = await source.broadcast(raw);
    assert.ok(sent.ok);
    assert.deepEqual(await source.broadcast(raw), sent, "sending again changes nothing");
    await world.mine();
    const again = await world.spend(txid, 0, [{ value: 80_000, script: scriptOf(2) }]);
    const refused = await source.broadcast(again);
    assert.ok(!refused.ok);
    assert.match(refused.reason, /missingorspent/);
  });

  check("who is being told may send, and hears of it afterwards", async (world) => {
    const { source, anyone } = world;
    const { txid } = await world.pay(anyone, 100_000);
    const raw = await world.spend(txid, 0, [{ value: 90_000, script: scriptOf(1) }]);
    await source.watch("a", [scriptOf(1)]);
    using ear = new Ear(source, "a");
    const off = source.changed.on(async ({ change }) => {
      if (change.connected.length > 0) assert.ok((await source.broadcast(raw)).ok);
    });
    await world.mine();
    const told = await ear.heard(({ mempoolAdded }) => mempoolAdded.length > 0);
    off();
    assert.equal(told.mempoolAdded[0]?.raw.length, raw.length);
  });

  check("who is forgotten hears nothing more", async (world) => {
    const { source } = world;
    if (source.forget === undefined) return;
    await source.watch("a", [scriptOf(1)]);
    await source.watch("b", [scriptOf(1)]);
    using a = new Ear(source, "a");
    using b = new Ear(source, "b");
    await source.forget("a");
    const { txid } = await world.pay(scriptOf(1), 5000);
    await world.mine();
    await b.heard(isMined(txid));
    assert.deepEqual(a.changes, []);
  });

  check("fee rates are whole satoshi per 1000 virtual bytes, or unknown", async ({ source }) => {
    const minimum = await source.minimumFeeRate();
    assert.ok(Number.isSafeInteger(minimum) && minimum >= 0);
    const rate = await source.feeRate(6);
    assert.ok(rate === undefined || (Number.isSafeInteger(rate) && rate > 0));
  });
}
