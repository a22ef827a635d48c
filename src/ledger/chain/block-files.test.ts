import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { sha256d } from "#base/crypto/sha256.ts";
import { concatBytes, equalBytes, hex, toHex, writeU32 } from "#base/lib/bytes.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { isDiskFull } from "#base/store/disk-error.ts";
import { FaultWorld } from "#base/store/fault-world.ts";
import { nodeFileSystem } from "#base/store/node-file-system.ts";
import type { SyncRequest } from "#base/store/power.ts";
import { NO_SHARED, sharedVector } from "../../../test/vectors/vectors.ts";
import {
  BlockFileError,
  type BlockFileInfo,
  BlockFiles,
  type BlockFilesOptions,
  type BlockScanner,
  readXorKey,
  scanBlockFile,
} from "./block-files.ts";
import { applyXor } from "./block-obfuscation.ts";

const MAGIC = hex("fabfb5da");
const PREV = new Uint8Array(32).fill(9);

/** Bytes that pass for a block here: at least a header long, different for each seed. */
function blockOf(seed: number, length = 80 + (seed % 50)): Uint8Array {
  return new SeededRandom(seed).fill(new Uint8Array(length));
}

function frame(block: Uint8Array, magic = MAGIC): Uint8Array {
  const head = new Uint8Array(8);
  head.set(magic);
  writeU32(head, 4, block.length);
  return concatBytes(head, block);
}

async function temporaryDirectory(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "freehold-blocks-"));
  t.after(() => rm(path, { recursive: true }));
  return path;
}

function openIn(
  path: string,
  options: Partial<BlockFilesOptions> = {},
  known: readonly BlockFileInfo[] = [],
  files = nodeFileSystem,
): Promise<BlockFiles> {
  return BlockFiles.open({ path, magic: MAGIC, ...options }, { files, random: new SeededRandom(7) }, known);
}

async function list(scanner: BlockScanner): Promise<string[]> {
  const found: string[] = [];
  for await (const { position, bytes } of scanner) {
    found.push(`${position.file}:${position.offset}:${toHex(bytes)}`);
  }
  return found;
}

test("files are framed as Core frames them", async (t) => {
  const path = join(await temporaryDirectory(t), "blocks");
  const files = await openIn(path, { xor: false });
  const [a, b] = [blockOf(1), blockOf(2)];
  assert.deepEqual(await files.appendBlock(a, 0, 100), { file: 0, offset: 8 });
  const second = await files.appendBlock(b, 1, 90);
  assert.deepEqual(second, { file: 0, offset: 8 + a.length + 8 });
  const undo = hex("0102030405");
  assert.equal(await files.appendUndo(0, undo, PREV), 8);
  assert.equal(await files.appendUndo(0, hex("00"), PREV), 8 + 5 + 32 + 8);
  await files.syncBlocks();
  await files.syncUndo();
  assert.deepEqual(
    new Uint8Array(await readFile(join(path, "blk00000.dat"))),
    concatBytes(frame(a), frame(b)),
  );
  const checksum = sha256d(concatBytes(PREV, undo));
  const rev = concatBytes(frame(undo), checksum, frame(hex("00")), sha256d(concatBytes(PREV, hex("00"))));
  assert.deepEqual(new Uint8Array(await readFile(join(path, "rev00000.dat"))), rev);
  assert.deepEqual(new Uint8Array(await readFile(join(path, "xor.dat"))), new Uint8Array(8));
  assert.deepEqual(files.infos, [
    {
      blocks: 2,
      size: 16 + a.length + b.length,
      undoSize: rev.length,
      heightFirst: 0,
      heightLast: 1,
      timeFirst: 90,
      timeLast: 100,
    },
  ]);
  assert.equal(files.sizeOnDisk, 16 + a.length + b.length + rev.length);
  assert.deepEqual(files.takeChanged(), [0]);
  assert.deepEqual(files.takeChanged(), []);
  await files.close();
});

