/**
 * A block header in its chain, as consensus sees it: what it says, and a way back to its ancestors. The header
 * tree's nodes are such, and so is a header in a test.
 */
export interface HeaderContext {
  /** Double SHA-256 of the header, 32 bytes as hashed. */
  readonly hash: Uint8Array;
  readonly height: number;
  /** Signed 32-bit. */
  readonly version: number;
  /** Seconds since 1970. */
  readonly time: number;
  /** Target in compact form. */
  readonly bits: number;
  /** The previous block, `null` for genesis. */
  readonly prev: HeaderContext | null;
  /** The block of this chain at `height`; `null` when it is negative or above this one. */
  ancestor(height: number): HeaderContext | null;
  /** Median of the times of this block and the ten before it (BIP113). */
  medianTimePast(): number;
}

/** Blocks whose times make up the median time past. */
const MEDIAN_TIME_SPAN = 11;

/** Median time past by walking back (Core: `CBlockIndex::GetMedianTimePast`); what implementations call. */
export function medianTimePastOf(node: HeaderContext): number {
  const times = new Float64Array(MEDIAN_TIME_SPAN);
  let count = 0;
  for (let at: HeaderContext | null = node; at !== null && count < MEDIAN_TIME_SPAN; at = at.prev) {
    times[count] = at.time;
    count++;
  }
  return times.subarray(0, count).sort()[count >> 1]!;
}
