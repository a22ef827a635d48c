// One message at a time.

import { INITIAL, K } from "./constants";

const W: usize = memory.data(256, 16);

function bigSigma0(x: u32): u32 {
  return rotr(x, 2) ^ rotr(x, 13) ^ rotr(x, 22);
}

function bigSigma1(x: u32): u32 {
  return rotr(x, 6) ^ rotr(x, 11) ^ rotr(x, 25);
}

function smallSigma0(x: u32): u32 {
  return rotr(x, 7) ^ rotr(x, 18) ^ (x >> 3);
}

function smallSigma1(x: u32): u32 {
  return rotr(x, 17) ^ rotr(x, 19) ^ (x >> 10);
}

function choose(e: u32, f: u32, g: u32): u32 {
  return g ^ (e & (f ^ g));
}

/** The majority of a, b and c from b, a ^ b and b ^ c. */
function majority(b: u32, ab: u32, bc: u32): u32 {
  return b ^ (ab & bc);
}

/** Writes the word of the schedule sixteen after that at `w`. */
function expand(w: usize): void {
  const word = load<u32>(w) + smallSigma0(load<u32>(w, 4)) + load<u32>(w, 36) + smallSigma1(load<u32>(w, 56));
  store<u32>(w, word, 64);
}

function add(state: usize, value: u32): void {
  store<u32>(state, load<u32>(state) + value);
}

/** Takes one 64-byte block into the state (eight native-order words). See `rounds` in lanes.ts for the shape. */
export function compress(state: usize, block: usize): void {
  for (let i: usize = 0; i < 64; i += 4) store<u32>(W + i, bswap<u32>(load<u32>(block + i)));
  let a = load<u32>(state);
  let b = load<u32>(state, 4);
  let c = load<u32>(state, 8);
  let d = load<u32>(state, 12);
  let e = load<u32>(state, 16);
  let f = load<u32>(state, 20);
  let g = load<u32>(state, 24);
  let h = load<u32>(state, 28);
  // a ^ b of one round is b ^ c of the next.
  let x = b ^ c;
  let y: u32;
  for (let i: usize = 0; i < 256; i += 32) {
    const w = W + i;
    const k = K + i;
    const more = i < 192;
    if (more) expand(w);
    h += bigSigma1(e) + choose(e, f, g) + load<u32>(w) + load<u32>(k);
    d += h;
    y = a ^ b;
    h += bigSigma0(a) + majority(b, y, x);
    if (more) expand(w + 4);
    g += bigSigma1(d) + choose(d, e, f) + load<u32>(w, 4) + load<u32>(k, 4);
    c += g;
    x = h ^ a;
    g += bigSigma0(h) + majority(a, x, y);
    if (more) expand(w + 8);
    f += bigSigma1(c) + choose(c, d, e) + load<u32>(w, 8) + load<u32>(k, 8);
    b += f;
    y = g ^ h;
    f += bigSigma0(g) + majority(h, y, x);
    if (more) expand(w + 12);
    e += bigSigma1(b) + choose(b, c, d) + load<u32>(w, 12) + load<u32>(k, 12);
    a += e;
    x = f ^ g;
    e += bigSigma0(f) + majority(g, x, y);
    if (more) expand(w + 16);
    d += bigSigma1(a) + choose(a, b, c) + load<u32>(w, 16) + load<u32>(k, 16);
    h += d;
    y = e ^ f;
    d += bigSigma0(e) + majority(f, y, x);
    if (more) expand(w + 20);
    c += bigSigma1(h) + choose(h, a, b) + load<u32>(w, 20) + load<u32>(k, 20);
    g += c;
    x = d ^ e;
    c += bigSigma0(d) + majority(e, x, y);
    if (more) expand(w + 24);
    b += bigSigma1(g) + choose(g, h, a) + load<u32>(w, 24) + load<u32>(k, 24);
    f += b;
    y = c ^ d;
    b += bigSigma0(c) + majority(d, y, x);
    if (more) expand(w + 28);
    a += bigSigma1(f) + choose(f, g, h) + load<u32>(w, 28) + load<u32>(k, 28);
    e += a;
    x = b ^ c;
    a += bigSigma0(b) + majority(c, x, y);
  }
  add(state, a);
  add(state + 4, b);
  add(state + 8, c);
  add(state + 12, d);
  add(state + 16, e);
  add(state + 20, f);
  add(state + 24, g);
  add(state + 28, h);
}

export function initialize(state: usize): void {
  v128.store(state, v128.load(INITIAL));
  v128.store(state + 16, v128.load(INITIAL + 16));
}

/** Writes the state as the 32 bytes of a digest; `out` may be `state`. */
export function writeDigest(state: usize, out: usize): void {
  for (let i: usize = 0; i < 32; i += 4) store<u32>(out + i, bswap<u32>(load<u32>(state + i)));
}

/** Blocks of a message of that length with its padding. */
export function blockCount(length: u32): u32 {
  return (length + 72) >> 6;
}

/**
 * Writes the padding after a message that stands at `message`: 0x80, zeros, the length in bits.
 * Room for it (up to the end of its last block) must follow.
 */
export function pad(message: usize, length: u32): void {
  const end = message + (<usize>blockCount(length) << 6);
  let at = message + length;
  store<u8>(at++, 0x80);
  while (at & 7) store<u8>(at++, 0);
  for (; at < end - 8; at += 8) store<u64>(at, 0);
  store<u64>(end - 8, bswap<u64>(<u64>length << 3));
}

const DIGEST_BLOCK: usize = memory.data(64, 16);

/** Replaces a digest by its SHA-256. */
export function hashDigest(digest: usize, state: usize): void {
  memory.copy(DIGEST_BLOCK, digest, 32);
  pad(DIGEST_BLOCK, 32);
  initialize(state);
  compress(state, DIGEST_BLOCK);
  writeDigest(state, digest);
}
