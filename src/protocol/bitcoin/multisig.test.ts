import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { hex, toHex } from "#base/lib/bytes.ts";
import { NO_SHARED, sharedVector } from "../../../test/vectors/vectors.ts";
import { encodeAddress } from "./address.ts";
import { multisigOutput, multisigScript, sortKeys, wrapScript } from "./multisig.ts";
import { main, regtest } from "./networks.ts";
import { parseDescriptor } from "./parse-descriptor.ts";

const core = sharedVector("core/rpc_bip67.json");
const bip67 = sharedVector("bips/bip-0067/test-vectors.mediawiki");

test("rpc_bip67.json", { skip: core === undefined && NO_SHARED }, (t) => {
  const rows = JSON.parse(readFileSync(core!, "utf8")) as {
    keys: string[];
    sorted_keys: string[];
    script: string;
    address: string;
  }[];
  for (const row of rows) {
    const sorted = sortKeys(row.keys.map(hex));
    assert.deepEqual(sorted.map(toHex), row.sorted_keys);
    assert.equal(toHex(multisigScript(2, sorted)), row.script);
    const output = multisigOutput(2, sorted, "legacy");
    assert.ok("script" in output);
    assert.equal(encodeAddress(output.script, regtest()), row.address);
    const text = `sh(sortedmulti(2,${row.keys.join(",")}))`;
    const expansion = parseDescriptor(text, regtest()).descriptors[0]!.expand(0)!;
    assert.equal(encodeAddress(expansion.scripts[0]!, regtest()), row.address);
  }
  t.diagnostic(`${rows.length} rows`);
});

test("BIP67: every vector", { skip: bip67 === undefined && NO_SHARED }, (t) => {
  const vectors = readFileSync(bip67!, "utf8")
    .split(/^Vector \d/m)
    .slice(1);
  for (const vector of vectors) {
    const lists = vector.split(/^\* (?:List|Sorted|Script|Address)/m).slice(1);
    const [keys, sorted, script, address] = lists.map((list) =>
      [...list.matchAll(/^\*\* (\S+)/gm)].map((match) => match[1]!),
    ) as [string[], string[], string[], string[]];
    const inOrder = sortKeys(keys.map(hex));
    assert.deepEqual(inOrder.map(toHex), sorted);
    assert.equal(toHex(multisigScript(2, inOrder)), script[0]);
    assert.equal(encodeAddress(wrapScript(hex(script[0]!), "legacy"), main), address[0]);
  }
  t.diagnostic(`${vectors.length} vectors`);
  assert.equal(vectors.length, 4);
});

const KEY = hex("02ff12471208c14bd580709cb2358d98975247d8765f92bc25eab3b2763ed605f8");
const LONG_KEY = hex(`04${"11".repeat(64)}`);

test("errors in Core's words", () => {
  const cases: [number, Uint8Array[], string][] = [
    [0, [KEY], "a multisignature address must require at least one key to redeem"],
    [2, [KEY], "not enough keys supplied (got 1 keys, but need at least 2 to redeem)"],
    [
      1,
      Array.from({ length: 21 }, () => KEY),
      "Number of keys involved in the multisignature address creation > 20\nReduce the number",
    ],
    [1, Array.from({ length: 16 }, () => KEY), "redeemScript exceeds size limit: 547 > 520"],
    [1, Array.from({ length: 8 }, () => LONG_KEY), "redeemScript exceeds size limit: 531 > 520"],
  ];
  for (const [required, keys, error] of cases) {
    assert.deepEqual(multisigOutput(required, keys, "legacy"), { error });
  }
});

test("each type of output; an uncompressed key makes it legacy", () => {
  const types = ["legacy", "p2sh-segwit", "bech32"] as const;
  const scripts = types.map((type) => {
    const output = multisigOutput(1, [KEY, KEY], type);
    assert.ok("script" in output);
    assert.equal(output.type, type);
    return output.script;
  });
  assert.deepEqual(
    scripts.map((script) => script.length),
    [23, 23, 34],
  );
  const mixed = multisigOutput(1, [KEY, LONG_KEY], "bech32");
  assert.ok("type" in mixed);
  assert.equal(mixed.type, "legacy");
  // Sixteen keys fit a witness script and no redeem script.
  assert.ok(
    "script" in
      multisigOutput(
        1,
        Array.from({ length: 16 }, () => KEY),
        "bech32",
      ),
  );
});

test("more than sixteen are pushed as numbers", () => {
  const script = multisigScript(
    17,
    Array.from({ length: 20 }, () => KEY),
  );
  assert.equal(toHex(script.subarray(0, 2)), "0111");
  assert.equal(toHex(script.subarray(-3)), "0114ae");
});
