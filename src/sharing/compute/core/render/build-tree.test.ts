import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "#base/lib/random.ts";
import { buildTree, type Tree } from "./build-tree.ts";

const random = new SeededRandom(4);

function randomBoxes(count: number, size: number): Float32Array {
  const boxes = new Float32Array(6 * count);
  for (let i = 0; i < count; i++) {
    for (let axis = 0; axis < 3; axis++) {
      boxes[6 * i + axis] = random.below(1000);
      boxes[6 * i + 3 + axis] = boxes[6 * i + axis]! + random.below(size);
    }
  }
  return boxes;
}

/** Holds a tree to its promises; returns its depth. */
function check(tree: Tree, boxes: Float32Array, leafSize: number): number {
  assert.deepEqual(
    [...tree.order].sort((a, b) => a - b),
    [...Array(boxes.length / 6).keys()],
  );
  let depth = 0;
  let leaves = 0;
  const visit = (ref: number, bounds: Float32Array | undefined, level: number): void => {
    depth = Math.max(depth, level);
    if (ref >= 0) {
      for (const side of [0, 1]) {
        const child = tree.children[2 * ref + side]!;
        assert.ok(child < 0 || child > ref);
        visit(child, tree.bounds.subarray(12 * ref + 6 * side, 12 * ref + 6 * side + 6), level + 1);
      }
      return;
    }
    leaves++;
    const [start, end] = [tree.leafStarts[~ref]!, tree.leafStarts[~ref + 1]!];
    assert.ok(end > start && end - start <= leafSize);
    for (const index of tree.order.subarray(start, end)) {
      for (let axis = 0; axis < 3 && bounds !== undefined; axis++) {
        assert.ok(boxes[6 * index + axis]! >= bounds[axis]!);
        assert.ok(boxes[6 * index + 3 + axis]! <= bounds[3 + axis]!);
      }
    }
  };
  visit(tree.root, undefined, 1);
  assert.equal(leaves, tree.leafStarts.length - 1);
  return depth;
}

test("every box stands in one leaf, inside the boxes above it", () => {
  for (const [count, leafSize] of [
    [1, 4],
    [4, 4],
    [5, 4],
    [2000, 4],
    [777, 1],
  ] as const) {
    const boxes = randomBoxes(count, 40);
    check(buildTree(boxes, leafSize), boxes, leafSize);
  }
});

test("boxes at one place, on one line, or ever closer give no deep tree", () => {
  const same = new Float32Array(6 * 5000).fill(3);
  assert.ok(check(buildTree(same, 4), same, 4) < 20);
  const line = Float32Array.from({ length: 6 * 5000 }, (_, i) => (i % 3 === 0 ? Math.floor(i / 6) : 0));
  assert.ok(check(buildTree(line, 4), line, 4) < 60);
  // Each box half as far from the last: a bin splits off few.
  const closer = Float32Array.from({ length: 6 * 3000 }, (_, i) => 1e30 * 0.7 ** Math.floor(i / 6));
  assert.ok(check(buildTree(closer, 4), closer, 4) < 60);
});

test("the same boxes give the same tree; a good one has little area for rays to hit", () => {
  const boxes = randomBoxes(3000, 20);
  const tree = buildTree(boxes, 4);
  assert.deepEqual(buildTree(boxes, 4), tree);
  const area = (at: number): number => {
    const [x, y, z] = [0, 1, 2].map((axis) => tree.bounds[at + 3 + axis]! - tree.bounds[at + axis]!);
    return x! * y! + y! * z! + z! * x!;
  };
  let total = 0;
  for (let at = 0; at < tree.bounds.length; at += 6) total += area(at);
  // Halves by number along one axis alone, the same boxes come to 120 times the root's area and more.
  assert.ok(total / (3 * 1020 ** 2) < 60, `${total / (3 * 1020 ** 2)}`);
});

test("a hundred thousand boxes take no more than a moment", () => {
  const boxes = randomBoxes(100_000, 10);
  const start = process.cpuUsage();
  const tree = buildTree(boxes, 4);
  const { user, system } = process.cpuUsage(start);
  assert.ok(tree.nodeCount > 20_000);
  assert.ok((user + system) / 1e6 < 3, `${(user + system) / 1e6} s`);
});
