import { publicKeyOf, signEcdsaLowR, signSchnorr, tweakXOnly, xOnlyPublicKeyOf } from "#base/crypto/keys.ts";
import { parseLaxDer } from "#base/crypto/lax-der.ts";
import { MuHash3072 } from "#base/crypto/muhash.ts";
import { type BackendName, loadVerifier, type Verifier } from "#base/crypto/secp256k1.ts";
import { hash160, ripemd160, sha256, sha256d } from "#base/crypto/sha256.ts";
import { merkleRow, Sha256Batch } from "#base/crypto/sha256-batch.ts";
import { outpointHash, sipKey } from "#base/crypto/siphash.ts";
import { SeededRandom } from "#base/lib/random.ts";

export const name = "crypto: µs per operation of hashes and signature back ends, one core";

const ROUNDS = 9;
const random = new SeededRandom(1);

/** µs per operation: the median of rounds over actions that take turns, after one to warm up. */
function measure(actions: Readonly<Record<string, { count: number; run(): void }>>): Map<string, number> {
  const times = new Map(Object.keys(actions).map((key) => [key, [] as number[]]));
  for (const { run } of Object.values(actions)) run();
  for (let round = 0; round < ROUNDS; round++) {
    for (const [key, { count, run }] of Object.entries(actions)) {
      const start = process.cpuUsage();
      run();
      const { user, system } = process.cpuUsage(start);
      times.get(key)!.push((user + system) / count);
    }
  }
  return new Map([...times].map(([key, values]) => [key, values.sort((a, b) => a - b)[ROUNDS >> 1]!]));
}

function repeated(count: number, action: () => void): { count: number; run(): void } {
  return {
    count,
    run() {
      for (let i = 0; i < count; i++) action();
    },
  };
}

function print(title: string, rows: ReadonlyMap<string, number>, unit = "µs"): void {
  console.log(`\n${title}`);
  for (const [key, value] of rows) console.log(`  ${key.padEnd(44)} ${value.toFixed(3).padStart(9)} ${unit}`);
}

function hashes(): void {
  const many = 20_000;
  const inputs = new Map(
    [32, 64, 80, 250, 1000].map((length) => [length, random.fill(new Uint8Array(length))]),
  );
  const actions: Record<string, { count: number; run(): void }> = {};
  for (const [length, bytes] of inputs) {
    actions[`sha256, ${length} B`] = repeated(many, () => sha256(bytes));
    actions[`sha256d, ${length} B`] = repeated(many, () => sha256d(bytes));
  }
  const key = random.fill(new Uint8Array(33));
  actions["ripemd160, 33 B"] = repeated(many, () => ripemd160(key));
  actions["hash160, 33 B"] = repeated(many, () => hash160(key));
  const salt = sipKey(random.fill(new Uint8Array(16)));
  actions["outpointHash"] = repeated(10 * many, () => outpointHash(salt, inputs.get(64)!, 3));
  const set = new MuHash3072();
  actions["MuHash3072.insert, 64 B"] = repeated(2_000, () => set.insert(inputs.get(64)!));
  print("Hashes, one call each", measure(actions));
}

const SPENDS = 2_000;
/** A P2WPKH spend of one input and two outputs, with its witness. */
const SPEND = 223;
const INPUT = 7;
const OUTPUTS = 49;
const OUTPUTS_LENGTH = 62;

/**
 * All hashes of a block of P2WPKH spends, as validation needs them: txid, wtxid, BIP143's midstates and digest,
 * both Merkle trees. `coins` holds an amount and a script a spend, 30 bytes.
 */
function hashSpends(batch: Sha256Batch, block: Uint8Array, coins: Uint8Array): void {
  batch.load(block);
  const coinsAt = batch.append(coins);
  const opening = batch.append(Uint8Array.of(0x19, 0x76, 0xa9, 0x14));
  const closing = batch.append(Uint8Array.of(0x88, 0xac));
  const hashType = batch.appendU32(1);
  for (let tx = 0; tx < SPENDS; tx++) {
    const at = tx * SPEND;
    batch.piece(at, 4);
    batch.piece(at + 6, OUTPUTS + OUTPUTS_LENGTH - 6);
    batch.piece(at + SPEND - 4, 4);
    batch.end();
  }
  for (let tx = 0; tx < SPENDS; tx++) {
    batch.piece(tx * SPEND, SPEND);
    batch.end();
  }
  for (let tx = 0; tx < SPENDS; tx++) {
    const at = tx * SPEND;
    batch.piece(at + INPUT, 36);
    batch.end();
    batch.piece(at + INPUT + 37, 4);
    batch.end();
    batch.piece(at + OUTPUTS, OUTPUTS_LENGTH);
    batch.end();
  }
  const digests = batch.keep(2);
  for (let tx = 0; tx < SPENDS; tx++) {
    const at = tx * SPEND;
    const midstates = digests + 64 * SPENDS + 96 * tx;
    const coin = coinsAt + 30 * tx;
    batch.piece(at, 4);
    batch.piece(midstates, 64);
    batch.piece(at + INPUT, 36);
    batch.piece(opening, 4);
    batch.piece(coin + 10, 20);
    batch.piece(closing, 2);
    batch.piece(coin, 8);
    batch.piece(at + INPUT + 37, 4);
    batch.piece(midstates + 64, 32);
    batch.piece(at + SPEND - 4, 4);
    batch.piece(hashType, 4);
    batch.end();
  }
  batch.digest(2);
  for (const tree of [0, 1]) {
    let row = batch.slice(digests + 32 * SPENDS * tree, 32 * SPENDS);
    for (let count = SPENDS; count > 1; count = (count + 1) >> 1) row = merkleRow(row, count);
  }
}

