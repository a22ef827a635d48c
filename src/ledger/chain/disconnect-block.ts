import { Slices } from "#base/lib/slices.ts";
import { isBip30Unspendable } from "#protocol/consensus/bip30.ts";
import type { ChainParts } from "./chain-parts.ts";
import type { HashedBlock } from "./chain-update.ts";
import type { HeaderNode } from "./header-node.ts";
import type { BlockUndo } from "./undo.ts";

/**
 * How a block's coins were taken back: `unclean` when they were not all as the block left them, which only happens
 * while a cut flush is being replayed; `failed` when block and undo data do not fit each other.
 */
export type DisconnectResult = "clean" | "unclean" | "failed";

/**
 * Takes a block's outputs away and restores what it spent (Core's DisconnectBlock). The caller has begun a change
 * of the coin cache, and commits it with the hash of the block before.
 */
export async function disconnectBlock(
  parts: ChainParts,
  node: HeaderNode,
  { block, hashes }: HashedBlock,
  undo: BlockUndo,
): Promise<DisconnectResult> {
  const { txs } = block;
  if (undo.txCount + 1 !== txs.txCount) return "failed";
  const { coins } = parts;
  await coins.fetchOutputs(txs, hashes.txids);
  await coins.fetchInputs(txs, hashes.txids);
  // Two early coinbases were overwritten by later ones: theirs may be gone.
  const overwritten = isBip30Unspendable(node.hash, node.height);
  const slices = new Slices();
  let clean = true;
  for (let tx = txs.txCount - 1; tx >= 0; tx--) {
    const intact = coins.removeOutputs(txs, tx, hashes.txids, node.height);
    if (!intact && !(tx === 0 && overwritten)) clean = false;
    if (tx === 0) break;
    const restored = coins.restoreInputs(txs, tx, undo);
    if (restored === "failed") return "failed";
    if (restored === "unclean") clean = false;
    if (slices.due) await slices.pause();
  }
  return clean ? "clean" : "unclean";
}
