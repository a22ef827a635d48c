import { compareCandidates } from "./block-candidates.ts";
import type { ChainParts } from "./chain-parts.ts";
import { BlockStatus, type HeaderNode } from "./header-node.ts";

/**
 * Notes that a block's data was stored, and links it and the blocks that waited for it to the chain of those whose
 * ancestors are all here (Core's ReceivedBlockTransactions).
 */
export function receiveBlock(
  parts: ChainParts,
  node: HeaderNode,
  txCount: number,
  withWitness: boolean,
): void {
  const { headers, unlinked } = parts;
  headers.setTxCount(node, txCount);
  if (withWitness) headers.addStatus(node, BlockStatus.OPT_WITNESS);
  headers.raiseValidity(node, BlockStatus.VALID_TRANSACTIONS);
  if (node.prev !== null && node.prev.chainTxCount === 0) {
    addUnlinked(unlinked, node);
    return;
  }
  const waiting = [node];
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    headers.setChainTxCount(next, next.txCount + (next.prev?.chainTxCount ?? 0));
    headers.setSequenceId(next, parts.nextSequenceId++);
    addCandidate(parts, next);
    waiting.push(...takeUnlinked(unlinked, next));
  }
}

/** A candidate, unless it is worse than the tip. */
export function addCandidate(parts: ChainParts, node: HeaderNode, tip = lastValid(parts)): void {
  if (tip === undefined || compareCandidates(node, tip) >= 0) parts.candidates.add(node);
}

/** The tip, or the last block before it that is not invalid: a crash may come before an invalid tip is left. */
function lastValid({ active }: ChainParts): HeaderNode | undefined {
  let node = active.tip;
  while (node?.failed === true) node = node.prev ?? undefined;
  return node;
}

/** Whether a block may be a candidate at all: valid as far as known, and all before it received. */
export function isConnectable(node: HeaderNode): boolean {
  return node.isValid(BlockStatus.VALID_TRANSACTIONS) && node.chainTxCount > 0;
}

/** Finds the candidates anew, after marks of many blocks were changed. */
export function rebuildCandidates(parts: ChainParts): void {
  parts.candidates.clear();
  const tip = lastValid(parts);
  for (const node of parts.headers.nodes()) if (isConnectable(node)) addCandidate(parts, node, tip);
}

/** After loading: counts transactions from genesis on, and collects what has no place in the chain yet. */
export function linkLoadedBlocks(parts: ChainParts): void {
  const { headers, unlinked } = parts;
  for (const node of headers.nodes()) {
    if (node.prev?.failed === true) headers.addStatus(node, BlockStatus.FAILED_VALID);
    if (node.txCount === 0) continue;
    if (node.prev === null || node.prev.chainTxCount > 0) {
      headers.setChainTxCount(node, node.txCount + (node.prev?.chainTxCount ?? 0));
    } else {
      addUnlinked(unlinked, node);
    }
  }
}

export function addUnlinked(unlinked: Map<HeaderNode, HeaderNode[]>, node: HeaderNode): void {
  const siblings = unlinked.get(node.prev!);
  if (siblings === undefined) unlinked.set(node.prev!, [node]);
  else if (!siblings.includes(node)) siblings.push(node);
}

function takeUnlinked(unlinked: Map<HeaderNode, HeaderNode[]>, parent: HeaderNode): HeaderNode[] {
  const children = unlinked.get(parent) ?? [];
  unlinked.delete(parent);
  return children;
}
