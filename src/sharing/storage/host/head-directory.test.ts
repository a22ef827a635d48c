import assert from "node:assert/strict";
import { test } from "node:test";
import { type MemoryMesh, MemoryNetwork } from "#sharing/mesh/memory-mesh.ts";
import { HeadDirectory } from "./head-directory.ts";

function headKey(n: number): Uint8Array {
  const key = new Uint8Array(32);
  new DataView(key.buffer).setUint32(0, n);
  return key;
}

/** Announces keys 0 … count − 1, as many in a message as there may be. */
function announce(directory: HeadDirectory, peer: MemoryMesh, count: number, from = 0): void {
  for (let at = 0; at < count; at += 512) {
    const keys = Array.from({ length: Math.min(512, count - at) }, (_, i) => headKey(from + at + i));
    directory.announced(peer.self, at === 0, keys);
  }
}

test("a stranger's announced keys are 512 at most, a friend's 8,192", () => {
  const network = new MemoryNetwork();
  const mesh = network.join();
  const [friend, stranger] = [network.join(), network.join({ circle: undefined })];
  const directory = new HeadDirectory(mesh);
  const isHeld = (n: number): boolean => directory.holders(headKey(n)).length > 0;
  announce(directory, stranger, 1024);
  assert.deepEqual([0, 511, 512, 1023].map(isHeld), [true, true, false, false]);
  announce(directory, friend, 9000, 10_000);
  assert.deepEqual([10_000, 18_191, 18_192].map(isHeld), [true, true, false]);
  // A stranger is forgotten when it goes, a friend is not.
  network.kill(stranger.self);
  network.kill(friend.self);
  assert.deepEqual([0, 10_000].map(isHeld), [false, true]);
  directory.close();
});

test("of more than 1,024 peers that announced something the oldest are forgotten", () => {
  const network = new MemoryNetwork();
  const directory = new HeadDirectory(network.join());
  for (let i = 0; i < 1025; i++) directory.announced(`peer ${i}`, true, [headKey(i)]);
  assert.equal(directory.holders(headKey(0)).length, 0);
  assert.equal(directory.holders(headKey(1)).length, 1);
  assert.equal(directory.holders(headKey(1024)).length, 1);
  directory.close();
});
