import type { ChainParts } from "./chain-parts.ts";
import { BlockStatus, type HeaderNode } from "./header-node.ts";

/** Where a branch of the tree ends, as getchaintips tells it. */
export interface ChainTip {
  readonly node: HeaderNode;
  /** Blocks of the branch that are not in the active chain. */
  readonly branchLength: number;
  readonly status: "active" | "invalid" | "headers-only" | "valid-headers" | "valid-fork" | "unknown";
}

/** The ends of all branches, the highest first (Core's getchaintips). */
export function chainTips({ headers, active }: Pick<ChainParts, "headers" | "active">): ChainTip[] {
  const parents = new Set<HeaderNode>();
  for (const node of headers.nodes()) {
    if (!active.contains(node) && node.prev !== null) parents.add(node.prev);
  }
  const ends: HeaderNode[] = [];
  for (const node of headers.nodes()) {
    if (!active.contains(node) && !parents.has(node)) ends.push(node);
  }
  if (active.tip !== undefined) ends.push(active.tip);
  ends.sort((a, b) => b.height - a.height || a.index - b.index);
  return ends.map((node) => ({
    node,
    branchLength: node.height - active.fork(node)!.height,
    status: statusOf(node, active.contains(node)),
  }));
}

function statusOf(node: HeaderNode, isActive: boolean): ChainTip["status"] {
  if (isActive) return "active";
  if (node.failed) return "invalid";
  // Also a block that came before one of its ancestors.
  if (node.chainTxCount === 0) return "headers-only";
  if (node.isValid(BlockStatus.VALID_SCRIPTS)) return "valid-fork";
  return node.isValid(BlockStatus.VALID_TREE) ? "valid-headers" : "unknown";
}
