import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLogger } from "#base/lib/logger.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { FaultWorld } from "#base/store/fault-world.ts";
import {
  decodeSeedRecord,
  encodeSeedRecord,
  readSeedRecord,
  type SeedPublic,
  sealSeed,
  unsealSeed,
  writeSeedRecord,
} from "./seed-record.ts";

const ENTROPY = new Uint8Array(32).map((_, i) => i);
const COST = { n: 16, r: 1, p: 1 };
const FOLDER = "/w";

function fields(revision = 1): Omit<SeedPublic, "kdf"> {
  return {
    revision,
    network: Uint8Array.of(1, 2, 3, 4),
    created: 5,
    birthday: 6,
    fingerprint: Uint8Array.of(7, 8, 9, 10),
    accounts: [{ type: "bech32", xpub: "tpub" }],
    logKey: new Uint8Array(32).fill(11),
  };
}

const seal = (passphrase: string | undefined, revision = 1, seed = 1) =>
  sealSeed(ENTROPY, fields(revision), passphrase, { random: new SeededRandom(seed), cost: COST });

test("a seed opens with its passphrase alone", async () => {
  const record = await seal("päss");
  const read = decodeSeedRecord(encodeSeedRecord(record))!;
  assert.deepEqual(await unsealSeed(read, "päss"), ENTROPY);
  // The same letters in another form of Unicode.
  assert.deepEqual(await unsealSeed(read, "päss".normalize("NFD")), ENTROPY);
  assert.equal(await unsealSeed(read, "pass"), undefined);
  assert.equal(await unsealSeed(read, ""), undefined);
  assert.equal(await unsealSeed(read, undefined), undefined);
  const open = decodeSeedRecord(encodeSeedRecord(await seal(undefined)))!;
  assert.deepEqual(await unsealSeed(open, undefined), ENTROPY);
});

test("the seed stands in no record that has a passphrase, and nowhere in the clear", async () => {
  for (const passphrase of ["secret", undefined]) {
    const text = Buffer.from(encodeSeedRecord(await seal(passphrase))).toString("hex");
    assert.ok(!text.includes(Buffer.from(ENTROPY).toString("hex").slice(0, 16)));
  }
});

test("every changed byte of a record is noticed", async () => {
  const encoded = encodeSeedRecord(await seal("secret"));
  for (let at = 0; at < encoded.length; at++) {
    const damaged = encoded.slice();
    damaged[at]! ^= 1 << (at % 8);
    assert.equal(decodeSeedRecord(damaged), undefined, `byte ${at}`);
    assert.equal(decodeSeedRecord(encoded.subarray(0, at)), undefined);
  }
});

test("another account's public part under a seed does not open", async () => {
  const [mine, other] = [await seal("secret"), await seal("secret", 1, 2)];
  const mixed = {
    public: mine.public,
    sealed: { ...mine.sealed, public: other.sealed.public },
  };
  assert.equal(await unsealSeed(mixed, "secret"), undefined);
});

test("a damaged, missing or older copy is written anew from the good one", async () => {
  for (const damage of ["first", "second", "missing", "older", "both"]) {
    const { files } = new FaultWorld();
    await files.makeDirectory(FOLDER);
    await writeSeedRecord(files, FOLDER, await seal("secret", 2));
    const good = await files.readFile(`${FOLDER}/seed.1`);
    const [path, other] = damage === "second" ? ["seed.2", "seed.1"] : ["seed.1", "seed.2"];
    const put = async (name: string, bytes: Uint8Array) => {
      await files.remove(`${FOLDER}/${name}`);
      const file = await files.open(`${FOLDER}/${name}`, "create");
      await file.write(bytes, 0);
      await file.close();
    };
    if (damage === "missing") await files.remove(`${FOLDER}/${path}`);
    else if (damage === "older") await put(path, encodeSeedRecord(await seal(undefined, 1)));
    else
      await put(
        path,
        good.map((byte, i) => (i === 40 ? byte ^ 1 : byte)),
      );
    if (damage === "both") await put(other, good.subarray(0, 100));
    const read = await readSeedRecord(files, FOLDER, silentLogger);
    if (damage === "both") {
      assert.equal(read, undefined);
      continue;
    }
    assert.deepEqual(await unsealSeed(read!, "secret"), ENTROPY, damage);
    assert.deepEqual(await files.readFile(`${FOLDER}/seed.1`), good);
    assert.deepEqual(await files.readFile(`${FOLDER}/seed.2`), good);
  }
});

test("the power goes while a passphrase is set: the seed opens the old way or the new, and both copies agree", async () => {
  const seen = new Set<string>();
  for (let cut = 1; cut < 40; cut++) {
    const world = new FaultWorld();
    await world.files.makeDirectory(FOLDER);
    await writeSeedRecord(world.files, FOLDER, await seal(undefined, 1));
    world.offAfter(cut);
    const wasDone = await writeSeedRecord(world.files, FOLDER, await seal("secret", 2)).then(
      () => true,
      () => false,
    );
    const after = world.powerCut(new SeededRandom(cut));
    const read = await readSeedRecord(after.files, FOLDER, silentLogger);
    assert.ok(read !== undefined, `cut ${cut}`);
    const isNew = read.public.revision === 2;
    assert.ok(isNew || !wasDone, "what was acknowledged holds");
    assert.deepEqual(await unsealSeed(read, isNew ? "secret" : undefined), ENTROPY);
    const copies = await Promise.all(
      ["seed.1", "seed.2"].map((name) => after.files.readFile(`${FOLDER}/${name}`)),
    );
    assert.deepEqual(copies[0], copies[1]);
    seen.add(`${isNew} ${wasDone}`);
  }
  assert.ok(seen.has("false false") && seen.has("true false") && seen.has("true true"), [...seen].join());
});
