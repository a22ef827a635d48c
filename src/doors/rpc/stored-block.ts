/** Blocks and their undo data as methods read them: a file that is gone or damaged is the caller's to know. */
import type { ChainState } from "#ledger/chain/chain-state.ts";
import type { HeaderNode } from "#ledger/chain/header-node.ts";
import { type BlockUndo, undoPrevouts } from "#ledger/chain/undo.ts";
import { parseBlock } from "#protocol/bitcoin/block-table.ts";
import { RPC_CODE, RpcError } from "./rpc-error.ts";
import type { SpentOutputs } from "./tx-json.ts";

const WHY = "This could be due to disk corruption or a conflict with a pruning event.";

/** The bytes of a block that we hold. @throws RpcError −1 when they cannot be read */
export async function readStoredBlock(chain: ChainState, node: HeaderNode): Promise<Uint8Array> {
  try {
    return await chain.readBlock(node);
  } catch (error) {
    throw new RpcError(RPC_CODE.misc, `Block not found on disk. ${WHY}`, { cause: error });
  }
}

/**
 * What a block's transactions spent, from its undo data; `undefined` where there is none.
 * @throws RpcError −32603 when it cannot be read
 */
export async function readSpentOutputs(
  chain: ChainState,
  node: HeaderNode,
  raw: Uint8Array,
): Promise<SpentOutputs | undefined> {
  if (!node.hasUndo || node.height === 0) return undefined;
  let undo: BlockUndo;
  try {
    undo = await chain.readBlockUndo(node);
  } catch (error) {
    throw new RpcError(RPC_CODE.internalError, `Undo data expected but can't be read. ${WHY}`, {
      cause: error,
    });
  }
  const table = parseBlock(raw).txs;
  // Undo data leaves the coinbase out, whose one input stands first in the table.
  return {
    prevouts: undoPrevouts(table, undo),
    origin: (input) => ({ height: undo.heights[input - 1]!, generated: undo.coinbases[input - 1] === 1 }),
  };
}
