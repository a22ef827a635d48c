import { toHexReversed } from "#base/lib/bytes.ts";
import type { Rejection } from "#protocol/consensus/rejection.ts";
import type { ChainParts } from "./chain-parts.ts";
import { BlockStatus, type HeaderNode } from "./header-node.ts";

/**
 * Marks a block that broke a rule, and all after it, and never tries them again (Core's InvalidBlockFound). Data
 * that does not fit its header says nothing of the block.
 */
export function invalidBlockFound(parts: ChainParts, node: HeaderNode, rejection: Rejection): void {
  if (rejection.result !== "mutated") markInvalid(parts, node);
}

/** Marks a block and its descendants as invalid. */
export function markInvalid(parts: ChainParts, node: HeaderNode): void {
  const { headers, candidates } = parts;
  parts.cleared = undefined;
  headers.addStatus(node, BlockStatus.FAILED_VALID);
  candidates.delete(node);
  for (let index = node.index + 1; index < headers.size; index++) {
    const later = headers.node(index)!;
    if (later.prev?.failed !== true || later.failed) continue;
    headers.addStatus(later, BlockStatus.FAILED_VALID);
    candidates.delete(later);
  }
  if (headers.best.ancestor(node.height) === node) headers.recalculateBest();
  parts.log.info(
    `InvalidChainFound: invalid block=${toHexReversed(node.hash)}  height=${node.height}  date=${isoTime(node.time)}`,
  );
}

/** Seconds since 1970 as Core writes dates. */
export function isoTime(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace(".000Z", "Z");
}
