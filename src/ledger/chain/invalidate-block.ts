import { Slices } from "#base/lib/slices.ts";
import { disconnectTip } from "./activate-chain.ts";
import type { ChainParts } from "./chain-parts.ts";
import { BlockStatus, type HeaderNode } from "./header-node.ts";
import { addCandidate, isConnectable, rebuildCandidates } from "./link-blocks.ts";
import { markInvalid } from "./mark-invalid.ts";
import { loadBlock } from "./read-block.ts";
import { TipMove } from "./tip-move.ts";

/**
 * Leaves a block with all after it, and marks them invalid (Core's InvalidateBlock). Genesis stays. Something else
 * is to be activated then.
 */
export async function invalidateBlock(parts: ChainParts, node: HeaderNode): Promise<TipMove> {
  const { active } = parts;
  const move = new TipMove((other) => loadBlock(parts, other));
  if (node.prev === null) return move;
  const slices = new Slices();
  while (active.contains(node)) {
    await disconnectTip(parts, move);
    if (slices.due) await slices.pause();
  }
  markInvalid(parts, node);
  // What had too little work against the old tip may be the best now.
  rebuildCandidates(parts);
  return move;
}

/**
 * Takes the mark of invalidity from a block, its ancestors and its descendants, so that they are tried again
 * (Core's ResetBlockFailureFlags).
 */
export function reconsiderBlock(parts: ChainParts, node: HeaderNode): void {
  const { headers } = parts;
  for (const other of headers.nodes()) {
    if (!other.failed) continue;
    if (other.ancestor(node.height) !== node && node.ancestor(other.height) !== other) continue;
    headers.removeStatus(other, BlockStatus.FAILED_VALID);
    if (isConnectable(other)) addCandidate(parts, other);
  }
  headers.recalculateBest();
}

/**
 * Puts a block before all others of its work (Core's PreciousBlock); a later call wins over an earlier one. A block
 * of less work than the tip's cannot be helped.
 */
export function preciousBlock(parts: ChainParts, node: HeaderNode): void {
  const tip = parts.active.tip!;
  if (node.compareWork(tip) < 0) return;
  if (tip.chainWork > parts.lastPreciousWork) parts.nextPreciousId = -1;
  parts.lastPreciousWork = tip.chainWork;
  parts.candidates.delete(node);
  parts.headers.setSequenceId(node, parts.nextPreciousId);
  if (parts.nextPreciousId > -0x8000_0000) parts.nextPreciousId--;
  if (isConnectable(node)) {
    addCandidate(parts, node);
    parts.candidates.prune(tip);
  }
}
