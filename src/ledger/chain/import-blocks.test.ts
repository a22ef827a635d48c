import assert from "node:assert/strict";
import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ByteWriter } from "#base/lib/byte-writer.ts";
import { toHexReversed } from "#base/lib/bytes.ts";
import { main, regtest } from "#protocol/bitcoin/networks.ts";
import { NO_SHARED, sharedVector } from "../../../test/vectors/vectors.ts";
import {
  buildBlock,
  buildChain,
  coinsHash,
  genesisBlock,
  openTestChain,
  spend,
  type TestBlock,
  temporaryDirectory,
} from "./chain-fixture.ts";

const network = regtest();
const genesis = genesisBlock(network);

/** A chain with some spends, in more than one of the small files of -fastprune. */
function busyChain(): TestBlock[] {
  const blocks = buildChain(network, genesis, 101);
  for (let i = 0; i < 40; i++) {
    const filler = { value: 0, script: new Uint8Array(4000).fill(0x6a) };
    const txs = [spend(blocks[i]!.txids[0]!, 0, [10e8, 20e8, filler])];
    blocks.push(buildBlock(network, blocks.at(-1)!, { txs, salt: i }));
  }
  return blocks;
}

const blocks = busyChain();

async function buildDirectory(dir: string, options: object = {}): Promise<string> {
  const { chain, submitAll } = await openTestChain(dir, { fastPrune: true, ...options });
  await submitAll(blocks);
  const hash = await coinsHash(chain);
  await chain.close();
  return hash;
}

function writeBlockFile(path: string, list: readonly TestBlock[], junk = new Uint8Array(0)): void {
  const writer = new ByteWriter();
  for (const { raw } of list) writer.bytes(network.magic).u32(raw.length).bytes(raw).bytes(junk);
  writeFileSync(path, writer.finish());
}

test("a file is imported in any order, over junk and what is known", async (t) => {
  const dir = temporaryDirectory();
  const straight = await buildDirectory(join(dir, "straight"));
  const shuffled = blocks.toSorted((a, b) => ((a.height * 7919) % 149) - ((b.height * 7919) % 149));
  const path = join(dir, "blocks.dat");
  writeBlockFile(path, [...shuffled, ...shuffled.slice(0, 20)], Uint8Array.of(0xfa, 0xbf, 1, 2, 3));
  const { chain, updates } = await openTestChain(join(dir, "imported"), { maxTipAge: 86_400 });
  t.after(() => chain.close());
  assert.equal(chain.isInitialBlockDownload(), true);
  await chain.importBlocks([path]);
  assert.equal(chain.tip.height, 141);
  assert.equal(updates.length, 141);
  assert.equal(await coinsHash(chain), straight);
  await chain.importBlocks([path]);
  assert.equal(updates.length, 141);
  await assert.rejects(chain.importBlocks([join(dir, "nothing")]), /Could not open blocks file/);
});

test("a block may stand in a file before that of its parent", async (t) => {
  const dir = temporaryDirectory();
  writeBlockFile(join(dir, "blk00000.dat"), [...blocks.slice(0, 20), ...blocks.slice(70)]);
  writeBlockFile(join(dir, "blk00001.dat"), blocks.slice(40, 70));
  writeBlockFile(join(dir, "blk00010.dat"), blocks.slice(20, 40));
  writeFileSync(join(dir, "blk.dat"), "no block file");
  const { chain } = await openTestChain(join(dir, "imported"));
  t.after(() => chain.close());
  await chain.importBlocks([dir]);
  assert.equal(chain.tip.height, 141);
});

test("invalid blocks in a file are passed over", async (t) => {
  const dir = temporaryDirectory();
  const bad = buildBlock(network, blocks[49]!, { fees: 1 });
  const broken = { ...blocks[50]!, raw: blocks[50]!.raw.slice() };
  broken.raw[100]! ^= 1;
  const path = join(dir, "blocks.dat");
  writeBlockFile(path, [...blocks.slice(0, 50), bad, buildBlock(network, bad), broken, ...blocks.slice(50)]);
  const { chain, fatal } = await openTestChain(join(dir, "imported"));
  t.after(() => chain.close());
  await chain.importBlocks([path]);
  assert.equal(chain.tip.height, 141);
  assert.deepEqual(fatal, []);
});

