import { equalBytes, toHexReversed } from "#base/lib/bytes.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import { HEADER_LENGTH } from "#protocol/bitcoin/block-table.ts";
import type { Prevouts } from "#protocol/bitcoin/prevouts.ts";
import { blockHash } from "#protocol/bitcoin/txid.ts";
import { rejectionText } from "#protocol/consensus/rejection.ts";
import { ChainError } from "./chain-error.ts";
import type { ChainParts } from "./chain-parts.ts";
import type { HashedBlock } from "./chain-update.ts";
import type { HeaderNode } from "./header-node.ts";
import { type PreparedBlock, prepareBlock } from "./prepare-block.ts";
import { type BlockUndo, decodeUndo, undoPrevouts } from "./undo.ts";

/** The serialised block. @throws ChainError when we do not hold it, or its file is damaged. */
export async function readBlock(parts: ChainParts, node: HeaderNode): Promise<Uint8Array> {
  return parts.recent.get(node)?.block.bytes ?? (await readStored(parts, node));
}

async function readStored(parts: ChainParts, node: HeaderNode): Promise<Uint8Array> {
  if (node.prev === null) return parts.network.genesis;
  if (!node.hasData) throw new ChainError(`the block ${toHexReversed(node.hash)} is not on disk`);
  const bytes = await parts.files.readBlock({ file: node.file, offset: node.dataPos });
  if (bytes.length < HEADER_LENGTH || !equalBytes(blockHash(bytes), node.hash))
    throw damaged(node, "wrong hash");
  return bytes;
}

/** A block to connect or disconnect, from memory where it is at hand. @throws ChainError */
export async function loadBlock(parts: ChainParts, node: HeaderNode): Promise<HashedBlock> {
  const recent = parts.recent.get(node);
  if (recent !== undefined) return recent;
  const { block, hashes, bad } = await readPrepared(parts, node);
  // Disks err.
  if (bad?.result === "mutated") {
    throw damaged(node, `Corrupt block found indicating potential hardware failure: ${rejectionText(bad)}`);
  }
  return { block, hashes };
}

/** A block from disk, parsed, hashed and checked by itself. @throws ChainError */
export async function readPrepared(parts: ChainParts, node: HeaderNode): Promise<PreparedBlock> {
  const raw = await readStored(parts, node);
  return prepareBlock(raw, parts.network).catch((error: unknown) => {
    if (!(error instanceof DecodeError)) throw error;
    throw damaged(node, error.message);
  });
}

/** The coins that a block spent. @throws ChainError when we do not hold them, or their file is damaged. */
export async function loadUndo(parts: ChainParts, node: HeaderNode): Promise<BlockUndo> {
  if (!node.hasUndo || node.prev === null) {
    throw new ChainError(`no undo data of the block ${toHexReversed(node.hash)} on disk`);
  }
  const bytes = await parts.files.readUndo({ file: node.file, offset: node.undoPos }, node.prev.hash);
  try {
    return decodeUndo(bytes);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    throw damaged(node, `undo data: ${error.message}`);
  }
}

/** The outputs that a block spent, in the order of its inputs. @throws ChainError */
export async function readUndo(parts: ChainParts, node: HeaderNode): Promise<Prevouts> {
  const { block } = await loadBlock(parts, node);
  return undoPrevouts(block.txs, await loadUndo(parts, node));
}

function damaged(node: HeaderNode, what: string): ChainError {
  return new ChainError(`the block ${toHexReversed(node.hash)} is damaged on disk: ${what}`);
}
