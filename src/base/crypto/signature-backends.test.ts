import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { concatBytes, hex, toHex } from "#base/lib/bytes.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { publicKeyOf, signEcdsaLowR, signSchnorr, tweakXOnly, xOnlyPublicKeyOf } from "./keys.ts";
import { normalizeS, parseLaxDer } from "./lax-der.ts";
import { type BackendName, loadVerifier, type SignatureBatch, type Verifier, verifier } from "./secp256k1.ts";

const NAMES: readonly BackendName[] = ["native", "secp256k1", "tiny", "noble"];
const BACKENDS: readonly Verifier[] = NAMES.map((name) => loadVerifier(name)).filter(
  (backend) => backend !== undefined,
);
/** Those that a million checks can be asked of. */
const FAST = BACKENDS.filter(({ name }) => name !== "noble");

const { Point } = secp256k1;
const ORDER = Point.Fn.ORDER;
const FIELD = Point.Fp.ORDER;

function bytes32(value: bigint): Uint8Array {
  return hex(value.toString(16).padStart(64, "0"));
}

function compactOf(der: Uint8Array): Uint8Array {
  const compact = new Uint8Array(64);
  assert.ok(parseLaxDer(der, compact));
  return compact;
}

function flipBit(bytes: Uint8Array, bit: number): Uint8Array {
  const copy = bytes.slice();
  copy[bit >> 3] = copy[bit >> 3]! ^ (1 << (bit & 7));
  return copy;
}

/** One question for every back end; the arguments of the check of its kind. */
type Check =
  | { kind: "ecdsa"; signature: Uint8Array; key: Uint8Array; digest: Uint8Array }
  | { kind: "schnorr"; signature: Uint8Array; key: Uint8Array; digest: Uint8Array }
  | { kind: "tweak"; output: Uint8Array; parity: number; key: Uint8Array; tweak: Uint8Array };

function ask(backend: Verifier, check: Check): boolean {
  switch (check.kind) {
    case "ecdsa":
      return backend.ecdsa(check.signature, check.key, check.digest);
    case "schnorr":
      return backend.schnorr(check.signature, check.key, check.digest);
    case "tweak":
      return backend.tweakAddCheck(check.output, check.parity, check.key, check.tweak);
  }
}

function addTo(batch: SignatureBatch, check: Check): void {
  if (check.kind === "ecdsa") batch.addEcdsa(check.signature, check.key, check.digest);
  else if (check.kind === "schnorr") batch.addSchnorr(check.signature, check.key, check.digest);
  else batch.addTweak(check.output, check.parity, check.key, check.tweak);
}

function askBatch(backend: Verifier, check: Check): boolean {
  const batch = backend.batch();
  addTo(batch, check);
  return batch.run() === -1;
}

function describeCheck(check: Check): string {
  return Object.values(check)
    .map((value) => (value instanceof Uint8Array ? toHex(value) : String(value)))
    .join(" ");
}

/** Every back end, singly and in a batch, answers this. */
function all(check: Check, expected: boolean, what: string): void {
  for (const backend of BACKENDS) {
    assert.equal(ask(backend, check), expected, `${backend.name}: ${what}: ${describeCheck(check)}`);
    assert.equal(askBatch(backend, check), expected, `${backend.name}, batch: ${what}`);
  }
}

/** Every back end answers as the first does; returns that answer. */
function agree(check: Check, backends: readonly Verifier[]): boolean {
  const [first, ...others] = backends.map((backend) => ask(backend, check));
  for (const answer of others) assert.equal(answer, first, describeCheck(check));
  return first!;
}

const SECRET = new Uint8Array(32).fill(0x42);
const KEY = publicKeyOf(SECRET);
const LONG_KEY = publicKeyOf(SECRET, false);
const DIGEST = new Uint8Array(32).fill(0x17);
const SIGNATURE = compactOf(signEcdsaLowR(SECRET, DIGEST));
const R = SIGNATURE.slice(0, 32);
const S = SIGNATURE.slice(32);
const X_KEY = xOnlyPublicKeyOf(SECRET);
const SCHNORR = signSchnorr(SECRET, DIGEST, new Uint8Array(32));

