import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { readBigU64, toHex, toHexReversed } from "#base/lib/bytes.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import { silentLogger } from "#base/lib/logger.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { nodeFileSystem } from "#base/store/node-file-system.ts";
import type { Txid } from "#protocol/bitcoin/hashes.ts";
import type { TxTable } from "#protocol/bitcoin/tx-table.ts";
import { hashTxs, txidAt } from "#protocol/bitcoin/txid.ts";
import { coinOf, createFixture, type Fixture, spend } from "./fixture.ts";
import { type ByteSource, MempoolFileReader } from "./mempool-file.ts";
import { loadMempool, type PersistDependencies, saveMempool } from "./persist-mempool.ts";

const txidOf = (table: TxTable) => txidAt(hashTxs(table), 0).slice() as Txid;

function dependencies(fixture: Fixture): PersistDependencies & { lines: string[] } {
  const lines: string[] = [];
  const log = { ...silentLogger, info: (text: string) => void lines.push(text) };
  return { files: nodeFileSystem, random: new SeededRandom(4), log, now: () => fixture.now, lines };
}

async function inFolder(run: (path: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "mempool-"));
  try {
    await run(join(folder, "mempool.dat"));
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** A mempool of a parent, its child and a lone one, with deltas and a txid to be broadcast. */
async function filled() {
  const fixture = createFixture();
  const parent = spend([fixture.chain.coinbase(1)], 1000);
  const child = spend([coinOf(parent)], 9000);
  const lone = spend([fixture.chain.coinbase(2)], 2000, { data: 5000 });
  for (const table of [parent, child, lone]) {
    fixture.now += 10;
    assert.ok((await fixture.acceptor.accept(table)).accepted);
  }
  const absent = new Uint8Array(32).fill(5) as Txid;
  fixture.mempool.prioritise(txidOf(lone), -77);
  fixture.mempool.prioritise(absent, 12_345);
  fixture.mempool.addUnbroadcast(txidOf(child));
  return { fixture, parent, child, lone, absent };
}

test("what is saved is loaded: transactions, times, deltas, and what is to be broadcast", async () => {
  for (const version1 of [false, true]) {
    await inFolder(async (path) => {
      const { fixture, child, lone, absent } = await filled();
      const length = await saveMempool(fixture.mempool, path, dependencies(fixture), { version1 });
      const bytes = await readFile(path);
      assert.equal(bytes.length, length);
      assert.equal(readBigU64(bytes, 0), version1 ? 1n : 2n);
      assert.equal(bytes.includes(Buffer.from(lone.bytes)), version1, "version 2 hides the bytes");

      const other = createFixture();
      other.now = fixture.now;
      const deps = dependencies(other);
      assert.equal(await loadMempool(other.acceptor, path, deps), true);
      const times = (f: Fixture) => f.mempool.entriesByScore().map(({ txid, time }) => [toHex(txid), time]);
      assert.deepEqual(times(other), times(fixture));
      assert.equal(other.mempool.feeDelta(txidOf(lone)), -77);
      assert.equal(other.mempool.feeDelta(absent), 12_345);
      assert.deepEqual(other.mempool.unbroadcast(), [txidOf(child)]);
      assert.equal(
        deps.lines.at(-1),
        "Imported mempool transactions from file: 3 succeeded, 0 failed, 0 expired, 0 already there, " +
          "1 waiting for initial broadcast",
      );
      // Once more: all are there.
      await loadMempool(other.acceptor, path, deps);
      assert.match(deps.lines.at(-1)!, /0 succeeded, 0 failed, 0 expired, 3 already there/);
    });
  }
});

test("a file written by Core's rules byte for byte", async () => {
  await inFolder(async (path) => {
    const { fixture, child, lone, parent, absent } = await filled();
    await saveMempool(fixture.mempool, path, dependencies(fixture), { version1: true });
    const text = toHex(await readFile(path));
    const i64 = (value: number) => {
      const bytes = new Uint8Array(8);
      new DataView(bytes.buffer).setBigInt64(0, BigInt(value), true);
      return toHex(bytes);
    };
    const start = fixture.now - 30;
    const expected = [
      i64(1),
      i64(3),
      toHex(parent.bytes) + i64(start + 10) + i64(0),
      toHex(child.bytes) + i64(start + 20) + i64(0),
      toHex(lone.bytes) + i64(start + 30) + i64(-77),
      `01${toHex(absent)}${i64(12_345)}`,
      `01${toHex(txidOf(child))}`,
    ];
    assert.equal(text, expected.join(""));
  });
});

test("old transactions, and those that are valid no longer, stay out; a stranger's marks can be left aside", async () => {
  await inFolder(async (path) => {
    const { fixture, parent } = await filled();
    await saveMempool(fixture.mempool, path, dependencies(fixture));

    const late = createFixture();
    late.now = fixture.now - 15 + 336 * 3600;
    const deps = dependencies(late);
    assert.equal(await loadMempool(late.acceptor, path, deps), true);
    // The parent has expired, so the child lacks its input.
    assert.match(deps.lines.at(-1)!, /1 succeeded, 1 failed, 1 expired, 0 already there/);

    const mined = createFixture();
    mined.chain.mine([parent]);
    mined.now = fixture.now;
    const options = { applyFeeDeltas: false, applyUnbroadcast: false, useCurrentTime: true };
    mined.now += 10_000_000;
    assert.equal(await loadMempool(mined.acceptor, path, dependencies(mined), options), true);
    assert.equal(mined.mempool.size, 2);
    assert.deepEqual(mined.mempool.prioritised(), []);
    assert.deepEqual(mined.mempool.unbroadcast(), []);
    for (const { time } of mined.mempool.entries()) assert.equal(time, mined.now);
  });
});

test("no file, a damaged one, and an interruption", async () => {
  await inFolder(async (path) => {
    const { fixture } = await filled();
    const fresh = createFixture();
    const deps = dependencies(fresh);
    assert.equal(await loadMempool(fresh.acceptor, path, deps), false);
    assert.equal(deps.lines.at(-1), "Failed to open mempool file. Continuing anyway.");

    await saveMempool(fixture.mempool, path, dependencies(fixture));
    const bytes = await readFile(path);
    await writeFile(path, bytes.subarray(0, bytes.length - 40));
    assert.equal(await loadMempool(fresh.acceptor, path, deps), false);
    assert.match(deps.lines.at(-1)!, /^Failed to deserialize mempool data on file: end of data\. Continuing/);
    assert.equal(fresh.mempool.size, 3, "what was whole has been taken");

    await writeFile(path, Uint8Array.of(3, 0, 0, 0, 0, 0, 0, 0));
    assert.equal(await loadMempool(fresh.acceptor, path, deps), false);

    await writeFile(path, bytes);
    const stopped = createFixture();
    const interrupted = () => stopped.mempool.size === 2;
    assert.equal(await loadMempool(stopped.acceptor, path, dependencies(stopped), { interrupted }), false);
    assert.equal(stopped.mempool.size, 2);
  });
});

/** Bytes in memory that come a few at a time. */
function source(bytes: Uint8Array): ByteSource {
  return {
    read: async (into, position) => {
      const part = bytes.subarray(position, position + into.length);
      into.set(part);
      return part.length;
    },
  };
}

test("transactions of any size are found in the stream, and a cut anywhere is told", async () => {
  await inFolder(async (path) => {
    const fixture = createFixture(130);
    const tables: TxTable[] = [];
    for (let i = 1; i <= 25; i++) {
      const table = spend([fixture.chain.coinbase(i)], 100_000, {
        data: [0, 300, 900, 4000, 40_000][i % 5]!,
      });
      assert.ok((await fixture.acceptor.accept(table)).accepted);
      tables.push(table);
    }
    await saveMempool(fixture.mempool, path, dependencies(fixture));
    const bytes = new Uint8Array(await readFile(path));
    const reader = await MempoolFileReader.open(source(bytes));
    const found: string[] = [];
    for (let tx = await reader.nextTransaction(); tx !== undefined; tx = await reader.nextTransaction()) {
      found.push(toHexReversed(txidOf(tx.table)));
      assert.equal(tx.table.bytes.buffer.byteLength, tx.table.bytes.length);
    }
    assert.deepEqual(found.sort(), tables.map((table) => toHexReversed(txidOf(table))).sort());
    assert.deepEqual(await reader.deltas(), []);
    assert.deepEqual(await reader.unbroadcast(), []);

    const random = new SeededRandom(8);
    for (let i = 0; i < 60; i++) {
      const cut = bytes.subarray(0, i < 20 ? i : random.below(bytes.length));
      await assert.rejects(async () => {
        const short = await MempoolFileReader.open(source(cut));
        while ((await short.nextTransaction()) !== undefined);
        await short.deltas();
        await short.unbroadcast();
      }, DecodeError);
    }
  });
});
