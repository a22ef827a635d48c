import assert from "node:assert/strict";
import { test } from "node:test";
import { noShapes, SHAPES, shapeDifferences } from "./rpc-shapes.ts";

const OPTIONS = { skip: noShapes };

const ENTRY = {
  vsize: 1,
  weight: 1,
  time: 1,
  height: 1,
  descendantcount: 1,
  descendantsize: 1,
  ancestorcount: 1,
  ancestorsize: 1,
  chunkweight: 1,
  wtxid: "",
  fees: { base: 1, modified: 1, ancestor: 1, descendant: 1, chunk: 1 },
  depends: [],
  spentby: ["a"],
  unbroadcast: true,
};

test("the shapes are Core's 173 methods", OPTIONS, () => {
  assert.equal(Object.keys(SHAPES).length, 173);
});

test("a result of the right form passes, one with free keys too", OPTIONS, () => {
  assert.deepEqual(shapeDifferences("getmempoolentry", ENTRY), []);
  assert.deepEqual(shapeDifferences("getrawmempool", { ff: ENTRY, ee: ENTRY }), []);
  assert.deepEqual(shapeDifferences("getrawmempool", ["ff"]), []);
  assert.deepEqual(shapeDifferences("getrawmempool", { txids: [], mempool_sequence: 1 }), []);
  assert.deepEqual(shapeDifferences("logging", { net: true, anything: false }), []);
});

test("what is missing, unknown, or of another type is found, however deep", OPTIONS, () => {
  const { vsize: _, ...without } = ENTRY;
  assert.deepEqual(shapeDifferences("getmempoolentry", without), [".vsize is missing"]);
  assert.deepEqual(shapeDifferences("getmempoolentry", { ...ENTRY, extra: 1 }), [
    ".extra is not in Core's result",
  ]);
  assert.deepEqual(shapeDifferences("getmempoolentry", { ...ENTRY, fees: { ...ENTRY.fees, base: "1" } }), [
    ".fees.base is string, not numeric",
  ]);
  assert.deepEqual(shapeDifferences("getmempoolentry", { ...ENTRY, spentby: [1] }), [
    ".spentby[] is numeric, not string",
  ]);
  assert.deepEqual(shapeDifferences("getrawmempool", { ff: without }, 1), [".ff.vsize is missing"]);
  assert.deepEqual(shapeDifferences("logging", { net: 1 }), [".net is numeric, not boolean"]);
  assert.deepEqual(shapeDifferences("ping", 0), ["result is numeric, not null"]);
});

test("references to other results are followed", OPTIONS, () => {
  const scriptPubKey = { asm: "", desc: "", hex: "", type: "" };
  const tx = {
    txid: "",
    hash: "",
    version: 1,
    size: 1,
    vsize: 1,
    weight: 1,
    locktime: 0,
    vin: [{ txid: "", vout: 0, scriptSig: { asm: "", hex: "" }, sequence: 0 }],
    vout: [{ value: 1, n: 0, scriptPubKey }],
    hex: "",
  };
  const prevout = { generated: true, height: 1, value: 1, scriptPubKey };
  const withPrevout = { ...tx, fee: 1, vin: [{ ...tx.vin[0], prevout }] };
  assert.deepEqual(shapeDifferences("getrawtransaction", tx, 1), []);
  assert.deepEqual(shapeDifferences("getrawtransaction", withPrevout, 2), []);
  assert.deepEqual(shapeDifferences("getrawtransaction", withPrevout, 1).sort(), [
    ".fee is not in Core's result",
    ".vin[].prevout is not in Core's result",
  ]);
  const block = {
    hash: "",
    confirmations: 1,
    size: 1,
    strippedsize: 1,
    weight: 1,
    coinbase_tx: { version: 1, locktime: 0, sequence: 0, coinbase: "" },
    height: 1,
    version: 1,
    versionHex: "",
    merkleroot: "",
    time: 1,
    mediantime: 1,
    nonce: 1,
    bits: "",
    target: "",
    difficulty: 1,
    chainwork: "",
    nTx: 1,
  };
  assert.deepEqual(shapeDifferences("getblock", { ...block, tx: [""] }, 1), []);
  assert.deepEqual(shapeDifferences("getblock", { ...block, tx: [tx] }, 2), []);
  assert.deepEqual(shapeDifferences("getblock", { ...block, tx: [withPrevout] }, 3), []);
  assert.deepEqual(shapeDifferences("getblock", { ...block, tx: [withPrevout] }, 2), [
    ".tx[].vin[].prevout is not in Core's result",
  ]);
  assert.deepEqual(
    shapeDifferences("getblock", { ...block, tx: [{ ...tx, vout: [{ n: 0, scriptPubKey }] }] }, 3),
    [".tx[].vout[].value is missing"],
  );
});
