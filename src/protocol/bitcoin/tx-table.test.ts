import assert from "node:assert/strict";
import { test } from "node:test";
import { concatBytes, hex, toHex } from "#base/lib/bytes.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import { encodeTransaction, type Transaction } from "./transaction.ts";
import { parseTx, parseTxs, readCompactSize } from "./tx-table.ts";

function input(fill: number, witness: Uint8Array[] = []): Transaction["inputs"][number] {
  return {
    txid: new Uint8Array(32).fill(fill),
    index: fill,
    script: hex("0151"),
    sequence: fill + 1,
    witness,
  };
}

const PLAIN: Transaction = {
  version: 2,
  inputs: [input(1), input(2)],
  outputs: [{ value: 1000, script: hex("51") }],
  lockTime: 17,
};
const WITH_WITNESS: Transaction = {
  version: 1,
  inputs: [input(3, [hex("aa"), hex("")]), input(4)],
  outputs: [
    { value: 1, script: hex("") },
    { value: 2, script: hex("52") },
  ],
  lockTime: 0xffff_ffff,
};

test("fields of several transactions over one buffer", () => {
  const parts = [PLAIN, WITH_WITNESS, PLAIN].map((tx) => encodeTransaction(tx));
  const bytes = concatBytes(hex("ffff"), ...parts, hex("00"));
  const { table, end } = parseTxs(bytes, 2, 3);
  assert.equal(end, bytes.length - 1);
  assert.deepEqual([table.txCount, table.inputTotal, table.outputTotal], [3, 6, 4]);
  assert.deepEqual(
    [0, 1, 2].map((tx) => table.firstInput(tx)),
    [0, 2, 4],
  );
  assert.deepEqual(
    [0, 1, 2].map((tx) => table.firstOutput(tx)),
    [0, 1, 3],
  );
  assert.deepEqual(
    [0, 1, 2].map((tx) => toHex(table.raw(tx))),
    parts.map(toHex),
  );
  assert.deepEqual(
    [0, 1].map((tx) => table.version(tx)),
    [2, 1],
  );
  assert.deepEqual(
    [0, 1].map((tx) => table.lockTime(tx)),
    [17, 0xffff_ffff],
  );
  assert.deepEqual(
    [0, 1].map((tx) => table.hasWitness(tx)),
    [false, true],
  );
  assert.equal(toHex(table.prevTxid(3)), "04".repeat(32));
  assert.equal(table.prevIndex(3), 4);
  assert.equal(table.sequence(3), 5);
  assert.equal(toHex(table.inputScript(3)), "0151");
  assert.equal(table.value(2), 2);
  assert.equal(toHex(table.outputScript(2)), "52");
  assert.deepEqual(table.witness(2).map(toHex), ["aa", ""]);
  assert.deepEqual(table.witness(3), []);
  assert.deepEqual(table.witness(0), []);
});

test("sizes and weight with and without a witness", () => {
  for (const tx of [PLAIN, WITH_WITNESS]) {
    const whole = encodeTransaction(tx);
    const stripped = encodeTransaction(tx, { witness: false });
    const table = parseTx(whole);
    assert.equal(table.size(0), whole.length);
    assert.equal(table.strippedSize(0), stripped.length);
    assert.equal(table.weight(0), 3 * stripped.length + whole.length);
    const start = table.bytes.subarray(table.start(0), table.start(0) + 4);
    const body = table.bytes.subarray(table.body(0), table.bodyEnd(0));
    assert.deepEqual(concatBytes(start, body, table.bytes.subarray(table.end(0) - 4)), stripped);
  }
});

test("a coinbase is one input that spends nothing", () => {
  const none = { ...input(0), index: 0xffff_ffff };
  const isCoinbase = (inputs: Transaction["inputs"]): boolean =>
    parseTx(encodeTransaction({ ...PLAIN, inputs })).isCoinbase(0);
  assert.equal(isCoinbase([none]), true);
  assert.equal(isCoinbase([none, none]), false);
  assert.equal(isCoinbase([{ ...none, index: 0xffff_fffe }]), false);
  assert.equal(isCoinbase([{ ...none, txid: new Uint8Array(32).fill(0, 0, 31).fill(1, 31) }]), false);
});