test("a blocks folder of many files, XORed or plain, is imported whole", async () => {
  const dir = temporaryDirectory();
  for (const blocksXor of [true, false]) {
    const source = join(dir, `source-${blocksXor}`);
    const hash = await buildDirectory(source, { blocksXor });
    const folder = join(source, "blocks");
    assert.ok(readdirSync(folder).filter((name) => name.startsWith("blk")).length > 2);
    const plain = readFileSync(join(folder, "blk00000.dat")).subarray(0, 4).equals(network.magic);
    assert.equal(plain, !blocksXor);
    const { chain } = await openTestChain(join(dir, `imported-${blocksXor}`));
    await chain.importBlocks([folder]);
    assert.equal(chain.tip.height, 141);
    assert.equal(await coinsHash(chain), hash);
    await chain.close();
  }
});

test("-reindex and -reindex-chainstate lead to the same coins", async () => {
  const dir = temporaryDirectory();
  const hash = await buildDirectory(dir);
  const files = fileSizes(join(dir, "blocks"));
  for (const options of [{ reindex: true }, { reindexChainState: true }, {}]) {
    const { chain, fatal } = await openTestChain(dir, { fastPrune: true, ...options });
    if (Object.keys(options).length > 0) assert.equal(chain.tip.height, 0);
    await chain.importBlocks();
    assert.equal(chain.tip.height, 141);
    assert.equal(chain.tip.chainTxCount, 182);
    assert.equal(await coinsHash(chain), hash);
    assert.ok(await chain.verifyChain(4, 0));
    assert.deepEqual(fatal, []);
    await chain.close();
  }
  assert.deepEqual(fileSizes(join(dir, "blocks")), files, "no block was written twice");
});

function fileSizes(folder: string): [string, number][] {
  const names = readdirSync(folder).filter((name) => name.startsWith("blk"));
  return names.map((name) => [name, statSync(join(folder, name)).size]);
}

test("a reindex that was stopped is begun again at the next start", async (t) => {
  const dir = temporaryDirectory();
  const hash = await buildDirectory(dir);
  const first = await openTestChain(dir, { fastPrune: true, reindex: true, stopAtHeight: 60 });
  await first.chain.importBlocks();
  assert.ok(first.chain.tip.height >= 60);
  await first.chain.close();
  const { chain } = await openTestChain(dir, { fastPrune: true });
  t.after(() => chain.close());
  assert.equal(chain.tip.height, 0);
  await chain.importBlocks();
  assert.equal(await coinsHash(chain), hash);
});

test("a torn tail of the last file is no obstacle", async (t) => {
  const dir = temporaryDirectory();
  const { chain, submitAll } = await openTestChain(dir);
  await submitAll(blocks.slice(0, 120));
  await chain.flush();
  await chain.close();
  const path = join(dir, "blocks", "blk00000.dat");
  const file = readFileSync(path);
  // What an append that a power cut tore leaves: a frame without its end.
  writeFileSync(path, Buffer.concat([file, Buffer.alloc(77, 0x5a)]));
  const again = await openTestChain(dir);
  t.after(() => again.chain.close());
  await again.submitAll(blocks.slice(120));
  assert.equal(again.chain.tip.height, 141);
  assert.ok(await again.chain.verifyChain(4, 0));
  assert.deepEqual(await again.chain.readBlock(again.chain.tip), blocks.at(-1)!.raw);
});

test("blocks that were not indexed when the program was killed are found again", async (t) => {
  const dir = temporaryDirectory();
  const first = await openTestChain(dir);
  await first.submitAll(blocks.slice(0, 110));
  await first.chain.flush();
  await first.submitAll(blocks.slice(110));
  // Killed: what lies on disk now, without a last flush.
  const killed = join(dir, "killed");
  cpSync(join(dir, "blocks"), join(killed, "blocks"), { recursive: true });
  cpSync(join(dir, "chainstate"), join(killed, "chainstate"), { recursive: true });
  await first.chain.close();
  const { chain } = await openTestChain(killed);
  t.after(() => chain.close());
  assert.equal(chain.tip.height, 110);
  assert.equal(chain.headers.best.height, 141);
  await chain.importBlocks();
  assert.equal(chain.tip.height, 141);
  assert.ok(await chain.verifyChain(4, 0));
});

test("a reindex of files with a torn end takes what is whole", async (t) => {
  const dir = temporaryDirectory();
  await buildDirectory(dir);
  const folder = join(dir, "blocks");
  const last = join(
    folder,
    readdirSync(folder)
      .filter((name) => name.startsWith("blk"))
      .at(-1)!,
  );
  const end = readFileSync(last).findLastIndex((byte) => byte !== 0);
  truncateSync(last, end - 40);
  const { chain } = await openTestChain(dir, { fastPrune: true, reindex: true });
  t.after(() => chain.close());
  await chain.importBlocks();
  assert.ok(chain.tip.height > 100 && chain.tip.height < 141);
  for (const block of blocks.slice(chain.tip.height)) {
    await chain.acceptBlock(block.raw.slice(), { requested: true, minPowChecked: true });
  }
  assert.equal(chain.tip.height, 141);
});

