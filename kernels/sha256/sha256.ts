// SHA-256 over messages that are gathered from pieces of memory, four at a time; pairs of digests for Merkle
// trees; and single small messages. Memory: static tables, then from `heapBase` whatever the caller lays out.

import {
  compressLanes,
  compressPad64Lanes,
  extractLane,
  hashDigestLanes,
  initializeLanes,
  prepareLanes,
  writeDigestLanes,
} from "./lanes";
import { blockCount, compress, hashDigest, initialize, pad, writeDigest } from "./scalar";

/** Longest message that `hashSmall` takes. */
const SMALL_LIMIT: u32 = 1024;
/** A message of more blocks is left to the caller (see `digest`). */
const MAX_BLOCKS: u32 = 64;
/** A lane's message with padding, and room for the overlap of copies that write whole vectors. */
const LANE_SIZE: usize = 64 * 64 + 64;

const SMALL: usize = memory.data(1024 + 128, 16);
const STATE: usize = memory.data(32, 16);
const LANES: usize = memory.data(4 * (64 * 64 + 64), 16);
/** Messages of each block count, then where the next of them goes in the order. */
const BUCKETS: usize = memory.data(4 * 66, 16);
/** Digest of a lane that has no message. */
const UNUSED: usize = memory.data(32, 16);

prepareLanes();

/** First byte that the caller may use. */
export function heapBase(): usize {
  return __heap_base;
}

/** Where `hashSmall` reads its message and leaves the digest. */
export function smallBuffer(): usize {
  return SMALL;
}

/** SHA-256, or with `rounds` = 2 SHA-256 twice, of the `length` ≤ 1024 bytes in the small buffer. */
export function hashSmall(length: u32, rounds: u32): void {
  if (length > SMALL_LIMIT) unreachable();
  pad(SMALL, length);
  initialize(STATE);
  const blocks = blockCount(length);
  for (let i: u32 = 0; i < blocks; i++) compress(STATE, SMALL + (<usize>i << 6));
  writeDigest(STATE, SMALL);
  if (rounds == 2) hashDigest(SMALL, STATE);
}

/** Double SHA-256 of `count` 64-byte pairs that stand end to end. `out` may be `pairs`. */
export function hashPairs(pairs: usize, count: u32, out: usize): void {
  let done: u32 = 0;
  for (; done + 4 <= count; done += 4) {
    initializeLanes();
    compressLanes(pairs, pairs + 64, pairs + 128, pairs + 192);
    compressPad64Lanes();
    hashDigestLanes();
    writeDigestLanes(out, out + 32, out + 64, out + 96);
    pairs += 256;
    out += 128;
  }
  for (; done < count; done++) {
    memory.copy(SMALL, pairs, 64);
    hashSmall(64, 2);
    memory.copy(out, SMALL, 32);
    pairs += 64;
    out += 32;
  }
}

/** Makes `ends` say that each of `count` messages has `per` pieces, after the `first` pieces before them. */
export function fillEnds(ends: usize, count: u32, first: u32, per: u32): void {
  for (let i: u32 = 0; i < count; i++) {
    first += per;
    store<u32>(ends + (<usize>i << 2), first);
  }
}

/** Copies a message's pieces to `to`, writing up to 15 bytes too many; returns the address after it. */
function gather(arena: usize, pieces: usize, first: u32, end: u32, to: usize): usize {
  for (let p = pieces + (<usize>first << 3), last = pieces + (<usize>end << 3); p < last; p += 8) {
    const from = arena + load<u32>(p);
    const length: usize = load<u32>(p, 4);
    for (let i: usize = 0; i < length; i += 16) v128.store(to + i, v128.load(from + i));
    to += length;
  }
  return to;
}

/** Length of a message, or −1 where a piece does not lie within the arena. */
function messageLength(pieces: usize, first: u32, end: u32, arenaLength: u32): i64 {
  let length: i64 = 0;
  for (let p = pieces + (<usize>first << 3), last = pieces + (<usize>end << 3); p < last; p += 8) {
    const offset = load<u32>(p);
    const size = load<u32>(p, 4);
    if (offset > arenaLength || size > arenaLength - offset) return -1;
    length += size;
  }
  return length;
}

