import assert from "node:assert/strict";
import { test } from "node:test";
import { toHexReversed } from "#base/lib/bytes.ts";
import type { Txid, Wtxid } from "#protocol/bitcoin/hashes.ts";
import { OP_0, OP_1 } from "#protocol/bitcoin/opcodes.ts";
import { buildScript } from "#protocol/bitcoin/script.ts";
import { SEQUENCE_FINAL, tableOf } from "#protocol/bitcoin/transaction.ts";
import { rejectionText } from "#protocol/consensus/rejection.ts";
import { checkEphemeralFee, checkEphemeralSpends } from "./ephemeral.ts";
import { feeRatePerKvb } from "./fee-rate.ts";
import { whyMalformed } from "./packages.ts";
import { whyNoImprovement, whyNotPaid, whyTooManyClusters } from "./rbf.ts";
import { checkPackageTruc, checkTruc, type TrucParent, type TrucTransaction } from "./truc.ts";

const SCRIPT = buildScript(OP_0, new Uint8Array(20));
const ANCHOR = buildScript(OP_1, Uint8Array.of(0x4e, 0x73));
const DUST_RATE = feeRatePerKvb(3000);

/** A transaction under a name: txid and wtxid are that byte, thirty-two times over. */
function named(
  name: number,
  parents: readonly (number | [number, number])[],
  { version = 3, vsize = 200, values = [10_000, 10_000], data = 0 } = {},
): TrucTransaction {
  const table = tableOf({
    version,
    lockTime: 0,
    inputs: parents.map((parent) => ({
      txid: new Uint8Array(32).fill(typeof parent === "number" ? parent : parent[0]),
      index: typeof parent === "number" ? 0 : parent[1],
      script: new Uint8Array(data),
      sequence: SEQUENCE_FINAL,
      witness: [],
    })),
    outputs: values.map((value) => ({ value, script: value < 1000 ? ANCHOR : SCRIPT })),
  });
  const txid = new Uint8Array(32).fill(name) as Txid;
  return { table, txid, wtxid: new Uint8Array(32).fill(name + 100) as Wtxid, vsize };
}

const text = (name: number) =>
  `tx ${toHexReversed(new Uint8Array(32).fill(name))} (wtxid=${toHexReversed(new Uint8Array(32).fill(name + 100))})`;

function parent(name: number, more: Partial<TrucParent> = {}): TrucParent {
  const { txid, wtxid } = named(name, []);
  return { version: 3, txid, wtxid, ancestorCount: 1, descendants: [], ...more };
}

const never = () => false;

test("TRUC: versions do not mix", () => {
  assert.equal(
    checkTruc(named(1, [2], { version: 2 }), [parent(2)], never)?.debug,
    `non-version=3 ${text(1)} cannot spend from version=3 ${text(2)}`,
  );
  assert.equal(
    checkTruc(named(1, [2]), [parent(2, { version: 2 })], never)?.debug,
    `version=3 ${text(1)} cannot spend from non-version=3 ${text(2)}`,
  );
  assert.equal(checkTruc(named(1, [2], { version: 2 }), [parent(2, { version: 2 })], never), undefined);
});

test("TRUC: sizes", () => {
  assert.equal(checkTruc(named(1, [9], { vsize: 10_000 }), [], never), undefined);
  assert.equal(
    checkTruc(named(1, [9], { vsize: 10_001 }), [], never)?.debug,
    `version=3 ${text(1)} is too big: 10001 > 10000 virtual bytes`,
  );
  assert.equal(checkTruc(named(1, [2], { vsize: 1000 }), [parent(2)], never), undefined);
  assert.equal(
    checkTruc(named(1, [2], { vsize: 1001 }), [parent(2)], never)?.debug,
    `version=3 child ${text(1)} is too big: 1001 > 1000 virtual bytes`,
  );
  assert.equal(checkTruc(named(1, [2], { version: 2, vsize: 50_000 }), [], never), undefined);
});

test("TRUC: one parent without parents", () => {
  const tooMany = `${text(1)} would have too many ancestors`;
  assert.equal(checkTruc(named(1, [2, 3]), [parent(2), parent(3)], never)?.debug, tooMany);
  assert.equal(checkTruc(named(1, [2]), [parent(2, { ancestorCount: 2 })], never)?.debug, tooMany);
});

test("TRUC: one child, whose place the new one may take", () => {
  const child = { txid: named(5, []).txid, ancestorCount: 2 };
  const crowded = checkTruc(named(1, [2]), [parent(2, { descendants: [child] })], never)!;
  assert.equal(crowded.debug, `${text(2)} would exceed descendant count limit`);
  assert.deepEqual(crowded.sibling, child.txid);
  const replacing = checkTruc(
    named(1, [2]),
    [parent(2, { descendants: [child] })],
    (txid) => txid === child.txid,
  );
  assert.equal(replacing, undefined);
  // Two children, or a child with a further parent, come from a reorganisation: none is chosen.
  const two = [child, { txid: named(6, []).txid, ancestorCount: 2 }];
  assert.equal(checkTruc(named(1, [2]), [parent(2, { descendants: two })], never)?.sibling, undefined);
  const odd = [{ ...child, ancestorCount: 3 }];
  assert.equal(checkTruc(named(1, [2]), [parent(2, { descendants: odd })], never)?.sibling, undefined);
});

