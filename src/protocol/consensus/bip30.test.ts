import assert from "node:assert/strict";
import { test } from "node:test";
import { fromHexReversed } from "#base/lib/bytes.ts";
import { main, regtest } from "#protocol/bitcoin/networks.ts";
import { firstHeader } from "../../../test/support/test-header.ts";
import { enforcesBip30, isBip30Repeat, isBip30Unspendable } from "./bip30.ts";

const hashOf = (text: string) => fromHexReversed(text)!;
const OTHER: Uint8Array = new Uint8Array(32).fill(9);
const BIP34 = hashOf(main.consensus.bip34Hash);

test("the two blocks that overwrote a coinbase may do so", () => {
  for (const [height, text] of Object.entries(main.consensus.bip30Exceptions)) {
    const prev = firstHeader({}, Number(height) - 1);
    assert.equal(enforcesBip30(main, hashOf(text), prev), false);
    assert.equal(enforcesBip30(main, OTHER, prev), true, "another block of that height");
    assert.equal(enforcesBip30(main, hashOf(text), firstHeader({}, Number(height))), true, "another height");
    assert.ok(isBip30Repeat(main, hashOf(text), Number(height)));
  }
  assert.equal(Object.keys(main.consensus.bip30Exceptions).length, 2);
});

test("BIP34 makes the look-up superfluous when its block is the one that we know", () => {
  const known = firstHeader({ hash: BIP34 }, 227_931);
  assert.equal(enforcesBip30(main, OTHER, firstHeader({}, 227_930)), true, "its own block is still checked");
  assert.equal(enforcesBip30(main, OTHER, known), false);
  assert.equal(enforcesBip30(main, OTHER, known.extend(5)), false);
  assert.equal(enforcesBip30(main, OTHER, firstHeader({}, 227_931).extend(5)), true, "on another chain");
});

test("from 1,983,702 on the look-up is back", () => {
  const step = (height: number) => {
    const known = firstHeader({ hash: BIP34 }, 227_931);
    // A header high above whose chain holds the known block.
    const high = firstHeader({}, height);
    high.ancestor = (at) => (at === 227_931 ? known : null);
    return high;
  };
  assert.equal(enforcesBip30(main, OTHER, step(1_983_700)), false);
  assert.equal(enforcesBip30(main, OTHER, step(1_983_701)), true);
  assert.equal(enforcesBip30(main, OTHER, step(2_500_000)), true);
});

test("a network that names no BIP34 block is always checked", () => {
  assert.equal(enforcesBip30(regtest(), OTHER, firstHeader().extend(500)), true);
});

test("the two overwritten coinbases", () => {
  const first = hashOf("00000000000271a2dc26e7667f8419f2e15416dc6955e5a6c6cdf3f2574dd08e");
  assert.equal(isBip30Unspendable(first, 91_722), true);
  assert.equal(isBip30Unspendable(first, 91_812), false);
  assert.equal(isBip30Unspendable(OTHER, 91_722), false);
});