test("values are signed", () => {
  const outputs = [-1, 2 ** 53 - 1, 0].map((value) => ({ value, script: hex("") }));
  const table = parseTx(encodeTransaction({ ...PLAIN, outputs }));
  assert.deepEqual(
    [0, 1, 2].map((i) => table.value(i)),
    [-1, 2 ** 53 - 1, 0],
  );
});

test("every truncation and a byte too many are refused", () => {
  for (const tx of [PLAIN, WITH_WITNESS]) {
    const bytes = encodeTransaction(tx);
    for (let length = 0; length < bytes.length; length++) {
      assert.throws(() => parseTx(bytes.subarray(0, length)), DecodeError, String(length));
    }
    assert.throws(() => parseTx(concatBytes(bytes, hex("00"))), {
      message: "TX decode failed: bytes left over",
    });
  }
});

const OUTPOINT_AND_REST = `${"00".repeat(36)}00ffffffff`;

test("serialisations that BIP144 forbids", () => {
  const witnessless = `020000000001 01${OUTPOINT_AND_REST} 00 00 00000000`.replaceAll(" ", "");
  assert.throws(() => parseTx(hex(witnessless)), { message: "Superfluous witness record" });
  const flagged = `020000000002 01${OUTPOINT_AND_REST} 00 00000000`.replaceAll(" ", "");
  assert.throws(() => parseTx(hex(flagged)), { message: "Unknown transaction optional data" });
  const both = `020000000003 01${OUTPOINT_AND_REST} 00 01 0151 00000000`.replaceAll(" ", "");
  assert.throws(() => parseTx(hex(both)), { message: "Unknown transaction optional data" });
});

test("an empty input list followed by a zero is a transaction of nothing", () => {
  const table = parseTx(hex("01000000" + "0000" + "07000000"));
  assert.deepEqual([table.inputCount(0), table.outputCount(0), table.lockTime(0)], [0, 0, 7]);
  assert.equal(table.hasWitness(0), false);
  assert.equal(table.strippedSize(0), 10);
});

test("a count that the bytes cannot hold costs nothing", () => {
  assert.throws(() => parseTxs(new Uint8Array(1000), 0, 33_000_000), { message: "end of data" });
  // 2^25 inputs announced.
  assert.throws(() => parseTx(hex("01000000fe00000002")), { message: "end of data" });
  assert.throws(() => parseTx(hex("01000000fe01000002")), {
    message: "ReadCompactSize(): size too large",
  });
});

test("compact sizes: each width, shortest form alone", () => {
  const read = (text: string): number => {
    const cursor = { at: 1 };
    const value = readCompactSize(hex(`ff${text}`), cursor);
    assert.equal(cursor.at, 1 + text.length / 2);
    return value;
  };
  assert.equal(read("00"), 0);
  assert.equal(read("fc"), 0xfc);
  assert.equal(read("fdfd00"), 0xfd);
  assert.equal(read("fdffff"), 0xffff);
  assert.equal(read("fe00000100"), 0x1_0000);
  assert.equal(read("fe00000002"), 0x0200_0000);
  for (const text of ["fdfc00", "feffff0000", "ffffffffff00000000"]) {
    assert.throws(() => read(text), { message: "non-canonical ReadCompactSize()" }, text);
  }
  for (const text of ["fe01000002", "ff0000000001000000", "ffffffffffffffffff"]) {
    assert.throws(() => read(text), { message: "ReadCompactSize(): size too large" }, text);
  }
  for (const text of ["", "fd00", "fe000000", "ff00000000000000"]) {
    assert.throws(() => read(text), { message: "end of data" }, text);
  }
});

test("the tables grow beyond the first guess", () => {
  const many = Array.from({ length: 3_000 }, () => encodeTransaction({ ...PLAIN, inputs: [], outputs: [] }));
  const { table } = parseTxs(concatBytes(...many), 0, many.length);
  assert.equal(table.txCount, 3_000);
  assert.equal(table.end(2_999), 30_000);
});