test("blocks, parts of them and undo data are read back; what is not there is an error", async (t) => {
  const path = await temporaryDirectory(t);
  const files = await openIn(path);
  assert.ok(files.xorKey.some((byte) => byte !== 0));
  const blocks = Array.from({ length: 20 }, (_, i) => blockOf(i, 80 + i));
  const at = [];
  for (const [i, block] of blocks.entries()) at.push(await files.appendBlock(block, i, i));
  for (const [i, block] of blocks.entries()) assert.deepEqual(await files.readBlock(at[i]!), block);
  assert.deepEqual(await files.readBlockPart(at[5]!, 3, 10), blocks[5]!.slice(3, 13));
  const undo = blockOf(3, 1000);
  const undoAt = { file: 0, offset: await files.appendUndo(0, undo, PREV) };
  assert.ok(equalBytes(await files.readUndo(undoAt, PREV), undo));
  await assert.rejects(files.readUndo(undoAt, new Uint8Array(32)), /checksum/);
  await assert.rejects(files.readUndo({ file: 0, offset: 9 }, PREV), /wrong magic/);
  await assert.rejects(files.readBlock({ file: 0, offset: 9 }), /wrong magic/);
  await assert.rejects(files.readBlock({ file: 0, offset: 3 }), /no such place/);
  await assert.rejects(files.readBlock({ file: 0, offset: 1e6 }), /ends before/);
  await assert.rejects(files.readBlock({ file: 3, offset: 8 }), BlockFileError);
  await assert.rejects(files.readUndo({ file: 3, offset: 8 }, PREV), BlockFileError);
  await files.close();
});

test("a frame with an impossible length is refused before room is made for it", async (t) => {
  const path = await temporaryDirectory(t);
  const head = concatBytes(MAGIC, hex("ffffffff"));
  await writeFile(join(path, "blk00000.dat"), concatBytes(head, blockOf(1)));
  await writeFile(join(path, "rev00000.dat"), concatBytes(head, blockOf(1)));
  const files = await openIn(path);
  await assert.rejects(files.readBlock({ file: 0, offset: 8 }), /impossible length 4294967295/);
  await assert.rejects(files.readUndo({ file: 0, offset: 8 }, PREV), /impossible length/);
  await files.close();
});

test("xor.dat: new folders get a random key, existing ones keep what they have", async (t) => {
  const root = await temporaryDirectory(t);
  const fresh = join(root, "fresh");
  const files = await openIn(fresh);
  await files.appendBlock(blockOf(1), 0, 0);
  await files.close();
  const key = await readXorKey(nodeFileSystem, fresh);
  assert.deepEqual(key, files.xorKey);
  const raw = new Uint8Array(await readFile(join(fresh, "blk00000.dat")));
  assert.notDeepEqual(raw, frame(blockOf(1)));
  assert.deepEqual(
    raw.map((byte, i) => byte ^ key[i % 8]!),
    frame(blockOf(1)),
  );
  const again = await openIn(fresh, {}, files.infos);
  assert.deepEqual(again.xorKey, key);
  assert.deepEqual(await again.readBlock({ file: 0, offset: 8 }), blockOf(1));
  await again.close();
  await assert.rejects(
    openIn(fresh, { xor: false }),
    new RegExp(
      `can not be disabled .* Stored key: '${toHex(key)}', stored path: '${join(fresh, "xor.dat")}'`,
    ),
  );

  // A folder with plain files and no key, as Core wrote them before version 28.
  const old = join(root, "old");
  await nodeFileSystem.makeDirectory(old);
  await writeFile(join(old, "blk00000.dat"), frame(blockOf(5)));
  const plain = await openIn(old);
  assert.deepEqual(plain.xorKey, new Uint8Array(8));
  assert.deepEqual(await plain.readBlock({ file: 0, offset: 8 }), blockOf(5));
  await plain.close();
  assert.deepEqual(await readXorKey(nodeFileSystem, old), new Uint8Array(8));
  assert.deepEqual(await readXorKey(nodeFileSystem, root), new Uint8Array(8));
  await writeFile(join(root, "xor.dat"), hex("0102"));
  await assert.rejects(readXorKey(nodeFileSystem, root), /holds no key/);
});

test("the key falls on every byte by its place in the file, whatever the buffer's place in memory", () => {
  const key = hex("0102040810204080");
  for (let offset = 0; offset < 8; offset++) {
    for (const position of [0, 1, 7, 8, 4_294_967_299]) {
      const bytes = new Uint8Array(40).subarray(offset, offset + 21);
      applyXor(bytes, position, key);
      assert.deepEqual(
        [...bytes],
        Array.from({ length: 21 }, (_, i) => key[(position + i) % 8]),
      );
    }
  }
});