test("TRUC in a package", () => {
  const check = (i: number, group: TrucTransaction[], parents: TrucParent[] = []) =>
    checkPackageTruc(group[i]!, group, parents);
  const pair = [named(1, [50]), named(2, [1])];
  assert.equal(check(0, pair), undefined);
  assert.equal(check(1, pair), undefined);
  assert.equal(
    check(1, [named(1, [50]), named(2, [1], { version: 2 })]),
    `non-version=3 ${text(2)} cannot spend from version=3 ${text(1)}`,
  );
  assert.equal(
    check(1, [named(1, [50], { version: 2 }), named(2, [1])]),
    `version=3 ${text(2)} cannot spend from non-version=3 ${text(1)}`,
  );
  assert.equal(
    check(0, [named(2, [60], { version: 2 })], [parent(60)]),
    `non-version=3 ${text(2)} cannot spend from version=3 ${text(60)}`,
  );
  assert.equal(
    check(1, [named(1, [50]), named(2, [1], { vsize: 1001 })]),
    `version=3 child ${text(2)} is too big: 1001 > 1000 virtual bytes`,
  );
  // Two parents; a parent with a parent; a grandchild; a second child.
  assert.equal(
    check(2, [named(1, [50]), named(2, [51]), named(3, [1, 2])]),
    `${text(3)} would have too many ancestors`,
  );
  assert.equal(
    check(0, [named(2, [60])], [parent(60, { ancestorCount: 2 })]),
    `${text(2)} would have too many ancestors`,
  );
  assert.equal(
    check(1, [named(1, [50]), named(2, [1]), named(3, [2])]),
    `${text(3)} would have too many ancestors`,
  );
  assert.equal(
    check(1, [named(1, [50]), named(2, [1]), named(3, [[1, 1]])]),
    `${text(1)} would exceed descendant count limit`,
  );
  const sibling = { txid: named(7, []).txid, ancestorCount: 2 };
  assert.equal(
    check(0, [named(2, [60])], [parent(60, { descendants: [sibling] })]),
    `${text(60)} would exceed descendant count limit`,
  );
});

test("ephemeral dust: only without a fee, and only when it is spent", () => {
  const dusty = named(1, [50], { values: [10_000, 0] });
  assert.equal(checkEphemeralFee(dusty.table, DUST_RATE, 0, 0), undefined);
  for (const [fee, modified] of [
    [1, 1],
    [0, 1],
    [1, 0],
  ] as const) {
    const rejection = checkEphemeralFee(dusty.table, DUST_RATE, fee, modified)!;
    assert.equal(rejectionText(rejection), "dust, tx with dust output must be 0-fee");
  }
  const clean = named(2, [50]);
  assert.equal(checkEphemeralFee(clean.table, DUST_RATE, 100, 100), undefined);

  const parents = (txid: Uint8Array) =>
    txid[0] === 1 ? dusty.table : txid[0] === 2 ? clean.table : undefined;
  const check = (tx: TrucTransaction) => checkEphemeralSpends(tx, parents, DUST_RATE);
  assert.equal(
    check(
      named(3, [
        [1, 1],
        [2, 0],
      ]),
    ),
    undefined,
  );
  assert.equal(
    check(
      named(3, [
        [1, 0],
        [1, 1],
      ]),
    ),
    undefined,
  );
  assert.equal(check(named(3, [2, 9])), undefined);
  assert.equal(
    rejectionText(check(named(3, [[1, 0]]))!),
    `missing-ephemeral-spends, ${text(3)} did not spend parent's ephemeral dust`,
  );
  // The dust of another transaction at the same place is not it.
  assert.ok(
    check(
      named(3, [
        [1, 0],
        [2, 1],
      ]),
    ),
  );
});

test("replacement: the words of each rule", () => {
  const { txid } = named(1, []);
  const rejecting = `rejecting replacement ${toHexReversed(txid)}`;
  assert.equal(whyTooManyClusters(txid, 100), undefined);
  assert.equal(whyTooManyClusters(txid, 101), `${rejecting}; too many conflicting clusters (101 > 100)`);
  const rate = feeRatePerKvb(100);
  assert.equal(whyNotPaid(txid, 1000, 1020, 200, rate), undefined);
  assert.equal(
    whyNotPaid(txid, 1000, 999, 200, rate),
    `${rejecting}, less fees than conflicting txs; 0.00000999 < 0.00001`,
  );
  assert.equal(
    whyNotPaid(txid, 1000, 1019, 200, rate),
    `${rejecting}, not enough additional fees to relay; 0.00000019 < 0.0000002`,
  );
  assert.equal(whyNoImprovement([{ fee: 1, size: 1 }], [{ fee: 2, size: 1 }]), undefined);
  const worse = "insufficient feerate: does not improve feerate diagram";
  assert.equal(whyNoImprovement([{ fee: 1, size: 1 }], [{ fee: 1, size: 1 }]), worse);
  assert.equal(whyNoImprovement([{ fee: 5, size: 1 }], [{ fee: 8, size: 2 }]), worse);
});

test("packages: the words for malformed ones", () => {
  const chain = Array.from({ length: 26 }, (_, i) => named(i + 1, [i]));
  assert.equal(whyMalformed(chain.slice(0, 25)), undefined);
  assert.equal(whyMalformed(chain), "package-too-many-transactions");
  const heavy = [named(1, [50], { data: 50_000 }), named(2, [51], { data: 51_000 })];
  assert.equal(whyMalformed(heavy), "package-too-large");
  assert.equal(whyMalformed([named(1, [50], { data: 102_000 })]), undefined, "alone it is told otherwise");
  assert.equal(whyMalformed([named(1, [50]), named(1, [51])]), "package-contains-duplicates");
  assert.equal(whyMalformed([named(2, [1]), named(1, [50])]), "package-not-sorted");
  assert.equal(whyMalformed([named(1, [50]), named(2, [50])]), "conflict-in-package");
  assert.equal(whyMalformed([named(1, [50]), named(2, [[50, 1]])]), undefined);
  assert.equal(whyMalformed([named(1, [50, 50])]), undefined, "within one it is consensus that refuses");
});
