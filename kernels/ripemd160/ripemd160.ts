// RIPEMD-160 (Dobbertin, Bosselaers, Preneel 1996) of one message at a time.

/** Longest message that the buffer holds. */
const LIMIT: u32 = 1024;

const BUFFER: usize = memory.data(1024 + 128, 16);
const STATE: usize = memory.data(20, 16);

/** Word of the block that each step takes, left line then right. */
const WORDS: usize = memory.data<u8>([
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
  7, 4, 13, 1, 10, 6, 15, 3, 12, 0, 9, 5, 2, 14, 11, 8,
  3, 10, 14, 4, 9, 15, 8, 1, 2, 7, 0, 6, 13, 11, 5, 12,
  1, 9, 11, 10, 0, 8, 12, 4, 13, 3, 7, 15, 14, 5, 6, 2,
  4, 0, 5, 9, 7, 12, 2, 10, 14, 1, 3, 8, 11, 6, 15, 13,
  5, 14, 7, 0, 9, 2, 11, 4, 13, 6, 15, 8, 1, 10, 3, 12,
  6, 11, 3, 7, 0, 13, 5, 10, 14, 15, 8, 12, 4, 9, 1, 2,
  15, 5, 1, 3, 7, 14, 6, 9, 11, 8, 12, 2, 10, 0, 4, 13,
  8, 6, 4, 1, 3, 11, 15, 0, 5, 12, 2, 13, 9, 7, 10, 14,
  12, 15, 10, 4, 1, 5, 8, 7, 6, 2, 13, 14, 0, 3, 9, 11,
]);

/** How far each step rotates, left line then right. */
const SHIFTS: usize = memory.data<u8>([
  11, 14, 15, 12, 5, 8, 7, 9, 11, 13, 14, 15, 6, 7, 9, 8,
  7, 6, 8, 13, 11, 9, 7, 15, 7, 12, 15, 9, 11, 7, 13, 12,
  11, 13, 6, 7, 14, 9, 13, 15, 14, 8, 13, 6, 5, 12, 7, 5,
  11, 12, 14, 15, 14, 15, 9, 8, 9, 14, 5, 6, 8, 6, 5, 12,
  9, 15, 5, 11, 6, 8, 13, 12, 5, 12, 13, 14, 11, 8, 5, 6,
  8, 9, 9, 11, 13, 15, 15, 5, 7, 7, 8, 11, 14, 14, 12, 6,
  9, 13, 15, 7, 12, 8, 9, 11, 7, 7, 12, 7, 6, 15, 13, 11,
  9, 7, 15, 11, 8, 6, 6, 14, 12, 13, 5, 14, 13, 13, 7, 5,
  15, 5, 8, 11, 14, 14, 6, 14, 6, 9, 12, 9, 12, 5, 15, 8,
  8, 5, 12, 9, 12, 5, 14, 6, 8, 13, 6, 5, 15, 13, 11, 11,
]);

function f0(x: u32, y: u32, z: u32): u32 {
  return x ^ y ^ z;
}

function f1(x: u32, y: u32, z: u32): u32 {
  return z ^ (x & (y ^ z));
}

function f2(x: u32, y: u32, z: u32): u32 {
  return (x | ~y) ^ z;
}

function f3(x: u32, y: u32, z: u32): u32 {
  return y ^ (z & (x ^ y));
}

function f4(x: u32, y: u32, z: u32): u32 {
  return x ^ (y | ~z);
}

/** One step of a line without its last addition: rotates a + f + word + constant. */
function turn(sum: u32, block: usize, step: usize): u32 {
  return rotl(sum + load<u32>(block + (<usize>load<u8>(WORDS + step) << 2)), <u32>load<u8>(SHIFTS + step));
}

