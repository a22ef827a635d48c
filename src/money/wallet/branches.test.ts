import assert from "node:assert/strict";
import { test } from "node:test";
import { toHex } from "#base/lib/bytes.ts";
import { decodeExtendedPrivate } from "#protocol/bitcoin/bip32.ts";
import { main } from "#protocol/bitcoin/networks.ts";
import { BRANCH, bip85Entropy, deriveBranch } from "./branches.ts";
import { seedOfWords } from "./words.ts";

/** BIP85's master key of all its test vectors. */
const MASTER =
  "xprv9s21ZrQH143K2LBWUUQRFXhucrQqBpKdRRxNVq2zBqsx8HVqFk2uYo8kmbaLLHRdqtQpUm98uKfu3vca1LqdGhUtyoFnCNkfmXRyPXLjbKb";

test("BIP85: entropy of its test cases", () => {
  const master = decodeExtendedPrivate(MASTER, main)!;
  assert.equal(
    toHex(bip85Entropy(master, [83_696_968, 0, 0])),
    "efecfbccffea313214232d29e71563d941229afb4338c21f9517c41aaa0d16f00b83d2a09ef747e7a64e8e2bd5a14869e693da66ce94ac2da570ab7ee48618f7",
  );
  assert.equal(
    toHex(bip85Entropy(master, [83_696_968, 0, 1])),
    "70c6e3e8ebee8dc4c0dbba66076819bb8c09672527c4277ca8729532ad711872218f826919f6b67218adde99018a6df9095ab2b58d803b5b93ec9802085a690e",
  );
});

test("the branches of a seed are those that were published", async () => {
  const seed = await seedOfWords(`${"abandon ".repeat(23)}art`);
  const branches = Object.entries(BRANCH).map(([name, purpose]) => [
    name,
    toHex(deriveBranch(seed, purpose, 0)),
  ]);
  assert.deepEqual(branches, [
    ["identity", "c3cc1a70a8a4ee5bf77be1b87d014f132b2beb7dbf6582cd37f3575dec1df9ef"],
    ["channels", "78412a69e5f3336f1ad84af4c813ead02adbe844ea0dfdecded78b949c53823b"],
    ["files", "8699a44a3bf258d2fe63eb86353fc37e5fb74322f0e343c0730ff08e8080d303"],
    ["swaps", "874593d60e19aa7498c8ded2d46c1328e7742f440b1df8c31e755492772da503"],
  ]);
  assert.notDeepEqual(deriveBranch(seed, BRANCH.files, 0), deriveBranch(seed, BRANCH.files, 1));
  assert.throws(() => deriveBranch(seed, BRANCH.files, 2 ** 31), /no such branch/);
});