test("a full file is left for the next one; with -fastprune after 64 KiB", async (t) => {
  const path = await temporaryDirectory(t);
  const files = await openIn(path, { fastPrune: true });
  const places: string[] = [];
  for (let i = 0; i < 5; i++) {
    const { file, offset } = await files.appendBlock(blockOf(i, 30_000), i, i);
    places.push(`${file}:${offset}`);
  }
  assert.deepEqual(places, ["0:8", "0:30016", "1:8", "1:30016", "2:8"]);
  // One that is larger than a file gets its own.
  const big = await files.appendBlock(blockOf(9, 100_000), 5, 5);
  assert.deepEqual(big, { file: 3, offset: 8 });
  assert.equal(files.lastFile, 3);
  assert.deepEqual(files.takeChanged(), [0, 1, 2, 3]);
  // Undo data goes beside its block, also when later files have begun.
  assert.equal(await files.appendUndo(1, hex("00"), PREV), 8);
  assert.deepEqual(await files.fileNumbers(), [0, 1, 2, 3]);
  await files.removeFile(1);
  assert.deepEqual(await files.fileNumbers(), [0]);
  assert.equal(files.infos[1]!.size, 0);
  assert.deepEqual(files.takeChanged(), [1]);
  await assert.rejects(files.readBlock({ file: 1, offset: 8 }), /missing/);
  await files.close();
  const reopened = await openIn(path, { fastPrune: true }, files.infos);
  assert.equal(reopened.lastFile, 3);
  await reopened.close();
  await assert.rejects(openIn(path, {}, [{ ...files.infos[0]!, size: 70_000 }]), /too short/);
  const missing = [...files.infos.slice(0, 1), files.infos[0]!];
  await assert.rejects(openIn(path, {}, missing), /blk00001\.dat is missing/);
});

test("a torn tail is written over, or taken in where it is whole", async (t) => {
  const path = await temporaryDirectory(t);
  const files = await openIn(path);
  await files.appendBlock(blockOf(1), 0, 0);
  const known = files.infos.map((info) => ({ ...info }));
  const second = await files.appendBlock(blockOf(2), 1, 1);
  await files.appendBlock(blockOf(3), 2, 2);
  const { size } = files.infos[0]!;
  await files.close();
  // The index knows the first block; the last one lost its end.
  const handle = await nodeFileSystem.open(join(path, "blk00000.dat"), "write");
  await handle.truncate(size - 5);
  await handle.close();

  const taken = await openIn(path, {}, known);
  const tail = taken.scanTail();
  const found = (await tail.next())!;
  assert.deepEqual(found.position, second);
  assert.deepEqual(found.bytes, blockOf(2));
  assert.equal(await tail.next(), undefined);
  await tail.close();
  taken.noteBlock(found.position, found.bytes.length, 1, 1);
  const third = await taken.appendBlock(blockOf(4, 200), 2, 2);
  assert.equal(third.offset, second.offset + blockOf(2).length + 8);
  await taken.close();

  const reused = await openIn(path, {}, known);
  assert.deepEqual(await reused.appendBlock(blockOf(5), 1, 1), second);
  assert.deepEqual(await reused.readBlock(second), blockOf(5));
  await reused.close();
});

test("a scan starts anew after garbage, false magics, zeros and torn frames", async (t) => {
  const path = join(await temporaryDirectory(t), "odd.dat");
  const inner = frame(blockOf(11));
  const parts = [
    hex("00010203"),
    frame(blockOf(1)),
    hex("fafabf"),
    MAGIC,
    hex("05000000"),
    frame(blockOf(2)),
    new Uint8Array(3_000_000),
    MAGIC.subarray(0, 3),
    frame(blockOf(3, 2_500_000)),
    concatBytes(MAGIC, hex("ffffff7f")),
    frame(blockOf(4)),
    // The last frame lost its end, but a whole one stands in it.
    frame(concatBytes(hex("0102"), inner, new Uint8Array(5000))).subarray(0, inner.length + 100),
  ];
  const bytes = concatBytes(...parts);
  const offsetOf = (part: number): number =>
    parts.slice(0, part).reduce((sum, { length }) => sum + length, 0) + 8;
  const expected = [
    `0:${offsetOf(1)}:${toHex(blockOf(1))}`,
    `0:${offsetOf(5)}:${toHex(blockOf(2))}`,
    `0:${offsetOf(8)}:${toHex(blockOf(3, 2_500_000))}`,
    `0:${offsetOf(10)}:${toHex(blockOf(4))}`,
    `0:${offsetOf(11) + 10}:${toHex(blockOf(11))}`,
  ];
  await writeFile(path, bytes);
  assert.deepEqual(await list(scanBlockFile({ path, magic: MAGIC }, { files: nodeFileSystem })), expected);
  const xorKey = hex("fabfb5da00ff1234");
  applyXor(bytes, 0, xorKey);
  await writeFile(path, bytes);
  assert.deepEqual(
    await list(scanBlockFile({ path, magic: MAGIC, xorKey }, { files: nodeFileSystem })),
    expected,
  );
});

