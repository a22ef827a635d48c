// Four messages at a time, one in each 32-bit lane.

import { INITIAL, K } from "./constants";

/** Schedule of the block at work: 64 vectors. */
const W: usize = memory.data(1024, 16);
/** Schedule of a block that is a digest with its padding; words 8 to 15 never change. */
const DIGEST_W: usize = memory.data(1024, 16);
/** Schedule of the padding block that follows a message of 64 bytes. */
const PAD64_W: usize = memory.data(1024, 16);
/** State: eight vectors. */
const STATE: usize = memory.data(128, 16);

function rotateRight(x: v128, n: i32): v128 {
  return v128.or(i32x4.shr_u(x, n), i32x4.shl(x, 32 - n));
}

function bigSigma0(x: v128): v128 {
  return v128.xor(v128.xor(rotateRight(x, 2), rotateRight(x, 13)), rotateRight(x, 22));
}

function bigSigma1(x: v128): v128 {
  return v128.xor(v128.xor(rotateRight(x, 6), rotateRight(x, 11)), rotateRight(x, 25));
}

function smallSigma0(x: v128): v128 {
  return v128.xor(v128.xor(rotateRight(x, 7), rotateRight(x, 18)), i32x4.shr_u(x, 3));
}

function smallSigma1(x: v128): v128 {
  return v128.xor(v128.xor(rotateRight(x, 17), rotateRight(x, 19)), i32x4.shr_u(x, 10));
}

function choose(e: v128, f: v128, g: v128): v128 {
  return v128.xor(g, v128.and(e, v128.xor(f, g)));
}

/** The majority of a, b and c from b, a ^ b and b ^ c. */
function majority(b: v128, ab: v128, bc: v128): v128 {
  return v128.xor(b, v128.and(ab, bc));
}

function step1(h: v128, e: v128, f: v128, g: v128, w: usize, k: usize): v128 {
  const word = i32x4.add(v128.load(w), v128.load32_splat(k));
  return i32x4.add(i32x4.add(h, word), i32x4.add(bigSigma1(e), choose(e, f, g)));
}

function step2(h: v128, a: v128, b: v128, ab: v128, bc: v128): v128 {
  return i32x4.add(h, i32x4.add(bigSigma0(a), majority(b, ab, bc)));
}

/** Writes the word of the schedule sixteen after that at `w`. */
function expand(w: usize): void {
  const word = i32x4.add(
    i32x4.add(v128.load(w), smallSigma0(v128.load(w, 16))),
    i32x4.add(v128.load(w, 144), smallSigma1(v128.load(w, 224))),
  );
  v128.store(w, word, 256);
}

function accumulate(state: usize, value: v128): void {
  v128.store(state, i32x4.add(v128.load(state), value));
}

/**
 * The 64 rounds over the schedule at `w`, eight a turn: the variables' roles come round, so nothing is moved.
 * In turns before `scheduleEnd` each round also makes the word that is used sixteen rounds later: its work
 * fills the gaps that the rounds' chain of additions leaves (a fifth faster than a pass before the rounds).
 */
function rounds(w: usize, scheduleEnd: usize): void {
  let a = v128.load(STATE);
  let b = v128.load(STATE, 16);
  let c = v128.load(STATE, 32);
  let d = v128.load(STATE, 48);
  let e = v128.load(STATE, 64);
  let f = v128.load(STATE, 80);
  let g = v128.load(STATE, 96);
  let h = v128.load(STATE, 112);
  // a ^ b of one round is b ^ c of the next.
  let x = v128.xor(b, c);
  let y: v128;
  for (let k = K; k < K + 256; k += 32, w += 128) {
    const more = w < scheduleEnd;
    if (more) expand(w);
    h = step1(h, e, f, g, w, k);
    d = i32x4.add(d, h);
    y = v128.xor(a, b);
    h = step2(h, a, b, y, x);
    if (more) expand(w + 16);
    g = step1(g, d, e, f, w + 16, k + 4);
    c = i32x4.add(c, g);
    x = v128.xor(h, a);
    g = step2(g, h, a, x, y);
    if (more) expand(w + 32);
    f = step1(f, c, d, e, w + 32, k + 8);
    b = i32x4.add(b, f);
    y = v128.xor(g, h);
    f = step2(f, g, h, y, x);
    if (more) expand(w + 48);
    e = step1(e, b, c, d, w + 48, k + 12);
    a = i32x4.add(a, e);
    x = v128.xor(f, g);
    e = step2(e, f, g, x, y);
    if (more) expand(w + 64);
    d = step1(d, a, b, c, w + 64, k + 16);
    h = i32x4.add(h, d);
    y = v128.xor(e, f);
    d = step2(d, e, f, y, x);
    if (more) expand(w + 80);
    c = step1(c, h, a, b, w + 80, k + 20);
    g = i32x4.add(g, c);
    x = v128.xor(d, e);
    c = step2(c, d, e, x, y);
    if (more) expand(w + 96);
    b = step1(b, g, h, a, w + 96, k + 24);
    f = i32x4.add(f, b);
    y = v128.xor(c, d);
    b = step2(b, c, d, y, x);
    if (more) expand(w + 112);
    a = step1(a, f, g, h, w + 112, k + 28);
    e = i32x4.add(e, a);
    x = v128.xor(b, c);
    a = step2(a, b, c, x, y);
  }
  accumulate(STATE, a);
  accumulate(STATE + 16, b);
  accumulate(STATE + 32, c);
  accumulate(STATE + 48, d);
  accumulate(STATE + 64, e);
  accumulate(STATE + 80, f);
  accumulate(STATE + 96, g);
  accumulate(STATE + 112, h);
}

