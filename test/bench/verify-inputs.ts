/**
 * What verifying a block's inputs costs beside the signature checks: `npm run bench -- verify-inputs [kind] [bare]`.
 * Prints microseconds a spend with signatures that are not checked, and with all checks (not with `bare`).
 */
import { schnorr, secp256k1 } from "@noble/curves/secp256k1.js";
import { type Verifier, verifier } from "#base/crypto/secp256k1.ts";
import { hash160 } from "#base/crypto/sha256.ts";
import { ByteWriter } from "#base/lib/byte-writer.ts";
import { concatBytes } from "#base/lib/bytes.ts";
import { SeededRandom } from "#base/lib/random.ts";
import * as op from "#protocol/bitcoin/opcodes.ts";
import { type Prevouts, prevoutsOf } from "#protocol/bitcoin/prevouts.ts";
import { buildScript, pushData } from "#protocol/bitcoin/script.ts";
import {
  legacySighash,
  SighashMidstates,
  segwitV0Sighash,
  taprootSighash,
} from "#protocol/bitcoin/sighash.ts";
import { encodeTransaction, type Transaction } from "#protocol/bitcoin/transaction.ts";
import { parseTx, parseTxs, type TxTable } from "#protocol/bitcoin/tx-table.ts";
import { InputVerifier } from "#protocol/consensus/verify-inputs.ts";

export const name = "verify-inputs: µs a spend by the kind of its output, one core";

const TXS = 2_000;
const ROUNDS = 15;
/** Rounds before, while the code is compiled. */
const WARM_UP = 15;
const FLAGS = 0x20e15;

const KINDS = ["p2wpkh", "p2sh-p2wpkh", "p2pkh", "p2tr", "p2pk"] as const;

type Kind = (typeof KINDS)[number];

interface Key {
  readonly secret: Uint8Array;
  readonly compressed: Uint8Array;
}

function scriptPubKey(kind: Kind, { compressed }: Key): Uint8Array {
  const hash = hash160(compressed);
  if (kind === "p2wpkh") return buildScript(op.OP_0, hash);
  if (kind === "p2tr") return buildScript(op.OP_1, compressed.subarray(1));
  if (kind === "p2pk") return buildScript(compressed, op.OP_CHECKSIG);
  if (kind === "p2pkh") return buildScript(op.OP_DUP, op.OP_HASH160, hash, op.OP_EQUALVERIFY, op.OP_CHECKSIG);
  return buildScript(op.OP_HASH160, hash160(buildScript(op.OP_0, hash)), op.OP_EQUAL);
}

function signed(digest: Uint8Array, key: Key): Uint8Array {
  const signature = secp256k1.sign(digest, key.secret, { prehash: false, format: "der" });
  return concatBytes(signature, Uint8Array.of(1));
}

function spend(
  kind: Kind,
  key: Key,
  random: SeededRandom,
): { raw: Uint8Array; amount: number; script: Uint8Array } {
  const amount = 100_000;
  const script = scriptPubKey(kind, key);
  const outputs = [0, 1].map(() => ({
    value: 40_000,
    script: buildScript(op.OP_0, random.fill(new Uint8Array(20))),
  }));
  const input = {
    txid: random.fill(new Uint8Array(32)),
    index: 1,
    script: new Uint8Array(0),
    sequence: 0xfffffffd,
  };
  const tx: Transaction = { version: 2, inputs: [{ ...input, witness: [] }], outputs, lockTime: 0 };
  const table = parseTx(encodeTransaction(tx));
  const midstates = new SighashMidstates(table, 0, prevoutsOf([{ amount, script }]));
  const first = tx.inputs[0]!;
  const keyHashScript = scriptPubKey("p2pkh", key);
  if (kind === "p2tr") first.witness = [schnorr.sign(taprootSighash(midstates, 0, 0)!, key.secret)];
  else if (kind === "p2pkh") {
    const signature = signed(legacySighash(table, 0, 0, script, 1), key);
    first.script = concatBytes(pushData(signature), pushData(key.compressed));
  } else if (kind === "p2pk") first.script = pushData(signed(legacySighash(table, 0, 0, script, 1), key));
  else {
    first.witness = [signed(segwitV0Sighash(midstates, 0, keyHashScript, amount, 1), key), key.compressed];
    if (kind === "p2sh-p2wpkh") first.script = pushData(scriptPubKey("p2wpkh", key));
  }
  return { raw: encodeTransaction(tx), amount, script };
}

function block(kind: Kind): { table: TxTable; prevouts: Prevouts } {
  const random = new SeededRandom(5);
  const keys = Array.from({ length: 50 }, () => {
    const secret = random.fill(new Uint8Array(32));
    return { secret, compressed: secp256k1.getPublicKey(secret, true) };
  });
  const spends = Array.from({ length: TXS }, (_, i) => spend(kind, keys[i % keys.length]!, random));
  const writer = new ByteWriter(1 << 20);
  for (const { raw } of spends) writer.bytes(raw);
  return { table: parseTxs(writer.finish(), 0, TXS).table, prevouts: prevoutsOf(spends) };
}

/** Accepts every signature at once. */
const accepting: Verifier = {
  ...verifier,
  ecdsa: () => true,
  schnorr: () => true,
  batch: () => {
    const batch = verifier.batch();
    batch.run = () => -1;
    return batch;
  },
};

function measure(
  kind: Kind,
  { table, prevouts }: { table: TxTable; prevouts: Prevouts },
  which: Verifier,
): number {
  const inputs = new InputVerifier(which);
  const times: number[] = [];
  for (let round = -WARM_UP; round < ROUNDS; round++) {
    const start = process.cpuUsage();
    const failure = inputs.verify({ table, prevouts, flags: FLAGS, fromTx: 0, toTx: TXS }, true);
    const { user, system } = process.cpuUsage(start);
    if (failure !== undefined) throw new Error(`${kind}: ${failure.error}`);
    if (round >= 0) times.push((user + system) / TXS);
  }
  return times.sort((a, b) => a - b)[ROUNDS >> 1]!;
}

/** Prints a line a kind; `args`: one kind or all, and `bare` to leave the signature checks out. */
export function run(args: readonly string[] = []): void {
  console.log(
    `${TXS} transactions of one input and two outputs; ${verifier.name}; µs a spend (median of ${ROUNDS})`,
  );
  const bare = args.includes("bare");
  const wanted = args.find((arg) => arg !== "bare");
  for (const kind of KINDS) {
    if (wanted !== undefined && wanted !== kind) continue;
    const made = block(kind);
    const without = measure(kind, made, accepting).toFixed(2);
    const checks = bare ? "" : `, with ${measure(kind, made, verifier).toFixed(2)}`;
    console.log(`${kind.padEnd(12)} without signatures ${without}${checks}`);
  }
}
