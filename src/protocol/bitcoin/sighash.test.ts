import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { signSchnorr, tweakSecret } from "#base/crypto/keys.ts";
import { verifier } from "#base/crypto/secp256k1.ts";
import { sha256d } from "#base/crypto/sha256.ts";
import { concatBytes, hex, toHex, toHexReversed } from "#base/lib/bytes.ts";
import { bitcoreVector, NO_SHARED, sharedVector } from "../../../test/vectors/vectors.ts";
import { OP_CODESEPARATOR } from "./opcodes.ts";
import { type Prevouts, prevoutsOf } from "./prevouts.ts";
import { legacySighash, SighashMidstates, taprootSighash } from "./sighash.ts";
import { tapTweak } from "./taproot.ts";
import { parseTx, type TxTable } from "./tx-table.ts";

type SighashRow = readonly [tx: string, script: string, input: number, hashType: number, hash: string];

function checkSighashRows(path: string): number {
  const rows = (JSON.parse(readFileSync(path, "utf8")) as SighashRow[]).filter((row) => row.length === 5);
  for (const [raw, script, input, hashType, hash] of rows) {
    const table = parseTx(hex(raw));
    const shared = new SighashMidstates(table, 0);
    for (const midstates of [undefined, shared, shared]) {
      const digest = legacySighash(table, 0, input, hex(script), hashType, midstates);
      assert.equal(toHexReversed(digest), hash, raw);
    }
  }
  return rows.length;
}

const sighashes = sharedVector("core/sighash.json");

test("every row of Core's sighash.json", { skip: sighashes === undefined ? NO_SHARED : false }, (context) => {
  const rows = checkSighashRows(sighashes!);
  context.diagnostic(`${rows} rows`);
  assert.equal(rows, 500);
});

test("every row of sighash.json in bitcore-lib", (context) => {
  const rows = checkSighashRows(bitcoreVector("sighash.json"));
  context.diagnostic(`${rows} rows`);
  assert.equal(rows, 500);
});

test("a script code that breaks off inside a push is written as far as it was read, its length whole", () => {
  const table = parseTx(
    hex(`01000000${"01"}${"00".repeat(36)}${"00"}${"ffffffff"}${"01"}${"00".repeat(8)}00${"00000000"}`),
  );
  const broken = Uint8Array.of(0x51, OP_CODESEPARATOR, 0x52, 0x05, 1, 2);
  const digest = legacySighash(table, 0, 0, broken, 1);
  // Five bytes announced; 51, 52 and the 05 are written.
  const message = concatBytes(
    hex(`01000000${"01"}${"00".repeat(36)}`),
    hex("05515205"),
    hex(`ffffffff${"01"}${"00".repeat(8)}00${"00000000"}${"01000000"}`),
  );
  assert.equal(toHex(digest), toHex(sha256d(message)));
});

interface WalletVectors {
  readonly keyPathSpending: readonly {
    readonly given: {
      readonly rawUnsignedTx: string;
      readonly utxosSpent: readonly { readonly scriptPubKey: string; readonly amountSats: number }[];
    };
    readonly intermediary: Readonly<Record<string, string>>;
    readonly inputSpending: readonly {
      readonly given: {
        readonly txinIndex: number;
        readonly internalPrivkey: string;
        readonly merkleRoot: string | null;
        readonly hashType: number;
      };
      readonly intermediary: Readonly<Record<string, string>>;
      readonly expected: { readonly witness: readonly string[] };
    }[];
    readonly auxiliary: { readonly fullySignedTx: string };
  }[];
}

const wallet = sharedVector("core/bip341_wallet_vectors.json");

function readWallet(): WalletVectors {
  return JSON.parse(readFileSync(wallet!, "utf8")) as WalletVectors;
}

function spendOf(given: WalletVectors["keyPathSpending"][number]["given"]): {
  table: TxTable;
  prevouts: Prevouts;
} {
  const outputs = given.utxosSpent.map((utxo) => ({
    amount: utxo.amountSats,
    script: hex(utxo.scriptPubKey),
  }));
  return { table: parseTx(hex(given.rawUnsignedTx)), prevouts: prevoutsOf(outputs) };
}

test("bip341_wallet_vectors.json: midstates", { skip: wallet === undefined ? NO_SHARED : false }, () => {
  for (const { given, intermediary } of readWallet().keyPathSpending) {
    const { table, prevouts } = spendOf(given);
    const midstates = new SighashMidstates(table, 0, prevouts);
    assert.equal(toHex(midstates.shaAmounts), intermediary["hashAmounts"]);
    assert.equal(toHex(midstates.shaOutputs), intermediary["hashOutputs"]);
    assert.equal(toHex(midstates.shaPrevouts), intermediary["hashPrevouts"]);
    assert.equal(toHex(midstates.shaScripts), intermediary["hashScriptPubkeys"]);
    assert.equal(toHex(midstates.shaSequences), intermediary["hashSequences"]);
  }
});

test("bip341_wallet_vectors.json: every key path spend", {
  skip: wallet === undefined ? NO_SHARED : false,
}, (context) => {
  let spends = 0;
  for (const { given, inputSpending } of readWallet().keyPathSpending) {
    const { table, prevouts } = spendOf(given);
    const midstates = new SighashMidstates(table, 0, prevouts);
    for (const { given: how, intermediary, expected } of inputSpending) {
      spends++;
      const digest = taprootSighash(midstates, how.txinIndex, how.hashType)!;
      assert.equal(toHex(digest), intermediary["sigHash"]);
      const root = how.merkleRoot === null ? undefined : hex(how.merkleRoot);
      const tweak = tapTweak(hex(intermediary["internalPubkey"]!), root);
      assert.equal(toHex(tweak), intermediary["tweak"]);
      const secret = tweakSecret(hex(how.internalPrivkey), tweak)!;
      assert.equal(toHex(secret), intermediary["tweakedPrivkey"]);
      const signature = hex(expected.witness[0]!);
      assert.equal(signature.length, how.hashType === 0 ? 64 : 65);
      assert.equal(signature[64] ?? 0, how.hashType);
      const bare = signature.subarray(0, 64);
      assert.equal(toHex(signSchnorr(secret, digest, new Uint8Array(32))), toHex(bare));
      assert.ok(verifier.schnorr(bare, prevouts.script(how.txinIndex).subarray(2), digest));
    }
  }
  context.diagnostic(`${spends} spends`);
  assert.equal(spends, 7);
});
