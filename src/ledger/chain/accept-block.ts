import { contextualCheckBlock } from "#protocol/consensus/check-block.ts";
import { isActiveAt } from "#protocol/consensus/deployments.ts";
import { type Rejection, rejectionText } from "#protocol/consensus/rejection.ts";
import { acceptHeader } from "./accept-headers.ts";
import type { FilePosition } from "./block-files.ts";
import type { ChainParts } from "./chain-parts.ts";
import type { HashedBlock } from "./chain-update.ts";
import type { HeaderNode } from "./header-node.ts";
import { receiveBlock } from "./link-blocks.ts";
import { invalidBlockFound } from "./mark-invalid.ts";

/** What became of a block. A block that breaks a rule only when it is connected is told by `blockChecked`. */
export interface AcceptedBlock {
  /** Its header in the tree, when it was taken or known. */
  readonly node?: HeaderNode;
  /** Whether it was stored now: false for one that we had, did not ask for, or refuse. */
  readonly isNew: boolean;
  readonly rejection?: Rejection;
}

export interface AcceptOptions {
  /** We asked for it, or the user handed it in. */
  readonly requested: boolean;
  /** The caller knows that its header's chain has enough work to be stored. */
  readonly minPowChecked: boolean;
  /** Where it stands in our files already (reindex). */
  readonly position?: FilePosition;
}

/** Blocks that an unrequested block may be ahead of the tip (Core's MIN_BLOCKS_TO_KEEP). */
const MAX_AHEAD = 288;

/** Takes a block that has passed checkBlock, and stores it (Core's AcceptBlock). */
export async function acceptBlock(
  parts: ChainParts,
  hashed: HashedBlock,
  options: AcceptOptions,
): Promise<AcceptedBlock> {
  const { bytes } = hashed.block;
  const { node, rejection } = acceptHeader(parts, bytes, 0, options.minPowChecked);
  if (rejection !== undefined) return { ...(node && { node }), isNew: false, rejection };
  if (node === undefined) throw new Error("a header was neither taken nor refused");
  if (node.hasData || (!options.requested && !isWelcome(parts, node))) return { node, isNew: false };
  const bad = contextualCheckBlock(hashed.block, hashed.hashes, node.prev, parts.network);
  if (bad !== undefined) {
    invalidBlockFound(parts, node, bad);
    parts.log.info(`AcceptBlock: ${rejectionText(bad)}`);
    return { node, isNew: false, rejection: bad };
  }
  await storeBlock(parts, node, hashed, options.position);
  return { node, isNew: true };
}

/** Whether a block that we did not ask for is likely to be of use soon, and not the spam of a weak chain. */
function isWelcome(parts: ChainParts, node: HeaderNode): boolean {
  const { active } = parts;
  if (node.txCount !== 0) return false;
  if (active.tip !== undefined && node.compareWork(active.tip) < 0) return false;
  if (node.height > active.height + MAX_AHEAD) return false;
  return node.chainWork >= parts.minimumChainWork;
}

async function storeBlock(
  parts: ChainParts,
  node: HeaderNode,
  hashed: HashedBlock,
  known: FilePosition | undefined,
): Promise<void> {
  const { files, headers, network } = parts;
  const { bytes, txs } = hashed.block;
  if (known !== undefined) files.noteBlock(known, bytes.length, node.height, node.time);
  const position = known ?? (await files.appendBlock(bytes, node.height, node.time));
  headers.setDataPosition(node, position.file, position.offset);
  receiveBlock(parts, node, txs.txCount, isActiveAt(network, node.height, "segwit"));
  parts.recent.add(node, hashed);
}
