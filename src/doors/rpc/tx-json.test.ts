import assert from "node:assert/strict";
import { test } from "node:test";
import { hex } from "#base/lib/bytes.ts";
import { formatNumber, stringify } from "#base/lib/json.ts";
import { main, regtest } from "#protocol/bitcoin/networks.ts";
import { prevoutsOf } from "#protocol/bitcoin/prevouts.ts";
import { parseTx } from "#protocol/bitcoin/tx-table.ts";
import { hashTxs, txidAt, wtxidAt } from "#protocol/bitcoin/txid.ts";
import { difficultyOf, hex32, hex256 } from "./block-json.ts";
import { type TxJsonOptions, txJson } from "./tx-json.ts";

// The coinbase of main's genesis block, and BIP143's signed native P2WPKH example.
const GENESIS =
  "01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff4d04ffff001d0104455468652054696d65732030332f4a616e2f32303039204368616e63656c6c6f72206f6e206272696e6b206f66207365636f6e64206261696c6f757420666f722062616e6b73ffffffff0100f2052a01000000434104678afdb0fe5548271967f1a67130b7105cd6a828e03909a67962e0ea1f61deb649f6bc3f4cef38c4f35504e51ec112de5c384df7ba0b8d578a4c702b6bf11d5fac00000000";
const BIP143 =
  "01000000000102fff7f7881a8099afa6940d42d1e7f6362bec38171ea3edf433541db4e4ad969f00000000494830450221008b9d1dc26ba6a9cb62127b02742fa9d754cd3bebf337f7a55d114c8e5cdd30be022040529b194ba3f9281a99f2b1c0a19c0489bc22ede944ccf4ecbab4cc618ef3ed01eeffffffef51e1b804cc89d182d279655c3aa89e815b1b309fe287d9b2b55d57b90ec68a0100000000ffffffff02202cb206000000001976a9148280b37df378db99f66f85c95a783a76ac7a6d5988ac9093510d000000001976a9143bde42dbee7e4dbe6a21b2d50ce2f0167faa815988ac000247304402203609e17b84f6a7d30c80bfa610b5b4542f32a8a0d5447a12fb1366d7f01cc44a0220573a954c4518331561406f90300e8f3358f51928d43c212a8caed02de67eebee0121025476c2e83188368da1ff3e292e7acafcdb3566bb0ad253f62fc70f07aeee635711000000";

function show(text: string, more: Partial<TxJsonOptions> = {}) {
  const table = parseTx(hex(text));
  const hashes = hashTxs(table);
  const json = txJson(table, 0, {
    network: main,
    txid: txidAt(hashes, 0),
    wtxid: wtxidAt(hashes, 0),
    ...more,
  });
  return { json, plain: JSON.parse(stringify(json)) };
}

test("a coinbase, as Core prints it", () => {
  const { plain } = show(GENESIS);
  assert.deepEqual(Object.keys(plain), [
    "txid",
    "hash",
    "version",
    "size",
    "vsize",
    "weight",
    "locktime",
    "vin",
    "vout",
    "hex",
  ]);
  assert.equal(plain.txid, "4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b");
  assert.equal(plain.hash, plain.txid);
  assert.deepEqual([plain.size, plain.vsize, plain.weight], [204, 204, 816]);
  assert.deepEqual(plain.vin, [{ coinbase: GENESIS.slice(84, 238), sequence: 4_294_967_295 }]);
  assert.deepEqual(plain.vout[0], {
    value: 50,
    n: 0,
    scriptPubKey: {
      asm: `${GENESIS.slice(268, 398)} OP_CHECKSIG`,
      desc: `pk(${GENESIS.slice(268, 398)})#vlz6ztea`,
      hex: GENESIS.slice(266, 400),
      type: "pubkey",
    },
  });
  assert.equal(plain.hex, GENESIS);
});

test("witnesses, sizes and addresses of the network", () => {
  const { plain } = show(BIP143, { network: regtest(), withHex: false });
  assert.equal(plain.hex, undefined);
  assert.notEqual(plain.hash, plain.txid);
  assert.deepEqual([plain.size, plain.vsize, plain.weight, plain.locktime], [343, 261, 1042, 17]);
  assert.equal(plain.vin[0].txinwitness, undefined);
  assert.match(plain.vin[0].scriptSig.asm, /^3045022100.*\[ALL\]$/);
  assert.deepEqual(plain.vin[1].scriptSig, { asm: "", hex: "" });
  assert.equal(plain.vin[1].txinwitness.length, 2);
  assert.equal(plain.vout[0].scriptPubKey.type, "pubkeyhash");
  assert.match(plain.vout[0].scriptPubKey.address, /^m/);
});

test("amounts stand with eight decimals; what was spent adds fee and prevouts", () => {
  const spent = {
    prevouts: prevoutsOf([
      { amount: 625_000_000, script: hex("51") },
      { amount: 600_000_000, script: hex("00141d0f172a0ecb48aee1be1f2687d2963ae33f71a1") },
    ]),
    origin: (input: number) => ({ height: 7 + input, generated: input === 1 }),
  };
  const { json, plain } = show(BIP143, { spent, withPrevouts: true });
  assert.equal(plain.fee, 8.8921);
  assert.match(stringify(json), /"value":1\.12340000.*"fee":8\.89210000/);
  assert.deepEqual(
    plain.vin.map(({ prevout }: { prevout: Record<string, unknown> }) => [
      prevout["height"],
      prevout["generated"],
      prevout["value"],
    ]),
    [
      [7, false, 6.25],
      [8, true, 6],
    ],
  );
  assert.equal(show(BIP143, { spent }).plain.vin[0].prevout, undefined);
});

test("difficulty, targets and versions", () => {
  assert.equal(difficultyOf(0x1d00ffff), 1);
  assert.equal(difficultyOf(0x1b0404cb), 16_307.420938523983);
  assert.equal(formatNumber(difficultyOf(0x207fffff)), "4.656542373906925e-10");
  // Core's blockchain_tests.cpp.
  for (const [bits, difficulty] of [
    [0x1f111111, 0.000001],
    [0x1ef88f6f, 0.000016],
    [0x1df88f6f, 0.004023],
    [0x1cf88f6f, 1.029916],
    [0x12345678, 5.913134931067755e24],
  ] as const) {
    assert.ok(Math.abs(difficultyOf(bits) - difficulty) <= 0.00001 + difficulty * 1e-12);
  }
  assert.equal(hex32(-1), "ffffffff");
  assert.equal(hex32(0x2000_0000), "20000000");
  assert.equal(hex256(2n), `${"0".repeat(63)}2`);
});
