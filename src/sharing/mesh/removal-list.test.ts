import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "#base/lib/random.ts";
import { type Signed, signStatement } from "./certificates.ts";
import { accountIdOf, type SigningKey, signingKeyFrom } from "./identity.ts";
import { isCovered, isNewer, MAX_REMOVED, openRemovals, signRemovals, unionOf } from "./removal-list.ts";

const random = new SeededRandom(11);
const bytes = (length: number): Uint8Array => random.fill(new Uint8Array(length));
const founder = signingKeyFrom(bytes(32));
const nonce = bytes(16);
const accounts = (count: number): Map<string, number> =>
  new Map(Array.from({ length: count }, (_, i) => [accountIdOf(bytes(32)), i]));

function signed(changes: object, key: SigningKey = founder): Signed {
  const removed = [{ member: new Uint8Array(32).fill(1), before: 5 }];
  return signStatement(key, "removals/1", {
    founder: founder.publicKey,
    nonce,
    version: 1,
    removed,
    ...changes,
  });
}

test("a list says what was signed, as long as it may be", () => {
  const removed = accounts(MAX_REMOVED);
  const list = openRemovals(signRemovals(founder, nonce, 7, removed).signed)!;
  assert.equal(list.version, 7);
  assert.deepEqual([...list.removed].sort(), [...removed].sort());
  assert.throws(() => signRemovals(founder, nonce, 7, accounts(MAX_REMOVED + 1)));
});

test("what no founder signed, or no founder may sign, is no list", () => {
  const [one, two] = [1, 2].map((byte) => ({ member: new Uint8Array(32).fill(byte), before: 5 }));
  assert.ok(openRemovals(signed({})));
  const stranger = signingKeyFrom(bytes(32));
  const wrong: Readonly<Record<string, Signed>> = {
    "signed by another": signed({}, stranger),
    "another's signature": { ...signed({}), signature: signed({ version: 2 }).signature },
    "version 0": signed({ version: 0 }),
    empty: signed({ removed: [] }),
    "out of order": signed({ removed: [two, one] }),
    "one twice": signed({ removed: [one, one] }),
    "the founder": signed({ removed: [{ member: founder.publicKey, before: 5 }] }),
    "a field too many": signed({ note: "" }),
    "too many": signed({
      removed: [...accounts(MAX_REMOVED + 1).keys()]
        .sort()
        .map((account) => ({ member: Uint8Array.from(Buffer.from(account, "hex")), before: 1 })),
    }),
    "too long": signed({ note: new Uint8Array(40_000) }),
  };
  for (const [name, list] of Object.entries(wrong)) assert.equal(openRemovals(list), undefined, name);
});

test("of two lists the greater version is newer, and of equal versions the greater digest", () => {
  const list = (version: number, digest: number) => ({ version, digest: new Uint8Array(32).fill(digest) });
  assert.equal(isNewer(list(1, 1), undefined), true);
  assert.equal(isNewer(list(2, 1), list(1, 9)), true);
  assert.equal(isNewer(list(1, 9), list(2, 1)), false);
  assert.equal(isNewer(list(2, 2), list(2, 1)), true);
  assert.equal(isNewer(list(2, 1), list(2, 1)), false);
});

test("a union holds each entry with its later time", () => {
  const [a, b] = [
    new Map([
      ["x", 3],
      ["y", 1],
    ]),
    new Map([
      ["x", 2],
      ["z", 4],
    ]),
  ];
  const union = unionOf(a, b);
  assert.deepEqual(
    [...union],
    [
      ["x", 3],
      ["y", 1],
      ["z", 4],
    ],
  );
  assert.ok(isCovered(a, union) && isCovered(b, union) && !isCovered(union, a));
});
