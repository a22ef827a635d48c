import { ByteWriter } from "#base/lib/byte-writer.ts";
import { equalBytes } from "#base/lib/bytes.ts";
import { decodedOrUndefined } from "#base/lib/decode-error.ts";
import { type BlockTable, parseBlock } from "#protocol/bitcoin/block-table.ts";
import { encodeTransaction, transactionAt } from "#protocol/bitcoin/transaction.ts";
import { blockHash } from "#protocol/bitcoin/txid.ts";
import { isActiveAfter } from "#protocol/consensus/deployments.ts";
import type { Rejection } from "#protocol/consensus/rejection.ts";
import { witnessCommitmentOutput } from "#protocol/consensus/witness-commitment.ts";
import type { BlockSubmitter, MiningChain } from "./mining-chain.ts";
import { type MiningRefusal, refuse } from "./mining-refusal.ts";

/**
 * Hands a miner's block to the chain (submitblock).
 * @returns `null` when it was taken, else BIP22's word why not.
 */
export async function submitBlock(
  bytes: Uint8Array,
  { chain, submitter }: { chain: MiningChain; submitter: BlockSubmitter },
): Promise<string | null | MiningRefusal> {
  const block = decodedOrUndefined(() => parseBlock(bytes));
  if (block === undefined) return refuse("deserialization", "Block decode failed");
  const raw = withReservedValue(block, chain);
  const hash = blockHash(raw);
  let verdict: { readonly rejection?: Rejection } | undefined;
  const off = submitter.blockChecked.on((checked) => {
    if (equalBytes(checked.hash, hash)) verdict = checked;
  });
  try {
    const { isNew, rejection } = await submitter.acceptBlock(raw, { requested: true, minPowChecked: true });
    if (!isNew && rejection === undefined) return "duplicate";
    if (rejection !== undefined) return rejection.reason;
  } finally {
    off();
  }
  if (verdict === undefined) return "inconclusive";
  return verdict.rejection === undefined ? null : verdict.rejection.reason;
}

/**
 * The block with the coinbase's witness where it commits to witnesses and has none: BIP22 miners send the coinbase
 * without it (Core: UpdateUncommittedBlockStructures).
 */
function withReservedValue(block: BlockTable, chain: MiningChain): Uint8Array {
  const { txs, bytes } = block;
  if (witnessCommitmentOutput(txs) < 0 || txs.hasWitness(0)) return bytes;
  const prev = chain.header(block.header.prevHash);
  if (prev === undefined || !isActiveAfter(chain.network, prev, "segwit")) return bytes;
  const coinbase = transactionAt(txs, 0);
  // Another first transaction than a coinbase is refused by the chain.
  if (coinbase.inputs[0] === undefined) return bytes;
  coinbase.inputs[0].witness = [new Uint8Array(32)];
  return new ByteWriter(bytes.length + 40)
    .bytes(bytes.subarray(0, txs.start(0)))
    .bytes(encodeTransaction(coinbase))
    .bytes(bytes.subarray(txs.end(0)))
    .finish();
}