test("another program's directory is refused untouched", async () => {
  const dir = temporaryDirectory();
  for (const folder of ["chainstate", "blocks/index", "wallets"]) {
    const data = join(dir, folder.replace("/", "-"));
    mkdirSync(join(data, folder), { recursive: true });
    writeFileSync(join(data, folder, "CURRENT"), "MANIFEST-000001\n");
    const before = readdirSync(data, { recursive: true }).toSorted();
    await assert.rejects(openTestChain(data), /was written by another program.*-loadblock/);
    assert.deepEqual(readdirSync(data, { recursive: true }).toSorted(), before);
  }
  const mine = join(dir, "mine");
  mkdirSync(join(mine, "wallets"), { recursive: true });
  await (await openTestChain(mine)).chain.close();
  writeFileSync(join(mine, "wallets", "x"), "");
  await (await openTestChain(mine)).chain.close();
  const moved = join(dir, "moved");
  cpSync(mine, moved, { recursive: true });
  await (await openTestChain(moved)).chain.close();
  await assert.rejects(openTestChain(mine, { network: main }), /Wrong datadir for network/);
});

test("damage is found at the start by its level", async () => {
  const dir = temporaryDirectory();
  await buildDirectory(dir, { blocksXor: false });
  const folder = join(dir, "blocks");
  const cases: [number, string, Uint8Array][] = [
    [0, lastFile(folder, "blk"), blocks[139]!.raw.subarray(0, 40)],
    [1, lastFile(folder, "blk"), blocks[139]!.raw.subarray(200, 240)],
    [2, lastFile(folder, "rev"), Uint8Array.of(1)],
  ];
  for (const [level, path, pattern] of cases) {
    const whole = readFileSync(path);
    const damaged = Buffer.from(whole);
    const at = level === 2 ? 60 : damaged.indexOf(pattern) + 20;
    damaged[at]! ^= 0x40;
    writeFileSync(path, damaged);
    const options = { fastPrune: true, checkBlocks: 0 };
    if (level > 0) await (await openTestChain(dir, { ...options, checkLevel: level - 1 })).chain.close();
    await assert.rejects(openTestChain(dir, { ...options, checkLevel: level }), /Corrupted block database/);
    writeFileSync(path, whole);
  }
  rmSync(lastFile(folder, "blk"));
  await assert.rejects(openTestChain(dir, { fastPrune: true }));
});

function lastFile(folder: string, kind: string): string {
  return join(
    folder,
    readdirSync(folder)
      .filter((name) => name.startsWith(kind))
      .at(-1)!,
  );
}

const mainnet = sharedVector("chain/mainnet-0-4312.blk.dat");
test("mainnet 0–4312: import, torn tail, reindex, folder with xor.dat: the same coins", {
  skip: mainnet === undefined ? NO_SHARED : false,
}, async () => {
  const dir = temporaryDirectory();
  const options = { network: main, minimumChainWork: 0n };
  const check = async (chain: Awaited<ReturnType<typeof openTestChain>>["chain"]): Promise<void> => {
    assert.equal(chain.tip.height, 4312);
    assert.equal(
      toHexReversed(chain.tip.hash),
      "00000000a9da635727dce622d78361b153ce3334e6a60d4377fad529abfc7863",
    );
    assert.equal(await coinsHash(chain), "fa5670424a993c1c40c2ec80fdac5deaf80f14f3857ea2e16a1339ee7a596e62");
  };
  const first = await openTestChain(join(dir, "a"), options);
  await first.chain.importBlocks([mainnet!]);
  await check(first.chain);
  await first.chain.close();
  const again = await openTestChain(join(dir, "a"), { ...options, reindex: true });
  await again.chain.importBlocks();
  await check(again.chain);
  await again.chain.close();
  const other = await openTestChain(join(dir, "b"), options);
  await other.chain.importBlocks([join(dir, "a", "blocks")]);
  await check(other.chain);
  await other.chain.close();
  const torn = join(dir, "torn.dat");
  writeFileSync(torn, readFileSync(mainnet!).subarray(0, -50));
  const third = await openTestChain(join(dir, "c"), options);
  await third.chain.importBlocks([torn]);
  assert.equal(third.chain.tip.height, 4311);
  await third.chain.importBlocks([mainnet!]);
  await check(third.chain);
  await third.chain.close();
});
