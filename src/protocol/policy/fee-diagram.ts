import { compareFeeRates, compareProducts, type FeeRate } from "./fee-rate.ts";

/**
 * Compares the feerate diagrams of two lists of chunks, each sorted best rate first (Core: CompareChunks). A
 * diagram is the line through the running sums of size and fee, level after its end.
 * @returns 1 when the first lies nowhere below the second and somewhere above it, −1 for the opposite, 0 when
 *   they are equal, `undefined` when each is somewhere above the other.
 */
export function compareDiagrams(a: readonly FeeRate[], b: readonly FeeRate[]): number | undefined {
  const walks = [new DiagramWalk(a), new DiagramWalk(b)] as const;
  let above = false;
  let below = false;
  for (;;) {
    const [first, second] = walks;
    if (first.done && second.done) break;
    // The next corner to look at is the one that comes first; it is held against the other's line.
    const firstTurns = !first.done && (second.done || first.nextSize <= second.nextSize);
    const [turning, line] = firstTurns ? walks : [second, first];
    const side = turning.compareCorner(line) * (firstTurns ? 1 : -1);
    if (side > 0) above = true;
    if (side < 0) below = true;
    if (above && below) return undefined;
    if (first.nextSize === second.nextSize && !first.done && !second.done) line.advance();
    turning.advance();
  }
  return above ? 1 : below ? -1 : 0;
}

/** A place on a diagram: the corners passed so far summed up, and the chunk that leads to the next one. */
class DiagramWalk {
  readonly #chunks: readonly FeeRate[];
  #next = 0;
  #fee = 0;
  #size = 0;

  constructor(chunks: readonly FeeRate[]) {
    this.#chunks = chunks;
  }

  get done(): boolean {
    return this.#next === this.#chunks.length;
  }

  /** Size at the next corner. */
  get nextSize(): number {
    return this.#size + (this.#chunks[this.#next]?.size ?? 0);
  }

  advance(): void {
    const chunk = this.#chunks[this.#next++]!;
    this.#fee += chunk.fee;
    this.#size += chunk.size;
  }

  /** Sign of this diagram's next corner above the other's line at the same size. */
  compareCorner(line: DiagramWalk): number {
    const chunk = this.#chunks[this.#next]!;
    const fee = this.#fee + chunk.fee - line.#fee;
    const size = this.#size + chunk.size - line.#size;
    const slope = line.#chunks[line.#next];
    // From the line's last corner: its rise over that distance is slope.fee / slope.size × size.
    return slope === undefined ? fee : compareProducts(fee, slope.size, slope.fee, size);
  }
}

/** Best rate first. */
export function sortChunks<T extends FeeRate>(chunks: T[]): T[] {
  return chunks.sort((a, b) => compareFeeRates(b, a));
}