function ecdsa(changes: Partial<{ signature: Uint8Array; key: Uint8Array; digest: Uint8Array }>): Check {
  return { kind: "ecdsa", signature: SIGNATURE, key: KEY, digest: DIGEST, ...changes };
}

function schnorr(changes: Partial<{ signature: Uint8Array; key: Uint8Array; digest: Uint8Array }>): Check {
  return { kind: "schnorr", signature: SCHNORR, key: X_KEY, digest: DIGEST, ...changes };
}

test(`back ends here: ${BACKENDS.map(({ name }) => name).join(", ")}; chosen: ${verifier.name}`, (context) => {
  assert.ok(FAST.some(({ name }) => name === "tiny"));
  const missing = NAMES.filter((name) => !BACKENDS.some((backend) => backend.name === name));
  if (missing.length > 0) context.diagnostic(`not here: ${missing.join(", ")}`);
  if (process.env["FREEHOLD_SECP256K1"] === undefined) assert.equal(verifier.name, BACKENDS[0]!.name);
});

describe("ECDSA on every back end", () => {
  test("a good signature, with each form of its key", () => {
    all(ecdsa({}), true, "compressed");
    all(ecdsa({ key: LONG_KEY }), true, "uncompressed");
  });

  test("hybrid keys 06 and 07 only with the right parity", () => {
    for (const secret of [1, 2, 3, 4, 5, 6, 7, 8].map((value) => new Uint8Array(32).fill(value))) {
      const key = publicKeyOf(secret, false);
      const signature = compactOf(signEcdsaLowR(secret, DIGEST));
      const odd = key[64]! & 1;
      key[0] = 6 + odd;
      all(ecdsa({ signature, key }), true, "hybrid");
      key[0] = 7 - odd;
      all(ecdsa({ signature, key }), false, "hybrid of the other parity");
      key[0] = 5;
      all(ecdsa({ signature, key }), false, "prefix 05");
    }
  });

  test("keys of a wrong prefix, length or x", () => {
    for (const prefix of [0, 1, 4, 5, 6, 7, 8, 0xff]) {
      const key = KEY.slice();
      key[0] = prefix;
      all(ecdsa({ key }), false, `prefix ${prefix}`);
    }
    for (const prefix of [0, 1, 2, 3, 5, 8]) {
      const key = LONG_KEY.slice();
      key[0] = prefix;
      all(ecdsa({ key }), false, `long, prefix ${prefix}`);
    }
    all(ecdsa({ key: flipBit(KEY, 0) }), false, "the negated key");
    for (const length of [0, 1, 32, 34, 64, 66, 100]) {
      const key = new Uint8Array(length).fill(2);
      key.set(KEY.subarray(0, Math.min(length, 33)));
      all(ecdsa({ key }), false, `length ${length}`);
    }
    const offCurve = concatBytes(Uint8Array.of(2), bytes32(5n));
    all(ecdsa({ key: offCurve }), false, "x not on the curve");
    all(ecdsa({ key: concatBytes(Uint8Array.of(2), bytes32(FIELD)) }), false, "x = p");
    all(ecdsa({ key: concatBytes(Uint8Array.of(2), bytes32(FIELD + 1n)) }), false, "x = p + 1");
    all(ecdsa({ key: concatBytes(Uint8Array.of(4), new Uint8Array(64)) }), false, "x = y = 0");
    all(ecdsa({ key: flipBit(LONG_KEY, 8 * 64 + 1) }), false, "y not on the curve");
    const y = BigInt(`0x${toHex(LONG_KEY.subarray(33))}`);
    if (y + FIELD < 1n << 256n)
      all(ecdsa({ key: concatBytes(LONG_KEY.subarray(0, 33), bytes32(y + FIELD)) }), false, "y + p");
  });

  test("high S is refused, its low twin is good", () => {
    const high = concatBytes(R, bytes32(ORDER - BigInt(`0x${toHex(S)}`)));
    all(ecdsa({ signature: high }), false, "high S");
    normalizeS(high);
    all(ecdsa({ signature: high }), true, "normalised");
  });

  test("r and s of zero, the order, and above it", () => {
    const zero = new Uint8Array(32);
    const high = new Uint8Array(32).fill(0xff);
    const order = bytes32(ORDER);
    for (const part of [zero, order, bytes32(ORDER + 1n), high]) {
      all(ecdsa({ signature: concatBytes(part, S) }), false, "r");
      all(ecdsa({ signature: concatBytes(R, part) }), false, "s");
      all(ecdsa({ signature: concatBytes(part, part) }), false, "both");
    }
    all(ecdsa({ signature: concatBytes(bytes32(1n), bytes32(1n)) }), false, "r = s = 1");
  });

  test("R whose x is n or more: r is x − n", () => {
    let found = 0;
    for (let x = ORDER; found < 6; x++) {
      let nonce: InstanceType<typeof Point>;
      try {
        nonce = Point.fromBytes(concatBytes(Uint8Array.of(2), bytes32(x)));
      } catch {
        continue;
      }
      found++;
      const r = x - ORDER;
      if (r === 0n) continue;
      const s = 0x1234_5678_9abc_def0n + BigInt(found);
      const z = BigInt(`0x${toHex(DIGEST)}`);
      const inverse = Point.Fn.inv(r);
      // The key for which (r, s) is a signature of the digest: r⁻¹(sR − zG).
      const key = nonce
        .multiplyUnsafe(Point.Fn.mul(s, inverse))
        .add(Point.BASE.multiplyUnsafe(Point.Fn.mul(z, inverse)).negate());
      const check = ecdsa({ signature: concatBytes(bytes32(r), bytes32(s)), key: key.toBytes(true) });
      all(check, true, `x = n + ${r}`);
      all(ecdsa({ ...check, digest: flipBit(DIGEST, 3) }), false, "another digest");
      all(ecdsa({ ...check, signature: concatBytes(bytes32(x), bytes32(s)) }), false, "r not reduced");
    }
  });

  test("r small enough that r + n < p, where x is r itself", () => {
    for (let r = 1n; r < 12n; r++) {
      let nonce: InstanceType<typeof Point>;
      try {
        nonce = Point.fromBytes(concatBytes(Uint8Array.of(3), bytes32(r)));
      } catch {
        continue;
      }
      const inverse = Point.Fn.inv(r);
      const z = BigInt(`0x${toHex(DIGEST)}`);
      const key = nonce
        .multiplyUnsafe(Point.Fn.mul(77n, inverse))
        .add(Point.BASE.multiplyUnsafe(Point.Fn.mul(z, inverse)).negate());
      const check = ecdsa({ signature: concatBytes(bytes32(r), bytes32(77n)), key: key.toBytes(false) });
      all(check, true, `r = ${r}`);
    }
  });

  test("a sum at infinity", () => {
    // u1·G + u2·Q = O where z = −r·d: no x to compare.
    const d = BigInt(`0x${toHex(SECRET)}`);
    const r = BigInt(`0x${toHex(R)}`);
    const digest = bytes32(Point.Fn.neg(Point.Fn.mul(r, d)));
    all(ecdsa({ digest, signature: concatBytes(R, bytes32(5n)) }), false, "infinity");
  });

  test("digests of zero, the order, above it, and all ones: taken modulo n", () => {
    for (const value of [0n, 1n, ORDER - 1n, ORDER, ORDER + 1n, (1n << 256n) - 1n]) {
      const digest = bytes32(value);
      const signature = compactOf(signEcdsaLowR(SECRET, bytes32(value % ORDER)));
      all(ecdsa({ digest, signature }), true, `digest ${value}`);
      all(ecdsa({ digest: flipBit(digest, 9), signature }), false, "another digest");
    }
  });
});

