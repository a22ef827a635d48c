// The ChaCha20 block function (RFC 8439), two blocks at a time, a row of the state in each vector.

/** The state: constants, key (8 words), block counter, nonce (3 words). The caller writes the last twelve. */
const STATE: usize = memory.data<u32>([0x61707865, 0x3320646e, 0x79622d32, 0x6b206574, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 16);
const MAX_BLOCKS: u32 = 64;
const OUT: usize = memory.data(64 * 64, 16);

/** Where the caller writes key, counter and nonce. */
export function key(): usize {
  return STATE + 16;
}

/** Where `keystream` leaves its blocks. */
export function output(): usize {
  return OUT;
}

function rotate16(x: v128): v128 {
  return v128.shuffle<u8>(x, x, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
}

function rotate12(x: v128): v128 {
  return v128.or(i32x4.shl(x, 12), i32x4.shr_u(x, 20));
}

function rotate8(x: v128): v128 {
  return v128.shuffle<u8>(x, x, 3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14);
}

function rotate7(x: v128): v128 {
  return v128.or(i32x4.shl(x, 7), i32x4.shr_u(x, 25));
}

function lanes1(x: v128): v128 {
  return v128.shuffle<u32>(x, x, 1, 2, 3, 0);
}

function lanes2(x: v128): v128 {
  return v128.shuffle<u32>(x, x, 2, 3, 0, 1);
}

function lanes3(x: v128): v128 {
  return v128.shuffle<u32>(x, x, 3, 0, 1, 2);
}

/** Writes `blocks` (even, at most 64) blocks of keystream from the state's counter on, and moves it on. */
export function keystream(blocks: u32): void {
  if (blocks > MAX_BLOCKS || (blocks & 1) != 0) unreachable();
  const one = i32x4(1, 0, 0, 0);
  const r0 = v128.load(STATE);
  const r1 = v128.load(STATE, 16);
  const r2 = v128.load(STATE, 32);
  let r3 = v128.load(STATE, 48);
  for (let at = OUT, end = OUT + (<usize>blocks << 6); at < end; at += 128) {
    const s3 = i32x4.add(r3, one);
    let a = r0, b = r1, c = r2, d = r3;
    let e = r0, f = r1, g = r2, h = s3;
    for (let i = 0; i < 10; i++) {
      a = i32x4.add(a, b); e = i32x4.add(e, f);
      d = rotate16(v128.xor(d, a)); h = rotate16(v128.xor(h, e));
      c = i32x4.add(c, d); g = i32x4.add(g, h);
      b = rotate12(v128.xor(b, c)); f = rotate12(v128.xor(f, g));
      a = i32x4.add(a, b); e = i32x4.add(e, f);
      d = rotate8(v128.xor(d, a)); h = rotate8(v128.xor(h, e));
      c = i32x4.add(c, d); g = i32x4.add(g, h);
      b = rotate7(v128.xor(b, c)); f = rotate7(v128.xor(f, g));
      // Columns become diagonals.
      b = lanes1(b); f = lanes1(f);
      c = lanes2(c); g = lanes2(g);
      d = lanes3(d); h = lanes3(h);
      a = i32x4.add(a, b); e = i32x4.add(e, f);
      d = rotate16(v128.xor(d, a)); h = rotate16(v128.xor(h, e));
      c = i32x4.add(c, d); g = i32x4.add(g, h);
      b = rotate12(v128.xor(b, c)); f = rotate12(v128.xor(f, g));
      a = i32x4.add(a, b); e = i32x4.add(e, f);
      d = rotate8(v128.xor(d, a)); h = rotate8(v128.xor(h, e));
      c = i32x4.add(c, d); g = i32x4.add(g, h);
      b = rotate7(v128.xor(b, c)); f = rotate7(v128.xor(f, g));
      b = lanes3(b); f = lanes3(f);
      c = lanes2(c); g = lanes2(g);
      d = lanes1(d); h = lanes1(h);
    }
    v128.store(at, i32x4.add(a, r0));
    v128.store(at, i32x4.add(b, r1), 16);
    v128.store(at, i32x4.add(c, r2), 32);
    v128.store(at, i32x4.add(d, r3), 48);
    v128.store(at, i32x4.add(e, r0), 64);
    v128.store(at, i32x4.add(f, r1), 80);
    v128.store(at, i32x4.add(g, r2), 96);
    v128.store(at, i32x4.add(h, s3), 112);
    r3 = i32x4.add(s3, one);
  }
  v128.store(STATE, r3, 48);
}
