import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { hex, toHex } from "#base/lib/bytes.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { mutate } from "../../../test/fuzz/fuzz.ts";
import { bitcoreVector } from "../../../test/vectors/vectors.ts";
import { encodeDer, hasHighS, isLowS, normalizeS, parseLaxDer } from "./lax-der.ts";

const R = "5990e0584b2b238e1dfaad8d6ed69ecc1a4a13ac85fc0b31d0df395eb1ba6105";
const S = "2d5876262c288beb511d061691bf26777344b702b00f8fe28621fe4e566695ed";
const ORDER = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
const HALF = "7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0";
const ABOVE_HALF = "7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a1";
const NEGATIVE = `80${R.slice(2)}`;
const ZERO = "00".repeat(32);

function parsed(text: string): string | undefined {
  const out = new Uint8Array(64).fill(0xee);
  return parseLaxDer(hex(text), out) ? toHex(out) : undefined;
}

const CASES: readonly (readonly [what: string, signature: string, result: string | undefined])[] = [
  ["strict DER", `30440220${R}0220${S}`, R + S],
  ["bytes after the end", `30440220${R}0220${S}ffffff`, R + S],
  ["a sequence length that is wrong", `30010220${R}0220${S}`, R + S],
  ["a sequence length in many bytes", `3083ffffff0220${R}0220${S}`, R + S],
  ["an indefinite sequence length", `30800220${R}0220${S}`, R + S],
  ["a sequence length that does not fit", "30ff0200", undefined],
  ["an integer length with leading zeros", `30440283000020${R}0220${S}`, R + S],
  ["an integer length in two bytes", `304402820020${R}0220${S}`, R + S],
  ["an integer length in eight bytes, most of them zero", `304402880000000000000020${R}0220${S}`, R + S],
  ["an integer length of four bytes that are not zero", `3044028401000020${R}0220${S}`, undefined],
  ["padded integers", `304802220000${R}02220000${S}`, R + S],
  ["a negative integer is taken as positive", `30440220${NEGATIVE}0220${S}`, NEGATIVE + S],
  ["an empty R", `302402000220${S}`, ZERO + S],
  ["an empty S", `30240220${R}0200`, R + ZERO],
  ["both empty", "300402000200", ZERO + ZERO],
  ["R equal to the order: overflow, all zero", `30440220${ORDER}0220${S}`, ZERO + ZERO],
  ["S equal to the order", `30440220${R}0220${ORDER}`, ZERO + ZERO],
  ["R of 33 bytes", `3045022101${R}0220${S}`, ZERO + ZERO],
  ["S of 33 bytes", `30450220${R}022101${S}`, ZERO + ZERO],
  ["the highest low S", `30440220${R}0220${HALF}`, R + HALF],
  ["the lowest high S becomes the highest low S", `30440220${R}0220${ABOVE_HALF}`, R + HALF],
  ["nothing", "", undefined],
  ["a tag alone", "30", undefined],
  ["no integers", "3000", undefined],
  ["another tag", `31440220${R}0220${S}`, undefined],
  ["R with another tag", `30440320${R}0220${S}`, undefined],
  ["S with another tag", `30440220${R}0320${S}`, undefined],
  ["R cut off", `30440220${R.slice(2)}`, undefined],
  ["S cut off", `30440220${R}0220${S.slice(2)}`, undefined],
  ["no S", `30220220${R}`, undefined],
  ["S without length", `30440220${R}02`, undefined],
];

describe("parseLaxDer (Core: ecdsa_signature_parse_der_lax)", () => {
  for (const [what, signature, result] of CASES) {
    test(what, () => assert.equal(parsed(signature), result));
  }

  test("every row of sig_canonical.json is parsed; with a low S it makes the same bytes again", () => {
    const rows = JSON.parse(readFileSync(bitcoreVector("bitcoind/sig_canonical.json"), "utf8")) as string[];
    assert.ok(rows.some((row) => !isLowS(hex(row.slice(0, -2)))));
    for (const row of rows) {
      const der = row.slice(0, -2);
      const compact = parsed(der);
      assert.ok(compact !== undefined, row);
      assert.equal(toHex(encodeDer(hex(compact))) === der, isLowS(hex(der)), row);
    }
  });
});

describe("S", () => {
  test("is low up to half the order", () => {
    assert.equal(isLowS(hex(`30440220${R}0220${HALF}`)), true);
    assert.equal(isLowS(hex(`30440220${R}0220${ABOVE_HALF}`)), false);
    assert.equal(isLowS(hex("3001")), false);
    assert.equal(isLowS(hex(`30440220${R}0220${ORDER}`)), true);
  });

  test("normalising takes n − S, once", () => {
    const signature = hex(`${R + ORDER.slice(0, 62)}40`);
    assert.equal(hasHighS(signature), true);
    normalizeS(signature);
    assert.equal(toHex(signature), `${R + ZERO.slice(0, 62)}01`);
    normalizeS(signature);
    assert.equal(toHex(signature), `${R + ZERO.slice(0, 62)}01`);
  });
});

