import { schnorr, secp256k1 } from "@noble/curves/secp256k1.js";
import { hash160 } from "#base/crypto/sha256.ts";
import { concatBytes } from "#base/lib/bytes.ts";
import { SeededRandom } from "#base/lib/random.ts";
import * as op from "#protocol/bitcoin/opcodes.ts";
import { prevoutsOf } from "#protocol/bitcoin/prevouts.ts";
import { buildScript, pushData } from "#protocol/bitcoin/script.ts";
import {
  legacySighash,
  SighashMidstates,
  segwitV0Sighash,
  taprootSighash,
} from "#protocol/bitcoin/sighash.ts";
import { encodeTransaction } from "#protocol/bitcoin/transaction.ts";
import { parseTx } from "#protocol/bitcoin/tx-table.ts";
import type { MutableSpend } from "../interop/kernel/script-seeds.ts";

const AMOUNT = 10_000;

/** What the inputs spend, in turns: the last is none of the usual shapes, so that the interpreter judges it. */
const KINDS = ["p2wpkh", "p2tr", "p2pkh", "p2pk"] as const;

/** One valid transaction that gathers many coins of one key, as who consolidates a wallet makes it. */
export function wideSpend(seed: number, inputs: number): MutableSpend {
  const random = new SeededRandom(seed);
  const secret = random.fill(new Uint8Array(32));
  const key = secp256k1.getPublicKey(secret, true);
  const hash = hash160(key);
  const keyHash = buildScript(op.OP_DUP, op.OP_HASH160, hash, op.OP_EQUALVERIFY, op.OP_CHECKSIG);
  const scripts = {
    p2wpkh: buildScript(op.OP_0, hash),
    p2tr: buildScript(op.OP_1, key.subarray(1)),
    p2pkh: keyHash,
    p2pk: buildScript(key, op.OP_CHECKSIG),
  };
  const kinds = Array.from({ length: inputs }, (_, i) => KINDS[i % KINDS.length]!);
  const prevouts = kinds.map((kind) => ({ amount: AMOUNT, script: scripts[kind] }));
  const tx: MutableSpend["tx"] = {
    version: 2,
    lockTime: 0,
    inputs: kinds.map((_, index) => {
      const txid = random.fill(new Uint8Array(32));
      return { txid, index, script: new Uint8Array(0), sequence: 0xffff_fffd, witness: [] };
    }),
    outputs: [{ value: inputs * (AMOUNT - 200), script: scripts.p2wpkh }],
  };
  const table = parseTx(encodeTransaction(tx));
  const midstates = new SighashMidstates(table, 0, prevoutsOf(prevouts));
  const sign = (digest: Uint8Array) => {
    const signature = secp256k1.sign(digest, secret, { prehash: false, format: "der" });
    return concatBytes(signature, Uint8Array.of(1));
  };
  for (const [i, kind] of kinds.entries()) {
    const input = tx.inputs[i]!;
    if (kind === "p2wpkh") input.witness = [sign(segwitV0Sighash(midstates, i, keyHash, AMOUNT, 1)), key];
    else if (kind === "p2tr") input.witness = [schnorr.sign(taprootSighash(midstates, i, 0)!, secret)];
    else {
      const signature = pushData(sign(legacySighash(table, 0, i, scripts[kind], 1)));
      input.script = kind === "p2pkh" ? concatBytes(signature, pushData(key)) : signature;
    }
  }
  return { tx, prevouts };
}