function bigEndian(x: v128): v128 {
  return v128.shuffle<u8>(x, x, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12);
}

/** Four vectors at `out`: word i of the four given, in lanes 0 to 3 (a 4 × 4 transposition). */
function storeTransposed(out: usize, v0: v128, v1: v128, v2: v128, v3: v128): void {
  const low01 = v128.shuffle<u32>(v0, v1, 0, 4, 1, 5);
  const low23 = v128.shuffle<u32>(v2, v3, 0, 4, 1, 5);
  const high01 = v128.shuffle<u32>(v0, v1, 2, 6, 3, 7);
  const high23 = v128.shuffle<u32>(v2, v3, 2, 6, 3, 7);
  v128.store(out, v128.shuffle<u64>(low01, low23, 0, 2));
  v128.store(out + 16, v128.shuffle<u64>(low01, low23, 1, 3));
  v128.store(out + 32, v128.shuffle<u64>(high01, high23, 0, 2));
  v128.store(out + 48, v128.shuffle<u64>(high01, high23, 1, 3));
}

export function initializeLanes(): void {
  for (let i: usize = 0; i < 8; i++) v128.store(STATE + (i << 4), v128.load32_splat(INITIAL + (i << 2)));
}

/** Takes one 64-byte block of each message into the state. */
export function compressLanes(p0: usize, p1: usize, p2: usize, p3: usize): void {
  for (let i: usize = 0; i < 64; i += 16) {
    storeTransposed(
      W + (i << 2),
      bigEndian(v128.load(p0 + i)),
      bigEndian(v128.load(p1 + i)),
      bigEndian(v128.load(p2 + i)),
      bigEndian(v128.load(p3 + i)),
    );
  }
  rounds(W, W + 768);
}

/** Takes in the padding block that ends messages of exactly 64 bytes. */
export function compressPad64Lanes(): void {
  rounds(PAD64_W, 0);
}

/** Replaces the state, a finished digest in each lane, by the state of that digest's SHA-256. */
export function hashDigestLanes(): void {
  for (let i: usize = 0; i < 128; i += 16) v128.store(DIGEST_W + i, v128.load(STATE + i));
  initializeLanes();
  rounds(DIGEST_W, DIGEST_W + 768);
}

/** The digests of the four lanes, each to its place. */
export function writeDigestLanes(out0: usize, out1: usize, out2: usize, out3: usize): void {
  writeHalf(STATE, out0, out1, out2, out3);
  writeHalf(STATE + 64, out0 + 16, out1 + 16, out2 + 16, out3 + 16);
}

const TRANSPOSED: usize = memory.data(64, 16);

function writeHalf(state: usize, out0: usize, out1: usize, out2: usize, out3: usize): void {
  storeTransposed(
    TRANSPOSED,
    bigEndian(v128.load(state)),
    bigEndian(v128.load(state, 16)),
    bigEndian(v128.load(state, 32)),
    bigEndian(v128.load(state, 48)),
  );
  v128.store(out0, v128.load(TRANSPOSED));
  v128.store(out1, v128.load(TRANSPOSED, 16));
  v128.store(out2, v128.load(TRANSPOSED, 32));
  v128.store(out3, v128.load(TRANSPOSED, 48));
}

/** The state of one lane as the scalar code keeps it. */
export function extractLane(lane: usize, state: usize): void {
  for (let i: usize = 0; i < 8; i++) {
    store<u32>(state + (i << 2), load<u32>(STATE + (i << 4) + (lane << 2)));
  }
}

/** Sets up the constant schedules; once, when the module starts. */
export function prepareLanes(): void {
  v128.store(DIGEST_W + 128, i32x4.splat(0x80000000));
  v128.store(DIGEST_W + 240, i32x4.splat(256));
  v128.store(PAD64_W, i32x4.splat(0x80000000));
  v128.store(PAD64_W + 240, i32x4.splat(512));
  for (let i: usize = 0; i < 768; i += 16) expand(PAD64_W + i);
}
