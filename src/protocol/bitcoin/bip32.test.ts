import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { hex, toHex } from "#base/lib/bytes.ts";
import { NO_SHARED, sharedVector } from "../../../test/vectors/vectors.ts";
import { encodeAddress, payToWitness } from "./address.ts";
import {
  decodeExtendedPrivate,
  decodeExtendedPublic,
  derivePrivate,
  derivePublic,
  type ExtendedPrivateKey,
  encodeExtendedPrivate,
  encodeExtendedPublic,
  masterKey,
  neuter,
} from "./bip32.ts";
import { HARDENED } from "./key-path.ts";
import { main, testnet4 } from "./networks.ts";
import { taprootOutput } from "./taproot.ts";
import { encodeWif } from "./wif.ts";

const bip32 = sharedVector("bips/bip-0032/test-vectors.mediawiki");
const bip84 = sharedVector("bips/bip-0084/test-vectors.mediawiki");
const bip86 = sharedVector("bips/bip-0086/test-vectors.mediawiki");

/** Indices of a path such as m/0h/1. */
function pathOf(text: string): number[] {
  return text
    .split("/")
    .slice(1)
    .map((step) => Number.parseInt(step, 10) + (/[h']$/.test(step) ? HARDENED : 0));
}

function derive(root: ExtendedPrivateKey, path: readonly number[]): ExtendedPrivateKey {
  return path.reduce((key, step) => derivePrivate(key, step)!, root);
}

test("BIP32: every chain and every invalid key", { skip: bip32 === undefined && NO_SHARED }, (t) => {
  let seed = new Uint8Array(0);
  let key: ExtendedPrivateKey | undefined;
  let chains = 0;
  let invalid = 0;
  for (const line of readFileSync(bip32!, "utf8").split("\n")) {
    const [, given] = /^Seed \(hex\): ([0-9a-f]+)/.exec(line) ?? [];
    const [, chain] = /^\* Chain (\S+)/.exec(line) ?? [];
    const [, kind, text] = /^\*\* ext (pub|prv): (\S+)/.exec(line) ?? [];
    const [, bad] = /^\* ([A-Za-z0-9]{100,}) \(/.exec(line) ?? [];
    if (given !== undefined) seed = hex(given) as Uint8Array<ArrayBuffer>;
    if (chain !== undefined) {
      key = derive(masterKey(seed), pathOf(chain.replaceAll("<sub>H</sub>", "h")));
      chains++;
    }
    if (kind === "pub") {
      assert.equal(encodeExtendedPublic(neuter(key!), main), text);
      assert.deepEqual(decodeExtendedPublic(text!, main), neuter(key!));
    }
    if (kind === "prv") {
      assert.equal(encodeExtendedPrivate(key!, main), text);
      assert.deepEqual(decodeExtendedPrivate(text!, main), key);
    }
    if (bad !== undefined) {
      assert.equal(decodeExtendedPublic(bad, main), undefined, line);
      assert.equal(decodeExtendedPrivate(bad, main), undefined, line);
      invalid++;
    }
  }
  t.diagnostic(`${chains} chains, ${invalid} invalid keys`);
  assert.deepEqual([chains, invalid], [17, 16]);
});

/** The blocks `name = value` after each comment of a vector file. */
function sections(path: string): Map<string, Map<string, string>> {
  const found = new Map<string, Map<string, string>>();
  let current = new Map<string, string>();
  for (const line of readFileSync(path, "utf8").split("\n")) {
    const [, title] = /^\s*\/\/ (.*)$/.exec(line) ?? [];
    const [, name, value] = /^\s*(\w+)\s*= (.*)$/.exec(line) ?? [];
    if (title !== undefined) {
      current = new Map();
      found.set(title, current);
    }
    if (name !== undefined) current.set(name, value!);
  }
  return found;
}

/** The account of the mnemonic "abandon … about", whose master key BIP86 gives. */
function abandonKey(): ExtendedPrivateKey {
  const text =
    "xprv9s21ZrQH143K3GJpoapnV8SFfukcVBSfeCficPSGfubmSFDxo1kuHnLisriDvSnRRuL2Qrg5ggqHKNVpxR86QEC8w35uxmGoggxtQTPvfUu";
  return decodeExtendedPrivate(text, main)!;
}

const PLACES: readonly [string, number[]][] = [
  ["first receiving", [0, 0]],
  ["second receiving", [0, 1]],
  ["first change", [1, 0]],
];

test("BIP84: keys and addresses of the first account", { skip: bip84 === undefined && NO_SHARED }, (t) => {
  const account = derive(abandonKey(), pathOf("m/84h/0h/0h"));
  for (const [title, fields] of sections(bip84!)) {
    const place = PLACES.find(([name]) => title.includes(name));
    if (place === undefined) continue;
    const { secretKey } = derive(account, place[1]);
    const { publicKey } = neuter(derive(account, place[1]));
    assert.equal(encodeWif({ secret: secretKey, compressed: true }, main), fields.get("privkey"));
    assert.equal(toHex(publicKey), fields.get("pubkey"));
    t.diagnostic(title);
  }
});

test("BIP86: keys, scripts and addresses of the first account", {
  skip: bip86 === undefined && NO_SHARED,
}, (t) => {
  const root = abandonKey();
  const account = derive(root, pathOf("m/86'/0'/0'"));
  let count = 0;
  for (const [title, fields] of sections(bip86!)) {
    const steps = PLACES.find(([name]) => title.includes(name))?.[1] ?? [];
    const key = derive(account, steps);
    assert.equal(encodeExtendedPrivate(key, main), fields.get("xprv"));
    assert.equal(encodeExtendedPublic(neuter(key), main), fields.get("xpub"));
    const publicly = steps.reduce((parent, step) => derivePublic(parent, step)!, neuter(account));
    assert.deepEqual(publicly, neuter(key));
    count++;
    if (steps.length === 0) continue;
    const output = taprootOutput(neuter(key).publicKey.slice(1))!;
    assert.equal(toHex(output.internalKey), fields.get("internal_key"));
    assert.equal(toHex(output.outputKey), fields.get("output_key"));
    assert.equal(toHex(output.script), fields.get("scriptPubKey"));
    assert.equal(encodeAddress(payToWitness(1, output.outputKey), main), fields.get("address"));
  }
  t.diagnostic(`${count} keys`);
  assert.equal(count, 4);
});

test("a hardened step needs the private key, and no key lies deeper than 255", () => {
  const root = abandonKey();
  assert.equal(derivePublic(neuter(root), HARDENED), undefined);
  assert.notEqual(derivePrivate({ ...root, depth: 254 }, 0), undefined);
  assert.equal(derivePrivate({ ...root, depth: 255 }, 0), undefined);
  assert.equal(derivePublic({ ...neuter(root), depth: 255 }, 0), undefined);
});

test("a key of another network is refused", () => {
  const text = encodeExtendedPublic(neuter(abandonKey()), main);
  assert.equal(decodeExtendedPublic(text, testnet4), undefined);
  assert.equal(decodeExtendedPrivate(text, main), undefined);
});
