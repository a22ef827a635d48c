/**
 * Bounding volume hierarchies: binary trees over boxes, split where the surface area heuristic says, in 16 bins along
 * each axis. The same boxes give the same tree.
 */

/** Bins along an axis, and how many of them are used for few boxes. */
const BINS = 16;
const FEW_BINS = 8;
const FEW_BOXES = 64;
/** From this depth on boxes are halved by number, which bounds the depth (the kernel takes 60). */
const HALVING_DEPTH = 32;

/** Six floats a box: low x y z, high x y z. */
export type Boxes = Float32Array;

export interface Tree {
  /** The boxes' numbers in the order of the leaves. */
  readonly order: Uint32Array;
  readonly nodeCount: number;
  /** Of each node the boxes of its two children: 12 floats. */
  readonly bounds: Float32Array;
  /** Of each node its two children: a node's number, or the complement of a leaf's. */
  readonly children: Int32Array;
  /** Of each leaf its first place in `order`, and one more for the end. */
  readonly leafStarts: Uint32Array;
  /** The tree's top, as `children` has it. */
  readonly root: number;
}

/** Builds a tree whose leaves hold at most `leafSize` boxes; children stand behind their parent. At least one box. */
export function buildTree(boxes: Boxes, leafSize: number): Tree {
  return new TreeBuilder(boxes, leafSize).build();
}

class TreeBuilder {
  readonly #boxes: Boxes;
  readonly #leafSize: number;
  readonly #order: Uint32Array;
  readonly #scratch: Uint32Array;
  readonly #centres: Float32Array;
  readonly #bounds: Float32Array;
  readonly #children: Int32Array;
  readonly #leafStarts: Uint32Array;
  #nodes = 0;
  #leaves = 0;
  // Of the three axes' bins: how many boxes, and their common box.
  readonly #counts = new Uint32Array(3 * BINS);
  readonly #bins = new Float32Array(3 * BINS * 6);
  readonly #rightAreas = new Float64Array(BINS);
  readonly #box = new Float32Array(6);
  readonly #running = new Float32Array(6);

  constructor(boxes: Boxes, leafSize: number) {
    const count = boxes.length / 6;
    this.#boxes = boxes;
    this.#leafSize = leafSize;
    this.#order = Uint32Array.from({ length: count }, (_, i) => i);
    this.#scratch = new Uint32Array(count);
    this.#centres = new Float32Array(3 * count);
    for (let i = 0; i < count; i++) {
      for (let axis = 0; axis < 3; axis++) {
        this.#centres[3 * i + axis] = (boxes[6 * i + axis]! + boxes[6 * i + 3 + axis]!) * 0.5;
      }
    }
    this.#bounds = new Float32Array(12 * Math.max(1, count));
    this.#children = new Int32Array(2 * Math.max(1, count));
    this.#leafStarts = new Uint32Array(count + 1);
  }

  build(): Tree {
    const count = this.#order.length;
    const root = this.#build(0, count, 0);
    this.#leafStarts[this.#leaves] = count;
    return {
      order: this.#order,
      nodeCount: this.#nodes,
      bounds: this.#bounds.subarray(0, 12 * this.#nodes),
      children: this.#children.subarray(0, 2 * this.#nodes),
      leafStarts: this.#leafStarts.subarray(0, this.#leaves + 1),
      root,
    };
  }

