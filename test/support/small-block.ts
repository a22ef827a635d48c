import { sha256d } from "#base/crypto/sha256.ts";
import { ByteWriter } from "#base/lib/byte-writer.ts";
import { concatBytes, writeU32 } from "#base/lib/bytes.ts";
import type { Network } from "#protocol/bitcoin/network.ts";
import { encodeTransaction, hasWitness, type Transaction } from "#protocol/bitcoin/transaction.ts";
import { merkleRoot } from "#protocol/consensus/merkle.ts";
import { checkProofOfWork } from "#protocol/consensus/pow.ts";
import { witnessCommitment, witnessCommitmentScript } from "#protocol/consensus/witness-commitment.ts";

export interface BlockFields {
  readonly version?: number;
  readonly prevHash?: Uint8Array;
  readonly time?: number;
  readonly bits?: number;
  readonly txs: readonly Transaction[];
  /** In place of the Merkle root of `txs`. */
  readonly merkleRoot?: Uint8Array;
}

/** A coinbase for the height that `script` names; two bytes at least. */
export function coinbaseOf(script: Uint8Array, outputs: Transaction["outputs"]): Transaction {
  const input = { txid: new Uint8Array(32), index: 0xffff_ffff, sequence: 0xffff_ffff, script, witness: [] };
  return { version: 2, lockTime: 0, inputs: [input], outputs: [...outputs] };
}

/** Adds BIP141's commitment to a coinbase, and its reserved value. */
export function addCommitment(coinbase: Transaction, others: readonly Transaction[]): void {
  const reserved = new Uint8Array(32);
  const leaves = [new Uint8Array(32), ...others.map((tx) => sha256d(encodeTransaction(tx)))];
  const root = merkleRoot(concatBytes(...leaves), leaves.length).root;
  coinbase.inputs[0]!.witness = [reserved];
  coinbase.outputs.push({ value: 0, script: witnessCommitmentScript(witnessCommitment(root, reserved)) });
}

/** The serialised block, its nonce not sought. */
export function encodeBlock(fields: BlockFields): Uint8Array {
  const { txs } = fields;
  const txids = txs.map((tx) => sha256d(encodeTransaction(tx, { witness: false })));
  const root = fields.merkleRoot ?? merkleRoot(concatBytes(...txids), txids.length).root;
  const writer = new ByteWriter().u32(fields.version ?? 4).bytes(fields.prevHash ?? new Uint8Array(32));
  writer.bytes(root).u32(fields.time ?? 1_600_000_000);
  writer
    .u32(fields.bits ?? 0x207f_ffff)
    .u32(0)
    .compactSize(txs.length);
  for (const tx of txs) writer.bytes(encodeTransaction(tx, { witness: hasWitness(tx) }));
  return writer.finish();
}

/** Seeks a nonce, or with `miss` one that does not do. */
export function mine(raw: Uint8Array, network: Network, miss = false): Uint8Array {
  const header = raw.subarray(0, 80);
  const bits = new DataView(raw.buffer, raw.byteOffset).getUint32(72, true);
  for (let nonce = 0; ; nonce++) {
    writeU32(header, 76, nonce);
    if (checkProofOfWork(sha256d(header), bits, network.consensus) !== miss) return raw;
  }
}