/** Takes in one 64-byte block. The two lines run side by side, so that each fills the other's waits. */
function compress(block: usize): void {
  const h0 = load<u32>(STATE);
  const h1 = load<u32>(STATE, 4);
  const h2 = load<u32>(STATE, 8);
  const h3 = load<u32>(STATE, 12);
  const h4 = load<u32>(STATE, 16);
  let a = h0, b = h1, c = h2, d = h3, e = h4;
  let A = h0, B = h1, C = h2, D = h3, E = h4;
  let t: u32, T: u32;
  let i: usize = 0;
  for (; i < 16; i++) {
    t = turn(a + f0(b, c, d), block, i) + e;
    T = turn(A + f4(B, C, D) + 0x50a28be6, block, i + 80) + E;
    a = e; e = d; d = rotl(c, 10); c = b; b = t;
    A = E; E = D; D = rotl(C, 10); C = B; B = T;
  }
  for (; i < 32; i++) {
    t = turn(a + f1(b, c, d) + 0x5a827999, block, i) + e;
    T = turn(A + f3(B, C, D) + 0x5c4dd124, block, i + 80) + E;
    a = e; e = d; d = rotl(c, 10); c = b; b = t;
    A = E; E = D; D = rotl(C, 10); C = B; B = T;
  }
  for (; i < 48; i++) {
    t = turn(a + f2(b, c, d) + 0x6ed9eba1, block, i) + e;
    T = turn(A + f2(B, C, D) + 0x6d703ef3, block, i + 80) + E;
    a = e; e = d; d = rotl(c, 10); c = b; b = t;
    A = E; E = D; D = rotl(C, 10); C = B; B = T;
  }
  for (; i < 64; i++) {
    t = turn(a + f3(b, c, d) + 0x8f1bbcdc, block, i) + e;
    T = turn(A + f1(B, C, D) + 0x7a6d76e9, block, i + 80) + E;
    a = e; e = d; d = rotl(c, 10); c = b; b = t;
    A = E; E = D; D = rotl(C, 10); C = B; B = T;
  }
  for (; i < 80; i++) {
    t = turn(a + f4(b, c, d) + 0xa953fd4e, block, i) + e;
    T = turn(A + f0(B, C, D), block, i + 80) + E;
    a = e; e = d; d = rotl(c, 10); c = b; b = t;
    A = E; E = D; D = rotl(C, 10); C = B; B = T;
  }
  store<u32>(STATE, h1 + c + D);
  store<u32>(STATE, h2 + d + E, 4);
  store<u32>(STATE, h3 + e + A, 8);
  store<u32>(STATE, h4 + a + B, 12);
  store<u32>(STATE, h0 + b + C, 16);
}

/** Where the message is put and the 20 bytes of its digest are found. */
export function buffer(): usize {
  return BUFFER;
}

/** Starts a message. */
export function begin(): void {
  store<u32>(STATE, 0x67452301);
  store<u32>(STATE, 0xefcdab89, 4);
  store<u32>(STATE, 0x98badcfe, 8);
  store<u32>(STATE, 0x10325476, 12);
  store<u32>(STATE, 0xc3d2e1f0, 16);
}

/** Takes in the first `length` bytes of the buffer, a multiple of 64. */
export function update(length: u32): void {
  if (length > LIMIT || (length & 63) != 0) unreachable();
  for (let at: usize = 0; at < <usize>length; at += 64) compress(BUFFER + at);
}

/** Ends the message with the first `length` bytes of the buffer; `total` is its whole length. */
export function finish(length: u32, total: u32): void {
  if (length > LIMIT) unreachable();
  const end = (<usize>length + 72) & ~63;
  let at: usize = length;
  store<u8>(BUFFER + at++, 0x80);
  while (at & 7) store<u8>(BUFFER + at++, 0);
  for (; at < end - 8; at += 8) store<u64>(BUFFER + at, 0);
  store<u64>(BUFFER + end - 8, <u64>total << 3);
  for (at = 0; at < end; at += 64) compress(BUFFER + at);
  memory.copy(BUFFER, STATE, 20);
}