function firstPiece(ends: usize, message: u32): u32 {
  return message == 0 ? 0 : load<u32>(ends + (<usize>message << 2) - 4);
}

function endPiece(ends: usize, message: u32): u32 {
  return load<u32>(ends + (<usize>message << 2));
}

/**
 * Sorts the messages by falling block count into `order`, the too long ones in front.
 * `blocks` receives each message's block count (0 for a too long one).
 * Returns how many are too long, or −1 where a piece lies outside the arena.
 */
function sortByBlocks(
  arenaLength: u32,
  pieces: usize,
  ends: usize,
  count: u32,
  blocks: usize,
  order: usize,
): i32 {
  memory.fill(BUCKETS, 0, 4 * 66);
  for (let i: u32 = 0, first: u32 = 0; i < count; i++) {
    const end = endPiece(ends, i);
    const length = messageLength(pieces, first, end, arenaLength);
    if (length < 0) return -1;
    const whole = length > <i64>(MAX_BLOCKS * 64 - 9) ? 0 : blockCount(<u32>length);
    store<u32>(blocks + (<usize>i << 2), whole);
    const bucket = BUCKETS + (<usize>whole << 2);
    store<u32>(bucket, load<u32>(bucket) + 1);
    first = end;
  }
  const long = load<u32>(BUCKETS);
  let next = long;
  store<u32>(BUCKETS, 0);
  for (let b: usize = MAX_BLOCKS; b > 0; b--) {
    const bucket = BUCKETS + (b << 2);
    const size = load<u32>(bucket);
    store<u32>(bucket, next);
    next += size;
  }
  for (let i: u32 = 0; i < count; i++) {
    const bucket = BUCKETS + (<usize>load<u32>(blocks + (<usize>i << 2)) << 2);
    const at = load<u32>(bucket);
    store<u32>(bucket, at + 1);
    store<u32>(order + (<usize>at << 2), i);
  }
  return long;
}

/** Gathers a message into a lane and pads it. */
function fillLane(lane: usize, arena: usize, pieces: usize, ends: usize, message: u32): void {
  const end = gather(arena, pieces, firstPiece(ends, message), endPiece(ends, message), lane);
  pad(lane, <u32>(end - lane));
}

function countOf(blocks: usize, order: usize, at: u32): u32 {
  return load<u32>(blocks + (<usize>load<u32>(order + (<usize>at << 2)) << 2));
}

function placeOf(out: usize, order: usize, at: u32): usize {
  return out + (<usize>load<u32>(order + (<usize>at << 2)) << 5);
}

/** A message that stands alone in lane 0's buffer, from block `from` on, in STATE. */
function finishScalar(from: u32, to: u32, rounds: u32, out: usize): void {
  for (let i = from; i < to; i++) compress(STATE, LANES + (<usize>i << 6));
  writeDigest(STATE, out);
  if (rounds == 2) hashDigest(out, STATE);
}

/**
 * Hashes four messages, `at` to `at + 3` of the order, whose block counts fall. A lane whose message has ended
 * goes on with what lies in its buffer; its digest was written when it ended.
 */
function hashFour(at: u32, blocks: usize, order: usize, rounds: u32, out: usize): void {
  const n0 = countOf(blocks, order, at);
  const n1 = countOf(blocks, order, at + 1);
  const n2 = countOf(blocks, order, at + 2);
  const n3 = countOf(blocks, order, at + 3);
  const out0 = placeOf(out, order, at);
  const out1 = placeOf(out, order, at + 1);
  const out2 = placeOf(out, order, at + 2);
  const out3 = placeOf(out, order, at + 3);
  initializeLanes();
  for (let i: u32 = 0; i < n1; ) {
    const block = LANES + (<usize>i << 6);
    compressLanes(block, block + LANE_SIZE, block + 2 * LANE_SIZE, block + 3 * LANE_SIZE);
    i++;
    if (i == n3 && n3 < n1) writeDigestLanes(UNUSED, UNUSED, UNUSED, out3);
    if (i == n2 && n2 < n1) writeDigestLanes(UNUSED, UNUSED, out2, UNUSED);
  }
  // Lane 1 has ended; a longer lane 0 goes on alone.
  if (n0 > n1) extractLane(0, STATE);
  if (n3 == n1) {
    // All ended together, but perhaps lane 0: the common case, second hash in the lanes too.
    if (rounds == 2) hashDigestLanes();
    writeDigestLanes(out0, out1, out2, out3);
    if (n0 > n1) finishScalar(n1, n0, rounds, out0);
    return;
  }
  writeDigestLanes(out0, out1, n2 == n1 ? out2 : UNUSED, UNUSED);
  if (n0 > n1) finishScalar(n1, n0, 1, out0);
  if (rounds == 2) hashDigests(out0, out1, out2, out3);
}