  #build(start: number, end: number, depth: number): number {
    if (end - start <= this.#leafSize) {
      this.#leafStarts[this.#leaves] = start;
      return ~this.#leaves++;
    }
    const middle = this.#split(start, end, depth);
    const node = this.#nodes++;
    this.#writeBounds(start, middle, 12 * node);
    this.#writeBounds(middle, end, 12 * node + 6);
    this.#children[2 * node] = this.#build(start, middle, depth + 1);
    this.#children[2 * node + 1] = this.#build(middle, end, depth + 1);
    return node;
  }

  #writeBounds(start: number, end: number, at: number): void {
    const boxes = this.#boxes;
    const out = this.#bounds;
    out.fill(Number.POSITIVE_INFINITY, at, at + 3);
    out.fill(Number.NEGATIVE_INFINITY, at + 3, at + 6);
    for (let i = start; i < end; i++) widen(out, at, boxes, 6 * this.#order[i]!);
  }

  /** Orders start … end − 1 in two parts, none empty; returns where the second begins. */
  #split(start: number, end: number, depth: number): number {
    const half = (start + end) >>> 1;
    if (depth >= HALVING_DEPTH) return half;
    const centres = this.#centreBox(start, end);
    const bins = end - start < FEW_BOXES ? FEW_BINS : BINS;
    this.#fillBins(start, end, centres, bins);
    let best = Number.POSITIVE_INFINITY;
    let bestAxis = -1;
    let bestBin = 0;
    for (let axis = 0; axis < 3; axis++) {
      if (!(centres[3 + axis]! > centres[axis]!)) continue;
      const { cost, bin } = this.#cheapest(axis, end - start, bins);
      if (cost < best) {
        best = cost;
        bestAxis = axis;
        bestBin = bin;
      }
    }
    return bestAxis < 0 ? half : this.#partition(start, end, bestAxis, bestBin, centres, bins);
  }

  #centreBox(start: number, end: number): Float32Array {
    const box = this.#box;
    box.fill(Number.POSITIVE_INFINITY, 0, 3);
    box.fill(Number.NEGATIVE_INFINITY, 3, 6);
    for (let i = start; i < end; i++) {
      const at = 3 * this.#order[i]!;
      for (let axis = 0; axis < 3; axis++) {
        const centre = this.#centres[at + axis]!;
        if (centre < box[axis]!) box[axis] = centre;
        if (centre > box[3 + axis]!) box[3 + axis] = centre;
      }
    }
    return box;
  }

  #fillBins(start: number, end: number, centreBox: Float32Array, used: number): void {
    const counts = this.#counts;
    const bins = this.#bins;
    const boxes = this.#boxes;
    const centres = this.#centres;
    const order = this.#order;
    counts.fill(0);
    for (let at = 0; at < bins.length; at += 6) {
      bins[at] = bins[at + 1] = bins[at + 2] = Number.POSITIVE_INFINITY;
      bins[at + 3] = bins[at + 4] = bins[at + 5] = Number.NEGATIVE_INFINITY;
    }
    for (let axis = 0; axis < 3; axis++) {
      const low = centreBox[axis]!;
      const scale = used / (centreBox[3 + axis]! - low);
      if (!Number.isFinite(scale)) continue;
      for (let i = start; i < end; i++) {
        const box = order[i]!;
        const bin = axis * BINS + binOf(centres[3 * box + axis]!, low, scale, used);
        counts[bin]!++;
        widen(bins, 6 * bin, boxes, 6 * box);
      }
    }
  }

  /** The bin after which splitting an axis costs least: area times number of blocks, both sides. */
  #cheapest(axis: number, total: number, used: number): { cost: number; bin: number } {
    const box = this.#running;
    const first = axis * BINS;
    box.fill(Number.POSITIVE_INFINITY, 0, 3);
    box.fill(Number.NEGATIVE_INFINITY, 3, 6);
    for (let bin = used - 1; bin > 0; bin--) {
      widen(box, 0, this.#bins, 6 * (first + bin));
      this.#rightAreas[bin] = halfArea(box);
    }
    box.fill(Number.POSITIVE_INFINITY, 0, 3);
    box.fill(Number.NEGATIVE_INFINITY, 3, 6);
    let cost = Number.POSITIVE_INFINITY;
    let best = 0;
    let left = 0;
    for (let bin = 0; bin < used - 1; bin++) {
      widen(box, 0, this.#bins, 6 * (first + bin));
      left += this.#counts[first + bin]!;
      if (left === 0 || left === total) continue;
      const here =
        halfArea(box) * this.#blocks(left) + this.#rightAreas[bin + 1]! * this.#blocks(total - left);
      if (here < cost) {
        cost = here;
        best = bin;
      }
    }
    return { cost, bin: best };
  }

  #blocks(count: number): number {
    return Math.ceil(count / this.#leafSize);
  }

  /** A stable partition: boxes up to `bin` first. */
  #partition(
    start: number,
    end: number,
    axis: number,
    bin: number,
    centres: Float32Array,
    used: number,
  ): number {
    const low = centres[axis]!;
    const scale = used / (centres[3 + axis]! - low);
    let middle = start;
    let right = 0;
    for (let i = start; i < end; i++) {
      const box = this.#order[i]!;
      if (binOf(this.#centres[3 * box + axis]!, low, scale, used) <= bin) this.#order[middle++] = box;
      else this.#scratch[right++] = box;
    }
    this.#order.set(this.#scratch.subarray(0, right), middle);
    return middle;
  }
}

function binOf(centre: number, low: number, scale: number, used: number): number {
  return Math.min(used - 1, Math.floor((centre - low) * scale));
}

/** Makes the box at `at` hold the other one too. */
export function widen(box: Float32Array, at: number, other: Float32Array, from: number): void {
  // Written out: half of the time of building a tree is spent here.
  if (other[from]! < box[at]!) box[at] = other[from]!;
  if (other[from + 1]! < box[at + 1]!) box[at + 1] = other[from + 1]!;
  if (other[from + 2]! < box[at + 2]!) box[at + 2] = other[from + 2]!;
  if (other[from + 3]! > box[at + 3]!) box[at + 3] = other[from + 3]!;
  if (other[from + 4]! > box[at + 4]!) box[at + 4] = other[from + 4]!;
  if (other[from + 5]! > box[at + 5]!) box[at + 5] = other[from + 5]!;
}

function halfArea(box: Float32Array): number {
  const x = box[3]! - box[0]!;
  const y = box[4]! - box[1]!;
  const z = box[5]! - box[2]!;
  return x < 0 ? 0 : x * y + y * z + z * x;
}