function blockHashes(): void {
  const block = random.fill(new Uint8Array(SPENDS * SPEND));
  const coins = random.fill(new Uint8Array(SPENDS * 30));
  const batch = new Sha256Batch();
  const row = random.fill(new Uint8Array(32 * SPENDS));
  const pieces = new Int32Array(2 * SPENDS);
  for (let tx = 0; tx < SPENDS; tx++) pieces.set([tx * SPEND, SPEND], 2 * tx);
  const many = 10;
  print(
    `A block of ${SPENDS} P2WPKH spends through the SIMD kernel, per spend`,
    measure({
      "txid, wtxid, BIP143, both Merkle trees": {
        count: many * SPENDS,
        run: () => repeated(many, () => hashSpends(batch, block, coins)).run(),
      },
      "wtxid alone, one array of pieces": {
        count: many * SPENDS,
        run: () =>
          repeated(many, () => {
            batch.load(block);
            batch.addMessages(pieces, 1);
            batch.digest(2);
          }).run(),
      },
      "one pair of a Merkle row": {
        count: (many * SPENDS) / 2,
        run: () => repeated(many, () => merkleRow(row, SPENDS)).run(),
      },
    }),
  );
}

/** Checks that are all good, of one kind. */
type Checks = readonly (readonly [Uint8Array, Uint8Array, Uint8Array])[];

function makeChecks(count: number): { ecdsa: Checks; schnorr: Checks; tweak: Checks } {
  const secrets = Array.from({ length: count }, () => random.fill(new Uint8Array(32)).fill(1, 0, 1));
  const digests = secrets.map(() => random.fill(new Uint8Array(32)));
  const compact = (secret: Uint8Array, digest: Uint8Array): Uint8Array => {
    const out = new Uint8Array(64);
    parseLaxDer(signEcdsaLowR(secret, digest), out);
    return out;
  };
  return {
    ecdsa: secrets.map((secret, i) => [compact(secret, digests[i]!), publicKeyOf(secret), digests[i]!]),
    schnorr: secrets.map((secret, i) => [
      signSchnorr(secret, digests[i]!, digests[i]!),
      xOnlyPublicKeyOf(secret),
      digests[i]!,
    ]),
    tweak: secrets.map((secret, i) => {
      const internal = xOnlyPublicKeyOf(secret);
      const { key, parity } = tweakXOnly(internal, digests[i]!)!;
      // The parity travels as the last byte, so that all kinds have one shape.
      return [Uint8Array.of(...key, parity), internal, digests[i]!];
    }),
  };
}

function mustHold(holds: boolean): void {
  if (!holds) throw new Error("a good signature was refused");
}

function backendActions(backend: Verifier, checks: ReturnType<typeof makeChecks>) {
  const few = backend.name === "noble" ? 4 : 64;
  const take = (kind: Checks): Checks => kind.slice(0, few);
  const actions: Record<string, { count: number; run(): void }> = {};
  const add = (what: string, run: () => void): void => {
    actions[`${backend.name}: ${what}`] = { count: few, run };
  };
  add("ECDSA, singly", () => {
    for (const [signature, key, digest] of take(checks.ecdsa))
      mustHold(backend.ecdsa(signature, key, digest));
  });
  add("Schnorr, singly", () => {
    for (const [signature, key, digest] of take(checks.schnorr))
      mustHold(backend.schnorr(signature, key, digest));
  });
  add("tweak, singly", () => {
    for (const [output, key, tweak] of take(checks.tweak)) {
      mustHold(backend.tweakAddCheck(output.subarray(0, 32), output[32]!, key, tweak));
    }
  });
  const batch = backend.batch();
  const inBatch = (what: string, fill: () => void): void => {
    add(`${what}, in a batch`, () => {
      batch.reset();
      fill();
      mustHold(batch.run() === -1);
    });
  };
  inBatch("ECDSA", () => {
    for (const [signature, key, digest] of take(checks.ecdsa)) batch.addEcdsa(signature, key, digest);
  });
  inBatch("Schnorr", () => {
    for (const [signature, key, digest] of take(checks.schnorr)) batch.addSchnorr(signature, key, digest);
  });
  inBatch("tweak", () => {
    for (const [output, key, tweak] of take(checks.tweak)) {
      batch.addTweak(output.subarray(0, 32), output[32]!, key, tweak);
    }
  });
  return actions;
}

function signatures(): void {
  const checks = makeChecks(64);
  const names: readonly BackendName[] = ["native", "secp256k1", "tiny", "noble"];
  const backends = names.map((backend) => loadVerifier(backend)).filter((backend) => backend !== undefined);
  const times = measure(Object.assign({}, ...backends.map((backend) => backendActions(backend, checks))));
  const bare = backends[0]!.name;
  console.log(
    `\nSignature checks; × is the time over ${bare}'s in a batch, which is bare libsecp256k1 but for the call`,
  );
  for (const [key, time] of times) {
    const kind = key.slice(key.indexOf(": ") + 2, key.indexOf(","));
    const ratio = time / times.get(`${bare}: ${kind}, in a batch`)!;
    console.log(`  ${key.padEnd(44)} ${time.toFixed(1).padStart(9)} µs ${ratio.toFixed(2).padStart(7)} ×`);
  }
}

/** Prints the tables. */
export function run(): void {
  hashes();
  blockHashes();
  signatures();
}