test("frames are found wherever they lie to the read buffer", async () => {
  const { files } = new FaultWorld();
  for (let shift = -20; shift <= 20; shift++) {
    const path = `/blk${shift}`;
    const start = 1024 * 1024 + shift;
    const file = await files.open(path, "create");
    await file.write(frame(blockOf(1)), start);
    await file.write(frame(blockOf(2)), start + 8 + blockOf(1).length);
    await file.close();
    const found = await list(scanBlockFile({ path, magic: MAGIC }, { files }));
    assert.deepEqual(
      found.map((text) => text.split(":")[1]),
      [String(start + 8), String(start + 16 + blockOf(1).length)],
    );
  }
});

test("a rejected frame is searched for another within", async (t) => {
  const path = join(await temporaryDirectory(t), "nested.dat");
  await writeFile(
    path,
    concatBytes(frame(concatBytes(hex("00"), frame(blockOf(1)), blockOf(2))), frame(blockOf(3))),
  );
  const scanner = scanBlockFile({ path, magic: MAGIC }, { files: nodeFileSystem });
  const outer = (await scanner.next())!;
  assert.equal(outer.position.offset, 8);
  scanner.reject(outer);
  assert.deepEqual((await scanner.next())!.bytes, blockOf(1));
  assert.deepEqual((await scanner.next())!.bytes, blockOf(3));
  assert.equal(await scanner.next(), undefined);
  assert.equal(await scanner.next(), undefined);
  await scanner.close();
});

test("missing and empty files hold no blocks", async (t) => {
  const path = await temporaryDirectory(t);
  assert.deepEqual(
    await list(scanBlockFile({ path: join(path, "none"), magic: MAGIC }, { files: nodeFileSystem })),
    [],
  );
  await writeFile(join(path, "empty"), "");
  assert.deepEqual(
    await list(scanBlockFile({ path: join(path, "empty"), magic: MAGIC }, { files: nodeFileSystem })),
    [],
  );
});

test("a reindex starts with no infos and finds every block again, and Core's zero padding is passed over", async (t) => {
  const path = await temporaryDirectory(t);
  const files = await openIn(path, { fastPrune: true });
  const blocks = Array.from({ length: 12 }, (_, i) => blockOf(i, 20_000));
  for (const [i, block] of blocks.entries()) await files.appendBlock(block, i, i);
  const before = files.infos.map((info) => ({ ...info }));
  const last = await nodeFileSystem.open(join(path, "blk00000.dat"), "write");
  await last.truncate(200_000);
  await last.close();
  files.reset();
  assert.equal(files.lastFile, 0);
  assert.equal(files.sizeOnDisk, 0);
  let height = 0;
  for (const file of await files.fileNumbers()) {
    for await (const { position, bytes } of files.scan(file)) {
      assert.deepEqual(bytes, blocks[height]);
      files.noteBlock(position, bytes.length, height, height);
      height++;
    }
  }
  assert.equal(height, 12);
  assert.deepEqual(files.infos, before);
  await files.close();
});

/** Appends blocks and syncs after each, until the power goes; what was synced must be readable afterwards. */
async function lostAfterCut(seed: number, leaveOut: (sync: SyncRequest) => boolean): Promise<boolean> {
  const random = new SeededRandom(seed);
  const world = new FaultWorld();
  const files = await openIn("/blocks", { fastPrune: true }, [], world.files);
  world.leaveOutSyncs(leaveOut);
  world.offAfter(1 + random.below(60));
  let synced = { infos: files.infos.map((info) => ({ ...info })), undo: [] as number[], count: 0 };
  const places: { file: number; offset: number }[] = [];
  const undo: number[] = [];
  try {
    for (let i = 0; ; i++) {
      places.push(await files.appendBlock(blockOf(i, 20_000), i, i));
      undo.push(await files.appendUndo(places[i]!.file, blockOf(i, 100), PREV));
      await files.syncBlocks();
      await files.syncUndo();
      synced = { infos: files.infos.map((info) => ({ ...info })), undo: [...undo], count: i + 1 };
    }
  } catch (error) {
    assert.match(String(error), /the power is off/);
  }
  const after = world.powerCut(random);
  try {
    const reopened = await openIn("/blocks", { fastPrune: true }, synced.infos, after.files);
    for (let i = 0; i < synced.count; i++) {
      const place = places[i]!;
      if (!equalBytes(await reopened.readBlock(place), blockOf(i, 20_000))) return true;
      await reopened.readUndo({ file: place.file, offset: synced.undo[i]! }, PREV);
    }
    // And the next block fits on whatever the tail is.
    const next = await reopened.appendBlock(blockOf(99), 99, 99);
    assert.deepEqual(await reopened.readBlock(next), blockOf(99));
    return false;
  } catch (error) {
    if (error instanceof BlockFileError) return true;
    throw error;
  }
}

