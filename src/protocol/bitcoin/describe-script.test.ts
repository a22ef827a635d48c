import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { hex } from "#base/lib/bytes.ts";
import { NO_SHARED, sharedVector } from "../../../test/vectors/vectors.ts";
import { describeOutput, describeScript } from "./describe-script.ts";
import { main, regtest } from "./networks.ts";

const path = sharedVector("core/rpc_decodescript.json");

test("rpc_decodescript.json", { skip: path === undefined && NO_SHARED }, (t) => {
  const rows = JSON.parse(readFileSync(path!, "utf8")) as [string, object][];
  for (const [script, expected] of rows) {
    assert.deepEqual(describeScript(hex(script), regtest()), expected, script);
  }
  t.diagnostic(`${rows.length} rows`);
});

const KEY = "03b0da749730dc9b4b1f4a14d6902877a92541f5368778853d9c4a0cb7802dcfb2";
const LONG_KEY = `04${KEY.slice(2)}6ec577ad2ae3a1d1a53b6e3d6b6d1b8a3a2b4a2dd1e5e7ea8d0a3c5fd5d3a1f4`;

test("a key and its hash are wrapped as P2WPKH, scripts as P2WSH", () => {
  const key = describeScript(hex(`21${KEY}ac`), regtest());
  const hash = describeScript(hex("76a9145dd1d3a048119c27b28293056724d9522f26d94588ac"), regtest());
  assert.equal(key.type, "pubkey");
  assert.equal(key.address, undefined);
  assert.equal(key.desc.split("#")[0], `pk(${KEY})`);
  assert.equal(key.segwit?.type, "witness_v0_keyhash");
  assert.equal(hash.segwit?.asm, "0 5dd1d3a048119c27b28293056724d9522f26d945");
  const multisig = describeScript(hex(`5221${KEY}21${KEY}52ae`), regtest());
  assert.equal(multisig.segwit?.type, "witness_v0_scripthash");
  assert.equal(multisig.segwit?.desc.split("#")[0], `wsh(multi(2,${KEY},${KEY}))`);
  assert.deepEqual(Object.keys(multisig), ["asm", "desc", "type", "p2sh", "segwit"]);
  assert.deepEqual(Object.keys(multisig.segwit!), ["asm", "desc", "hex", "address", "type", "p2sh-segwit"]);
});

test("uncompressed keys are not wrapped in a witness program", () => {
  for (const script of [`41${LONG_KEY}ac`, `5121${KEY}41${LONG_KEY}52ae`]) {
    const description = describeScript(hex(script), regtest());
    assert.notEqual(description.p2sh, undefined);
    assert.equal(description.segwit, undefined);
  }
});

test("what is a program, unspendable or unreadable is not wrapped", () => {
  const program = describeScript(hex(`0014${"00".repeat(20)}`), regtest());
  assert.notEqual(program.p2sh, undefined);
  assert.equal(program.segwit, undefined);
  const big = `4d0902${"00".repeat(521)}`;
  for (const script of [
    `5120${"01".repeat(32)}`,
    `a914${"00".repeat(20)}87`,
    "6a",
    "51024e73",
    "4c",
    big,
    "bb",
    "7e",
  ]) {
    assert.equal(describeScript(hex(script), regtest()).p2sh, undefined, script.slice(0, 20));
  }
});

test("an output's members stand in Core's order", () => {
  const output = describeOutput(hex("76a9145dd1d3a048119c27b28293056724d9522f26d94588ac"), main);
  assert.deepEqual(Object.keys(output), ["asm", "desc", "hex", "address", "type"]);
  assert.deepEqual(Object.keys(describeOutput(hex("6a"), main)), ["asm", "desc", "hex", "type"]);
});
