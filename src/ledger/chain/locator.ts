import type { ActiveChain } from "./active-chain.ts";
import type { HeaderNode } from "./header-node.ts";
import type { HeaderTree } from "./header-tree.ts";

/** Blocks that stand close together at the head of a locator; after them each step is twice the last. */
const DENSE = 10;

/** Hashes from `node` back to genesis, ever further apart (Core's LocatorEntries). */
export function locatorOf(node: HeaderNode): Uint8Array[] {
  const hashes: Uint8Array[] = [];
  let step = 1;
  for (let at: HeaderNode | null = node; at !== null; ) {
    hashes.push(at.hash.slice());
    if (at.height === 0) break;
    at = at.ancestor(Math.max(at.height - step, 0));
    if (hashes.length > DENSE) step *= 2;
  }
  return hashes;
}

/** The first of a locator's blocks that the chain has, or that descends from its tip; else genesis. */
export function findForkOf(
  locator: readonly Uint8Array[],
  active: ActiveChain,
  headers: HeaderTree,
): HeaderNode {
  for (const hash of locator) {
    const node = headers.lookup(hash);
    if (node === undefined) continue;
    if (active.contains(node)) return node;
    const { tip } = active;
    if (tip !== undefined && node.ancestor(tip.height) === tip) return tip;
  }
  return headers.root;
}
