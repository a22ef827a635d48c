export interface TxGraphLimits {
  /** Most transactions in a cluster. */
  readonly maxCount: number;
  /** Largest sum of sizes in a cluster, in the unit of the sizes (adjusted weight in the mempool). */
  readonly maxSize: number;
}

/** A cluster as far as it was put together. */
interface Part {
  readonly count: number;
  readonly size: number;
  /** A transaction of the larger part that it went into, or its own name. */
  into: number;
}

/**
 * What to leave out of a component that is too large: its transactions are taken in the given order, parents first,
 * while the clusters that they form keep the limits (Core: TxGraph::Trim).
 */
export function excessOf(
  order: readonly number[],
  graph: { parents(slot: number): readonly number[]; size(slot: number): number },
  limits: TxGraphLimits,
): number[] {
  const parts = new Map<number, Part>();
  const rootOf = (slot: number): number => {
    const part = parts.get(slot)!;
    if (part.into !== slot) part.into = rootOf(part.into);
    return part.into;
  };
  const excess: number[] = [];
  for (const slot of order) {
    const parents = graph.parents(slot);
    const roots = new Set(parents.filter((parent) => parts.has(parent)).map(rootOf));
    let count = 1;
    let size = graph.size(slot);
    for (const root of roots) {
      count += parts.get(root)!.count;
      size += parts.get(root)!.size;
    }
    const orphaned = parents.some((parent) => !parts.has(parent));
    if (orphaned || count > limits.maxCount || size > limits.maxSize) {
      excess.push(slot);
      continue;
    }
    for (const root of roots) parts.get(root)!.into = slot;
    parts.set(slot, { count, size, into: slot });
  }
  return excess;
}