describe("Schnorr on every back end", () => {
  test("a good signature; each part changed", () => {
    all(schnorr({}), true, "good");
    all(schnorr({ digest: flipBit(DIGEST, 0) }), false, "digest");
    all(schnorr({ key: xOnlyPublicKeyOf(DIGEST) }), false, "key");
    all(schnorr({ signature: flipBit(SCHNORR, 5) }), false, "r");
    all(schnorr({ signature: flipBit(SCHNORR, 505) }), false, "s");
  });

  test("r and s at their bounds", () => {
    const tail = SCHNORR.subarray(32);
    const head = SCHNORR.subarray(0, 32);
    for (const r of [0n, 5n, ORDER, ORDER + 1n, FIELD - 1n, FIELD, FIELD + 1n, (1n << 256n) - 1n]) {
      all(schnorr({ signature: concatBytes(bytes32(r), tail) }), false, `r = ${r}`);
    }
    for (const s of [0n, 1n, ORDER - 1n, ORDER, ORDER + 1n, (1n << 256n) - 1n]) {
      all(schnorr({ signature: concatBytes(head, bytes32(s)) }), false, `s = ${s}`);
    }
    const s = BigInt(`0x${toHex(tail)}`);
    all(schnorr({ signature: concatBytes(head, bytes32(ORDER - s)) }), false, "negated s");
    if (s + ORDER < 1n << 256n)
      all(schnorr({ signature: concatBytes(head, bytes32(s + ORDER)) }), false, "s + n");
  });

  test("keys that are no x of a point", () => {
    for (const x of [0n, 5n, FIELD - 1n, FIELD, FIELD + 1n, FIELD + BigInt(`0x${toHex(X_KEY)}`)]) {
      if (x < 1n << 256n) all(schnorr({ key: bytes32(x) }), false, `x = ${x}`);
    }
  });
});

