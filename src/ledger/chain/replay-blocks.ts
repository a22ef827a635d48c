import { toHexReversed } from "#base/lib/bytes.ts";
import type { BlockHash } from "#protocol/bitcoin/hashes.ts";
import type { TxTable } from "#protocol/bitcoin/tx-table.ts";
import { ChainError } from "./chain-error.ts";
import type { ChainParts } from "./chain-parts.ts";
import { type CoinCache, NO_COIN } from "./coins.ts";
import { disconnectBlock } from "./disconnect-block.ts";
import { type HeaderNode, lastCommonAncestor } from "./header-node.ts";
import { loadBlock, loadUndo } from "./read-block.ts";

/**
 * Finishes a flush of the coins that was cut (Core's ReplayBlocks): some coins are those of the old best block, some
 * of the new one. Writing and deleting a coin twice is harmless, so undoing the old branch and doing the new one
 * leads to the new block's coins wherever the cut was.
 * @throws ChainError when blocks or undo data are missing.
 */
export async function replayBlocks(parts: ChainParts): Promise<void> {
  const heads = await parts.coinDatabase.heads();
  if (heads === undefined) return;
  parts.log.info("Replaying blocks");
  const to = requireNode(parts, heads.new);
  const from = heads.old === undefined ? undefined : requireNode(parts, heads.old);
  const fork = from === undefined ? undefined : lastCommonAncestor(from, to);
  for (let node = from; node !== undefined && node !== fork; node = node.prev!) await rollBack(parts, node);
  for (let height = (fork?.height ?? -1) + 1; height <= to.height; height++) {
    await rollForward(parts, to.ancestor(height)!);
  }
  // Nothing was to be done when the chain had come back to where it was at the flush before.
  parts.coins.begin();
  parts.coins.commit(to.hash);
  await parts.coins.flush();
}

function requireNode(parts: ChainParts, hash: BlockHash): HeaderNode {
  const node = parts.headers.lookup(hash);
  if (node !== undefined) return node;
  throw new ChainError(`ReplayBlocks(): reorganization to unknown block ${toHexReversed(hash)} requested`);
}

async function rollBack(parts: ChainParts, node: HeaderNode): Promise<void> {
  const { coins } = parts;
  const hashed = await loadBlock(parts, node);
  const undo = await loadUndo(parts, node);
  coins.begin();
  // Unclean is what a cut leaves.
  if ((await disconnectBlock(parts, node, hashed, undo)) === "failed") {
    coins.rollback();
    throw new ChainError(`RollbackBlock(): DisconnectBlock failed at ${node.height}`);
  }
  coins.commit(node.prev!.hash);
}

async function rollForward(parts: ChainParts, node: HeaderNode): Promise<void> {
  const { coins } = parts;
  if (node.prev !== null) {
    const { block, hashes } = await loadBlock(parts, node);
    const { txs } = block;
    await coins.fetchInputs(txs, hashes.txids);
    await coins.fetchOutputs(txs, hashes.txids);
    coins.begin();
    for (let tx = 0; tx < txs.txCount; tx++) {
      if (tx > 0) spendWhatIsThere(coins, txs, tx);
      coins.addOutputs(txs, tx, hashes.txids, node.height, true);
    }
  } else {
    coins.begin();
  }
  coins.commit(node.hash);
}

function spendWhatIsThere(coins: CoinCache, txs: TxTable, tx: number): void {
  const first = txs.firstInput(tx);
  for (let input = first; input < first + txs.inputCount(tx); input++) {
    const slot = coins.find(txs.bytes, txs.outpoint(input));
    if (slot !== NO_COIN) coins.spend(slot);
  }
}