test("encodeDer writes the shortest form, which is parsed back", () => {
  assert.equal(toHex(encodeDer(hex(R + S))), `30440220${R}0220${S}`);
  assert.equal(toHex(encodeDer(new Uint8Array(64))), "3006020100020100");
  assert.equal(toHex(encodeDer(hex(`80${R.slice(2)}${S}`))), `3045022100${`80${R.slice(2)}`}0220${S}`);
  const random = new SeededRandom(15);
  for (let i = 0; i < 500; i++) {
    const compact = random.fill(new Uint8Array(64));
    compact.fill(0, 0, random.below(33));
    compact[32] = random.below(0x7f);
    compact.fill(0, 32, 32 + random.below(33));
    compact[0] = Math.min(compact[0]!, 0xfe);
    assert.equal(parsed(toHex(encodeDer(compact))), toHex(compact));
  }
});

/** Reads signatures (length in two bytes, then the bytes) and writes for each 1, r and s, normalised; or a 0. */
const ORACLE = `
#include <secp256k1.c>
#include "contrib/lax_der_parsing.c"
#include <stdio.h>
int main(void) {
  static unsigned char input[65536];
  secp256k1_context *ctx = secp256k1_context_create(SECP256K1_CONTEXT_NONE);
  int low, high;
  while ((low = getchar()) != EOF && (high = getchar()) != EOF) {
    size_t length = (size_t)low | ((size_t)high << 8);
    unsigned char out[65] = {0};
    secp256k1_ecdsa_signature sig;
    if (fread(input, 1, length, stdin) != length) return 1;
    out[0] = (unsigned char)ecdsa_signature_parse_der_lax(ctx, &sig, input, length);
    if (out[0]) {
      secp256k1_ecdsa_signature_normalize(ctx, &sig, &sig);
      secp256k1_ecdsa_signature_serialize_compact(ctx, out + 1, &sig);
    }
    fwrite(out, 1, 65, stdout);
  }
  return 0;
}
`;

/** Builds the oracle; a reason where this machine cannot. */
function buildOracle(folder: string): { program: string } | { reason: string } {
  let library: string;
  try {
    const bcrypto = dirname(createRequire(import.meta.url).resolve("bcrypto/package.json"));
    library = join(bcrypto, "deps", "secp256k1");
  } catch {
    return { reason: "the package bcrypto is not installed" };
  }
  const program = join(folder, "oracle");
  const defines = ["USE_NUM_NONE", "USE_FIELD_INV_BUILTIN", "USE_SCALAR_INV_BUILTIN"];
  const sizes = ["-DECMULT_WINDOW_SIZE=2", "-DECMULT_GEN_PREC_BITS=2"];
  const includes = ["", "src", "include"].map((part) => `-I${join(library, part)}`);
  const flags = ["-x", "c", "-O1", "-w", ...defines.map((name) => `-D${name}=1`), ...sizes, ...includes];
  const run = spawnSync("cc", [...flags, "-", "-o", program], { input: ORACLE, encoding: "utf8" });
  if (run.error !== undefined) return { reason: "there is no C compiler here" };
  if (run.status !== 0 || !existsSync(program)) throw new Error(run.stderr);
  return { program };
}

test("200,000 mutated signatures are read as libsecp256k1's contrib/lax_der_parsing.c reads them", (context) => {
  const folder = mkdtempSync(join(tmpdir(), "lax-der-"));
  try {
    const built = buildOracle(folder);
    if ("reason" in built) return context.skip(built.reason);
    const seeds = CASES.map(([, signature]) => hex(signature)).filter((bytes) => bytes.length > 0);
    const random = new SeededRandom(16);
    const inputs: Uint8Array[] = [];
    for (let i = 0; i < 200_000; i++) inputs.push(mutate(seeds, random).subarray(0, 60_000));
    const frames = inputs.flatMap((input) => [Uint8Array.of(input.length, input.length >> 8), input]);
    const run = spawnSync(built.program, { input: Buffer.concat(frames), maxBuffer: 1 << 26 });
    assert.equal(run.status, 0);
    assert.equal(run.stdout.length, 65 * inputs.length);
    let accepted = 0;
    for (const [i, input] of inputs.entries()) {
      const theirs = run.stdout.subarray(65 * i, 65 * i + 65);
      const expected = theirs[0] === 1 ? theirs.subarray(1).toString("hex") : undefined;
      if (expected !== undefined) accepted++;
      assert.equal(parsed(toHex(input)), expected, toHex(input));
    }
    assert.ok(accepted > 20_000 && accepted < 190_000, `${accepted}`);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