describe("tweaks on every back end", () => {
  const tweaked = tweakXOnly(X_KEY, DIGEST)!;
  const good = {
    kind: "tweak",
    output: tweaked.key,
    parity: tweaked.parity,
    key: X_KEY,
    tweak: DIGEST,
  } as const;

  test("good, and with each part changed", () => {
    all(good, true, "good");
    all({ ...good, parity: 1 - good.parity }, false, "the other parity");
    all({ ...good, output: flipBit(good.output, 255) }, false, "another output");
    all({ ...good, tweak: flipBit(DIGEST, 0) }, false, "another tweak");
    all({ ...good, key: xOnlyPublicKeyOf(DIGEST) }, false, "another key");
    for (const x of [0n, 5n, FIELD, FIELD + 1n, (1n << 256n) - 1n]) {
      all({ ...good, key: bytes32(x) }, false, `key x = ${x}`);
      all({ ...good, output: bytes32(x) }, false, `output x = ${x}`);
    }
  });

  test("both parities occur and are told apart", () => {
    const seen = new Set<number>();
    for (let i = 1; i < 12; i++) {
      const tweak = new Uint8Array(32).fill(i);
      const { key, parity } = tweakXOnly(X_KEY, tweak)!;
      seen.add(parity);
      all({ kind: "tweak", output: key, parity, key: X_KEY, tweak }, true, "right");
      all({ kind: "tweak", output: key, parity: 1 - parity, key: X_KEY, tweak }, false, "wrong");
    }
    assert.equal(seen.size, 2);
  });

  test("a tweak of zero leaves the key; n and more are refused", () => {
    const zero = new Uint8Array(32);
    all({ ...good, tweak: zero, output: X_KEY, parity: 0 }, true, "zero");
    all({ ...good, tweak: zero, output: X_KEY, parity: 1 }, false, "zero, odd");
    for (const value of [ORDER, ORDER + 1n, (1n << 256n) - 1n]) {
      all({ ...good, tweak: bytes32(value), output: X_KEY, parity: 0 }, false, `tweak ${value}`);
      const reduced = tweakXOnly(X_KEY, bytes32(value % ORDER))!;
      all(
        { ...good, tweak: bytes32(value), output: reduced.key, parity: reduced.parity },
        false,
        "not reduced",
      );
    }
  });

  test("a sum at infinity, and a doubling", () => {
    const even = BigInt(`0x${toHex(SECRET)}`);
    const own = (KEY[0]! & 1) === 1 ? ORDER - even : even;
    all({ ...good, tweak: bytes32(ORDER - own), output: new Uint8Array(32), parity: 0 }, false, "infinity");
    all({ ...good, tweak: bytes32(ORDER - own), output: X_KEY, parity: 0 }, false, "infinity as the key");
    const doubled = tweakXOnly(X_KEY, bytes32(own))!;
    all({ ...good, tweak: bytes32(own), output: doubled.key, parity: doubled.parity }, true, "doubling");
  });
});

