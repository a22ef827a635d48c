/**
 * BIP325: a signet's block carries, in its witness commitment, a solution to the network's challenge script.
 * The solution spends a virtual output that the challenge locks, by a virtual transaction which commits to the
 * block (Core: signet.cpp).
 */
import { sha256d } from "#base/crypto/sha256.ts";
import { ByteReader } from "#base/lib/byte-reader.ts";
import { ByteWriter } from "#base/lib/byte-writer.ts";
import { concatBytes, equalBytes, hex } from "#base/lib/bytes.ts";
import { decodedOrUndefined } from "#base/lib/decode-error.ts";
import type { BlockTable } from "#protocol/bitcoin/block-table.ts";
import { HASH_LENGTH } from "#protocol/bitcoin/hashes.ts";
import type { Network } from "#protocol/bitcoin/network.ts";
import { OP_0, OP_RETURN } from "#protocol/bitcoin/opcodes.ts";
import { prevoutsOf } from "#protocol/bitcoin/prevouts.ts";
import { buildScript, pushData, ScriptReader } from "#protocol/bitcoin/script.ts";
import { encodeTransaction, type Transaction } from "#protocol/bitcoin/transaction.ts";
import { parseTx, type TxTable } from "#protocol/bitcoin/tx-table.ts";
import { blockHash, type TxHashes } from "#protocol/bitcoin/txid.ts";
import { merkleRoot } from "./merkle.ts";
import {
  SCRIPT_VERIFY_DERSIG,
  SCRIPT_VERIFY_NULLDUMMY,
  SCRIPT_VERIFY_P2SH,
  SCRIPT_VERIFY_WITNESS,
} from "./script-flags.ts";
import { verifyTransaction } from "./verify-inputs.ts";
import { witnessCommitmentOutput } from "./witness-commitment.ts";

const SIGNET_HEADER = hex("ecc7daa2");

const SOLUTION_FLAGS =
  SCRIPT_VERIFY_P2SH | SCRIPT_VERIFY_WITNESS | SCRIPT_VERIFY_DERSIG | SCRIPT_VERIFY_NULLDUMMY;

/** The two virtual transactions of a block. */
export interface SignetTransactions {
  readonly toSpend: Transaction;
  /** Spends the first's output; what the block's solution signs. */
  readonly toSign: Transaction;
}

/** Whether the block solves the network's challenge; genesis always does. */
export function checkSignetSolution(block: BlockTable, hashes: TxHashes, network: Network): boolean {
  const genesis = blockHash(network.genesis);
  if (equalBytes(blockHash(block.bytes), genesis)) return true;
  const challenge = hex(network.consensus.signetChallenge!);
  const transactions = signetTransactions(block, hashes, challenge);
  if (transactions === undefined) return false;
  const table = parseTx(encodeTransaction(transactions.toSign));
  const prevouts = prevoutsOf([{ amount: 0, script: challenge }]);
  return verifyTransaction(table, prevouts, SOLUTION_FLAGS) === undefined;
}

/** The virtual transactions, or `undefined` when nothing commits to witnesses or the solution is malformed. */
export function signetTransactions(
  block: BlockTable,
  hashes: TxHashes,
  challenge: Uint8Array,
): SignetTransactions | undefined {
  const output = witnessCommitmentOutput(block.txs);
  if (output < 0) return undefined;
  const section = takeSolution(block.txs.outputScript(output));
  // Without a solution a challenge such as OP_TRUE may still hold.
  const solution = section.solution === undefined ? NO_SOLUTION : decodeSolution(section.solution);
  if (solution === undefined) return undefined;
  const root = rootWithout(block, hashes, output, section.rest);
  const toSpend = spendable(blockData(block, root), challenge);
  const toSign: Transaction = {
    version: 0,
    lockTime: 0,
    inputs: [
      {
        txid: sha256d(encodeTransaction(toSpend)),
        index: 0,
        sequence: 0,
        script: solution.script,
        witness: solution.witness,
      },
    ],
    outputs: [{ value: 0, script: Uint8Array.of(OP_RETURN) }],
  };
  return { toSpend, toSign };
}

/** The transaction whose output the challenge locks; its input commits to the block. */
function spendable(data: Uint8Array, challenge: Uint8Array): Transaction {
  return {
    version: 0,
    lockTime: 0,
    inputs: [
      {
        txid: new Uint8Array(HASH_LENGTH),
        index: 0xffff_ffff,
        sequence: 0,
        script: buildScript(OP_0, data),
        witness: [],
      },
    ],
    outputs: [{ value: 0, script: challenge }],
  };
}

/** What is signed of the header: version, previous block, Merkle root without the solution, time. */
function blockData(block: BlockTable, root: Uint8Array): Uint8Array {
  return concatBytes(block.bytes.subarray(0, 36), root, block.bytes.subarray(68, 72));
}

interface Solution {
  readonly script: Uint8Array;
  readonly witness: Uint8Array[];
}

const NO_SOLUTION: Solution = { script: new Uint8Array(0), witness: [] };

function decodeSolution(bytes: Uint8Array): Solution | undefined {
  return decodedOrUndefined(() => {
    const reader = new ByteReader(bytes);
    const script = reader.varBytes();
    const witness: Uint8Array[] = [];
    for (let left = reader.compactSize(); left > 0; left--) witness.push(reader.varBytes());
    reader.end();
    return { script, witness };
  });
}

/**
 * Takes the solution out of a commitment's script: the first push that starts with the signet's header and goes
 * on is cut down to the header. The script is written anew, so its pushes come out in their usual form.
 */
function takeSolution(script: Uint8Array): { solution: Uint8Array | undefined; rest: Uint8Array } {
  const reader = new ScriptReader(script);
  const parts: Uint8Array[] = [];
  let solution: Uint8Array | undefined;
  while (reader.next()) {
    let data = reader.data();
    if (reader.dataLength === 0) {
      parts.push(Uint8Array.of(reader.opcode));
      continue;
    }
    if (solution === undefined && data.length > SIGNET_HEADER.length && startsWithHeader(data)) {
      solution = data.subarray(SIGNET_HEADER.length);
      data = SIGNET_HEADER;
    }
    parts.push(pushData(data));
  }
  return solution === undefined ? { solution, rest: script } : { solution, rest: concatBytes(...parts) };
}

function startsWithHeader(data: Uint8Array): boolean {
  return equalBytes(data.subarray(0, SIGNET_HEADER.length), SIGNET_HEADER);
}

/** Merkle root with `script` in the place of the coinbase's commitment. */
function rootWithout(block: BlockTable, hashes: TxHashes, output: number, script: Uint8Array): Uint8Array {
  const leaves = hashes.txids.slice(0, block.txs.txCount * HASH_LENGTH);
  leaves.set(sha256d(strippedCoinbase(block.txs, output, script)), 0);
  return merkleRoot(leaves, block.txs.txCount).root;
}

/** The coinbase without its witness, one output's script replaced. */
function strippedCoinbase(txs: TxTable, output: number, script: Uint8Array): Uint8Array {
  const { bytes } = txs;
  const scriptEnd = txs.outputScriptStart(output) + txs.outputScriptLength(output);
  return new ByteWriter()
    .bytes(bytes.subarray(txs.start(0), txs.start(0) + 4))
    .bytes(bytes.subarray(txs.body(0), txs.outputStart(output) + 8))
    .varBytes(script)
    .bytes(bytes.subarray(scriptEnd, txs.bodyEnd(0)))
    .bytes(bytes.subarray(txs.end(0) - 4, txs.end(0)))
    .finish();
}