test("after a power cut all that was synced is there", async () => {
  for (let seed = 0; seed < 150; seed++)
    assert.equal(await lostAfterCut(seed, () => false), false, `seed ${seed}`);
});

test("each of the syncs is needed: without it something is lost", async () => {
  const mutants: Record<string, (sync: SyncRequest) => boolean> = {
    "block files": ({ kind, path }) => kind === "file" && path.includes("blk"),
    "undo files": ({ kind, path }) => kind === "file" && path.includes("rev"),
    directory: ({ kind }) => kind === "directory",
  };
  for (const [name, leaveOut] of Object.entries(mutants)) {
    let lost = 0;
    for (let seed = 0; seed < 60; seed++) if (await lostAfterCut(seed, leaveOut)) lost++;
    assert.ok(lost > 0, name);
  }
});

test("a power cut never leaves blocks without the key they were written with", async () => {
  for (let seed = 0; seed < 60; seed++) {
    const random = new SeededRandom(seed);
    const world = new FaultWorld();
    world.offAfter(1 + random.below(10));
    await openIn("/blocks", {}, [], world.files)
      .then(
        (files) => files.appendBlock(blockOf(1), 0, 0),
        () => {},
      )
      .catch(() => {});
    const after = world.powerCut(random);
    const files = await openIn("/blocks", {}, [], after.files);
    const at = await files.appendBlock(blockOf(2), 0, 0);
    await files.close();
    const again = await openIn("/blocks", {}, files.infos, after.files);
    assert.deepEqual(await again.readBlock(at), blockOf(2));
  }
});

test("a file without a sound block before one that has some is recorded too", async () => {
  const world = new FaultWorld();
  const files = await openIn("/blocks", {}, [], world.files);
  files.noteBlock({ file: 2, offset: 8 }, 100, 1, 1);
  assert.deepEqual(
    files.infos.map(({ blocks }) => blocks),
    [0, 0, 1],
  );
  assert.deepEqual(files.takeChanged(), [0, 1, 2]);
});

test("a full disk refuses the block, and nothing is noted of it", async () => {
  const world = new FaultWorld();
  const files = await openIn("/blocks", {}, [], world.files);
  await files.appendBlock(blockOf(1), 0, 0);
  const before = files.infos.map((info) => ({ ...info }));
  files.takeChanged();
  world.capacity = world.used + 20;
  await assert.rejects(files.appendBlock(blockOf(2), 1, 1), isDiskFull);
  await assert.rejects(files.appendUndo(0, blockOf(2), PREV), isDiskFull);
  assert.deepEqual(files.infos, before);
  assert.deepEqual(files.takeChanged(), []);
  world.capacity = Number.POSITIVE_INFINITY;
  const at = await files.appendBlock(blockOf(2), 1, 1);
  assert.deepEqual(await files.readBlock(at), blockOf(2));
});

const REAL = sharedVector("chain/mainnet-0-4312.blk.dat");

test("the real chain's first 4,313 blocks are found", { skip: REAL === undefined && NO_SHARED }, async () => {
  const scanner = scanBlockFile({ path: REAL!, magic: hex("f9beb4d9") }, { files: nodeFileSystem });
  let count = 0;
  let last = new Uint8Array(0);
  for await (const { bytes } of scanner) {
    count++;
    last = bytes.slice(0, 80);
  }
  assert.equal(count, 4313);
  const hash = toHex(sha256d(last).reverse());
  assert.equal(hash, "00000000a9da635727dce622d78361b153ce3334e6a60d4377fad529abfc7863");
});