describe("SignatureBatch", () => {
  for (const backend of BACKENDS) {
    test(`${backend.name}: names the first that fails, at every place, and can be used again`, () => {
      const batch = backend.batch();
      assert.equal(batch.run(), -1);
      const size = backend.name === "noble" ? 5 : 70;
      for (let failing = -1; failing < size; failing += backend.name === "noble" ? 2 : 23) {
        batch.reset();
        for (let i = 0; i < size; i++) {
          const bad = i === failing || (failing >= 0 && i === size - 1);
          const digest = bad ? flipBit(DIGEST, i) : DIGEST;
          if (i % 3 === 0) batch.addEcdsa(SIGNATURE, i % 2 === 0 ? KEY : LONG_KEY, digest);
          else if (i % 3 === 1) batch.addSchnorr(SCHNORR, X_KEY, digest);
          else {
            const { key, parity } = tweakXOnly(X_KEY, DIGEST)!;
            batch.addTweak(key, parity, X_KEY, digest);
          }
        }
        assert.equal(batch.length, size);
        assert.equal(batch.run(), failing);
        assert.equal(batch.run(), failing);
      }
    });
  }

  test("a sum at infinity or a row out of range fails wherever it stands among good ones", () => {
    const d = BigInt(`0x${toHex(SECRET)}`);
    const r = BigInt(`0x${toHex(R)}`);
    const infinite = bytes32(Point.Fn.neg(Point.Fn.mul(r, d)));
    const bad: readonly (readonly [Uint8Array, Uint8Array, Uint8Array])[] = [
      [SIGNATURE, KEY, infinite],
      [concatBytes(R, new Uint8Array(32)), KEY, DIGEST],
      [concatBytes(R, bytes32(ORDER)), KEY, DIGEST],
      [SIGNATURE, KEY.subarray(1), DIGEST],
      [SIGNATURE, concatBytes(Uint8Array.of(2), bytes32(5n)), DIGEST],
    ];
    for (const backend of FAST) {
      for (const [signature, key, digest] of bad) {
        for (const place of [0, 1, 63, 64, 65]) {
          const batch = backend.batch();
          for (let i = 0; i < place; i++) batch.addEcdsa(SIGNATURE, LONG_KEY, DIGEST);
          batch.addEcdsa(signature, key, digest);
          batch.addSchnorr(SCHNORR, X_KEY, DIGEST);
          if (backend.name === "native" || place < 2) assert.equal(batch.run(), place, backend.name);
        }
      }
    }
  });

  test("keeps copies of what it was given", () => {
    for (const backend of FAST) {
      const batch = backend.batch();
      const signature = SIGNATURE.slice();
      batch.addEcdsa(signature, KEY, DIGEST);
      signature.fill(0);
      assert.equal(batch.run(), -1);
    }
  });
});

/** A check grown from a good one by a few random changes. */
function mutated(random: SeededRandom): Check {
  const secret = random.fill(new Uint8Array(32));
  secret[0] = 1;
  const digest = random.fill(new Uint8Array(32));
  const shape = random.below(3);
  let check: Check;
  if (shape === 0) {
    const signature = compactOf(signEcdsaLowR(secret, digest));
    const key = publicKeyOf(secret, random.below(2) === 0);
    if (key.length === 65 && random.below(2) === 0) key[0] = 6 + random.below(2);
    check = { kind: "ecdsa", signature, key, digest };
  } else if (shape === 1) {
    const signature = signSchnorr(secret, digest, new Uint8Array(32));
    check = { kind: "schnorr", signature, key: xOnlyPublicKeyOf(secret), digest };
  } else {
    const key = xOnlyPublicKeyOf(secret);
    const { key: output, parity } = tweakXOnly(key, digest)!;
    check = { kind: "tweak", output, parity, key, tweak: digest };
  }
  for (let changes = random.below(3); changes > 0; changes--) mutateField(check, random);
  return check;
}

