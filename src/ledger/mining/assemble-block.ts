import { ByteWriter } from "#base/lib/byte-writer.ts";
import { concatBytes } from "#base/lib/bytes.ts";
import type { Network } from "#protocol/bitcoin/network.ts";
import { OP_0 } from "#protocol/bitcoin/opcodes.ts";
import { pushNumber } from "#protocol/bitcoin/script.ts";
import { encodeTransaction, type Transaction } from "#protocol/bitcoin/transaction.ts";
import { parseTx } from "#protocol/bitcoin/tx-table.ts";
import { hashTxs } from "#protocol/bitcoin/txid.ts";
import { isActiveAt } from "#protocol/consensus/deployments.ts";
import { merkleRoot } from "#protocol/consensus/merkle.ts";
import {
  witnessCommitment,
  witnessCommitmentScript,
  witnessMerkleRoot,
} from "#protocol/consensus/witness-commitment.ts";

/** A transaction for a block: its bytes and what the block's roots are made of. */
export interface BlockTransaction {
  readonly raw: Uint8Array;
  readonly txid: Uint8Array;
  readonly wtxid: Uint8Array;
}

/** What a block is made of, but for its transactions. */
export interface BlockParts {
  readonly version: number;
  readonly prevHash: Uint8Array;
  readonly time: number;
  readonly bits: number;
  readonly height: number;
  readonly coinbaseScript: Uint8Array;
  /** Satoshi for the coinbase's output: subsidy and fees. */
  readonly coinbaseValue: number;
}

/** The sequence that leaves the lock time in force (CTxIn::MAX_SEQUENCE_NONFINAL). */
const SEQUENCE_NONFINAL = 0xffff_fffe;

/** A serialised block with a zero nonce, and the script that commits to its witnesses. */
export function assembleBlock(
  parts: BlockParts,
  txs: readonly BlockTransaction[],
  network: Network,
): { block: Uint8Array; commitment: Uint8Array } {
  // The coinbase stands for zeros in the witness tree, so the commitment comes before it.
  const wtxids = concatBytes(new Uint8Array(32), ...txs.map(({ wtxid }) => wtxid));
  const root = witnessMerkleRoot(wtxids, txs.length + 1);
  const commitment = witnessCommitmentScript(witnessCommitment(root, new Uint8Array(32)));
  const coinbase = encodeTransaction(buildCoinbase(parts, commitment, network));
  const coinbaseTxid = hashTxs(parseTx(coinbase)).txids;
  const txids = concatBytes(coinbaseTxid, ...txs.map(({ txid }) => txid));
  const writer = new ByteWriter(80 + 9 + coinbase.length + txs.reduce((sum, { raw }) => sum + raw.length, 0));
  writer.u32(parts.version).bytes(parts.prevHash);
  writer.bytes(merkleRoot(txids, txs.length + 1).root);
  writer.u32(parts.time).u32(parts.bits).u32(0);
  writer.compactSize(txs.length + 1).bytes(coinbase);
  for (const { raw } of txs) writer.bytes(raw);
  return { block: writer.finish(), commitment };
}

/**
 * The coinbase: BIP34's height, and a dummy extra nonce after it, for a script of one byte would be too short; a
 * lock time that keeps its txid from being any earlier one's (Core: CreateNewBlock).
 */
function buildCoinbase(parts: BlockParts, commitment: Uint8Array, network: Network): Transaction {
  const segwit = isActiveAt(network, parts.height, "segwit");
  return {
    version: 2,
    inputs: [
      {
        txid: new Uint8Array(32),
        index: 0xffff_ffff,
        script: concatBytes(pushNumber(parts.height), Uint8Array.of(OP_0)),
        sequence: SEQUENCE_NONFINAL,
        witness: segwit ? [new Uint8Array(32)] : [],
      },
    ],
    outputs: [
      { value: parts.coinbaseValue, script: parts.coinbaseScript },
      { value: 0, script: commitment },
    ],
    lockTime: parts.height - 1,
  };
}
