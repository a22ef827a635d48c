import type { ChainState } from "#ledger/chain/chain-state.ts";
import type { HeaderNode } from "#ledger/chain/header-node.ts";
import { undoPrevouts } from "#ledger/chain/undo.ts";
import { parseBlock } from "#protocol/bitcoin/block-table.ts";
import type { SpentOutputs } from "./tx-json.ts";

/** What a block's transactions spent, from its undo data; `undefined` where there is none. */
export async function readSpentOutputs(
  chain: ChainState,
  node: HeaderNode,
  raw: Uint8Array,
): Promise<SpentOutputs | undefined> {
  if (!node.hasUndo || node.height === 0) return undefined;
  const undo = await chain.readBlockUndo(node);
  const table = parseBlock(raw).txs;
  // Undo data leaves the coinbase out, whose one input stands first in the table.
  return {
    prevouts: undoPrevouts(table, undo),
    origin: (input) => ({ height: undo.heights[input - 1]!, generated: undo.coinbases[input - 1] === 1 }),
  };
}