const BOUNDS = [0n, 1n, ORDER - 1n, ORDER, ORDER + 1n, FIELD - 1n, FIELD, FIELD + 1n].map(bytes32);

function mutateField(check: Check, random: SeededRandom): void {
  if (check.kind === "tweak" && random.below(4) === 0) check.parity = 1 - check.parity;
  const fields = Object.values(check).filter((value) => value instanceof Uint8Array);
  const field = fields[random.below(fields.length)]!;
  switch (random.below(4)) {
    case 0:
      random.fill(field);
      break;
    case 1:
      field[0] = random.below(9);
      break;
    case 2: {
      const half = field.length === 64 ? 32 * random.below(2) : Math.max(0, field.length - 32);
      field.set(BOUNDS[random.below(BOUNDS.length)]!, half);
      break;
    }
    default: {
      const bit = random.below(8 * field.length);
      field[bit >> 3] = field[bit >> 3]! ^ (1 << (bit & 7));
    }
  }
}

describe("random mutations, by seed", () => {
  // By hand: FREEHOLD_FUZZ_RUNS=100000 FREEHOLD_FUZZ_SEED=7
  const runs = Number(process.env["FREEHOLD_FUZZ_RUNS"] ?? 300);
  const seed = Number(process.env["FREEHOLD_FUZZ_SEED"] ?? 1);

  test(`${runs} checks grown from good ones: all back ends agree`, () => {
    const random = new SeededRandom(seed);
    let good = 0;
    for (let i = 0; i < runs; i++) if (agree(mutated(random), BACKENDS)) good++;
    assert.ok(good > runs / 10 && good < runs * 0.9, `${good} good`);
  });

  test("good checks of all kinds hold in one batch, and one bad among them is named", () => {
    const random = new SeededRandom(seed + 1);
    const good: Check[] = [];
    const bad: Check[] = [];
    for (let i = 0; i < runs; i++) {
      const check = mutated(random);
      (ask(FAST[0]!, check) ? good : bad).push(check);
    }
    const batch = FAST[0]!.batch();
    const fill = (checks: readonly Check[]): void => {
      batch.reset();
      for (const check of checks) addTo(batch, check);
    };
    fill(good);
    assert.equal(batch.run(), -1);
    for (const check of bad.slice(0, 50)) {
      const place = random.below(good.length);
      fill(good.toSpliced(place, 0, check));
      assert.equal(batch.run(), place, describeCheck(check));
    }
    assert.ok(good.length > 70 && bad.length > 50);
  });

  test("5,000 bad inputs of each kind in a row leave a back end sound", () => {
    // tiny-secp256k1 asked directly fails for good after some 3,400 exceptions: each loses a piece of its stack.
    const off = bytes32(5n);
    const offKey = concatBytes(Uint8Array.of(2), off);
    const own = BigInt(`0x${toHex(SECRET)}`);
    const toInfinity = bytes32((KEY[0]! & 1) === 1 ? own : ORDER - own);
    for (const backend of FAST) {
      for (let i = 0; i < 5_000; i++) {
        assert.equal(backend.ecdsa(SIGNATURE, offKey, DIGEST), false);
        assert.equal(backend.schnorr(SCHNORR, off, DIGEST), false);
        assert.equal(backend.tweakAddCheck(X_KEY, 0, off, DIGEST), false);
        assert.equal(backend.ecdsa(new Uint8Array(64).fill(0xff), KEY, DIGEST), false);
        assert.equal(backend.schnorr(new Uint8Array(64).fill(0xff), X_KEY, DIGEST), false);
        if (i < 4_000) assert.equal(backend.tweakAddCheck(off, 0, X_KEY, toInfinity), false);
      }
      assert.equal(ask(backend, ecdsa({})), true);
      assert.equal(ask(backend, schnorr({})), true);
    }
  });
});
