import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";
import { hex, toHex } from "#base/lib/bytes.ts";
import { NO_SHARED, sharedVector } from "../../../test/vectors/vectors.ts";
import { signSchnorr, xOnlyPublicKeyOf } from "./keys.ts";
import { type BackendName, loadVerifier, type Verifier } from "./secp256k1.ts";

/** One row of BIP340's test-vectors.csv, in hex. */
interface Row {
  readonly index: string;
  readonly secret: string;
  readonly key: string;
  readonly aux: string;
  readonly message: string;
  readonly signature: string;
  readonly valid: boolean;
}

const NAMES: readonly BackendName[] = ["native", "secp256k1", "tiny", "noble"];
const BACKENDS: readonly Verifier[] = NAMES.map((name) => loadVerifier(name)).filter(
  (backend) => backend !== undefined,
);

function checkRow(row: Row): void {
  const [key, message, signature] = [hex(row.key), hex(row.message), hex(row.signature)];
  // Bitcoin signs digests alone; the rows with other messages test the signing.
  if (message.length === 32) {
    for (const backend of BACKENDS) {
      assert.equal(
        backend.schnorr(signature, key, message),
        row.valid,
        `row ${row.index} by ${backend.name}`,
      );
    }
  }
  if (row.secret !== "") {
    assert.equal(toHex(xOnlyPublicKeyOf(hex(row.secret))), row.key.toLowerCase(), `row ${row.index}`);
    const made = signSchnorr(hex(row.secret), message, hex(row.aux));
    assert.equal(toHex(made), row.signature.toLowerCase(), `row ${row.index}`);
  }
}

const csv = sharedVector("core/bip340_test_vectors.csv");
test("BIP340: every row of bip340_test_vectors.csv", { skip: csv === undefined && NO_SHARED }, (context) => {
  const lines = readFileSync(csv!, "utf8").trim().split(/\r?\n/).slice(1);
  for (const line of lines) {
    const [index, secret, key, aux, message, signature, result] = line.split(",") as string[];
    assert.ok(result === "TRUE" || result === "FALSE", line);
    checkRow({
      index: index!,
      secret: secret!,
      key: key!,
      aux: aux!,
      message: message!,
      signature: signature!,
      valid: result === "TRUE",
    });
  }
  assert.equal(lines.length, 19);
  context.diagnostic(`${lines.length} rows on ${BACKENDS.map(({ name }) => name).join(", ")}`);
});

test("BIP340: the rows that bitcore-lib carries", (context) => {
  const require = createRequire(import.meta.url);
  const rows = require("bitcore-lib/test/data/bip340.js") as {
    index: number;
    secret_key: string;
    public_key: string;
    aux_rand: string;
    message: string;
    signature: string;
    verification_result: boolean;
  }[];
  for (const row of rows) {
    checkRow({
      index: String(row.index),
      secret: row.secret_key,
      key: row.public_key,
      aux: row.aux_rand,
      message: row.message,
      signature: row.signature,
      valid: row.verification_result,
    });
  }
  assert.ok(rows.length >= 15);
  context.diagnostic(`${rows.length} rows`);
});