const DIGEST_BLOCKS: usize = memory.data(256, 16);

/** Replaces four digests by their SHA-256. */
function hashDigests(out0: usize, out1: usize, out2: usize, out3: usize): void {
  digestBlock(DIGEST_BLOCKS, out0);
  digestBlock(DIGEST_BLOCKS + 64, out1);
  digestBlock(DIGEST_BLOCKS + 128, out2);
  digestBlock(DIGEST_BLOCKS + 192, out3);
  initializeLanes();
  compressLanes(DIGEST_BLOCKS, DIGEST_BLOCKS + 64, DIGEST_BLOCKS + 128, DIGEST_BLOCKS + 192);
  writeDigestLanes(out0, out1, out2, out3);
}

function digestBlock(block: usize, digest: usize): void {
  v128.store(block, v128.load(digest));
  v128.store(block, v128.load(digest, 16), 16);
  pad(block, 32);
}

/**
 * Digests of `count` messages to `out`, 32 bytes each in the order of the messages.
 *
 * `pieces` holds pairs of 32-bit words: offset from `arena`, length. Message i is made of the pieces from
 * `ends[i − 1]` (0 for the first) to `ends[i]`. `blocks` and `order` are room for `count` words each. Sixteen
 * bytes after the arena must be readable.
 *
 * Messages of more than 64 blocks are not hashed but left in front of `order`; returns their number, or −1
 * where a piece lies outside the `arenaLength` bytes from `arena` (then nothing was hashed).
 */
export function digest(
  arena: usize,
  arenaLength: u32,
  pieces: usize,
  ends: usize,
  count: u32,
  blocks: usize,
  order: usize,
  rounds: u32,
  out: usize,
): i32 {
  const long = sortByBlocks(arenaLength, pieces, ends, count, blocks, order);
  if (long < 0) return long;
  let at = <u32>long;
  for (; at + 4 <= count; at += 4) {
    for (let lane: u32 = 0; lane < 4; lane++) {
      const message = load<u32>(order + (<usize>(at + lane) << 2));
      fillLane(LANES + <usize>lane * LANE_SIZE, arena, pieces, ends, message);
    }
    hashFour(at, blocks, order, rounds, out);
  }
  for (; at < count; at++) {
    fillLane(LANES, arena, pieces, ends, load<u32>(order + (<usize>at << 2)));
    initialize(STATE);
    finishScalar(0, countOf(blocks, order, at), rounds, placeOf(out, order, at));
  }
  return long;
}

/** Copies message `message` end to end to `to`, for the caller to hash; returns its length. */
export function assemble(arena: usize, pieces: usize, ends: usize, message: u32, to: usize): u32 {
  return <u32>(gather(arena, pieces, firstPiece(ends, message), endPiece(ends, message), to) - to);
}

/** Replaces the digest at `at` by its SHA-256. */
export function rehash(at: usize): void {
  hashDigest(at, STATE);
}

/** SHA-256 of `length` bytes at `message`, which are followed by room for their padding. */
export function hashLong(message: usize, length: u32, out: usize): void {
  pad(message, length);
  initialize(STATE);
  const blocks = blockCount(length);
  for (let i: u32 = 0; i < blocks; i++) compress(STATE, message + (<usize>i << 6));
  writeDigest(STATE, out);
}
