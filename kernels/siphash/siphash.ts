// SipHash-2-4 (Aumasson, Bernstein 2012). Keys and words come as 32-bit halves, low first.

const CHUNK: u32 = 1024;
const BUFFER: usize = memory.data(1024 + 8, 16);

let v0: u64, v1: u64, v2: u64, v3: u64;

function start(k0: u64, k1: u64): void {
  v0 = k0 ^ 0x736f6d6570736575;
  v1 = k1 ^ 0x646f72616e646f6d;
  v2 = k0 ^ 0x6c7967656e657261;
  v3 = k1 ^ 0x7465646279746573;
}

/** Runs `count` SipRounds. */
function rounds(count: i32): void {
  let a = v0, b = v1, c = v2, d = v3;
  for (let i = 0; i < count; i++) {
    a += b;
    b = rotl(b, 13) ^ a;
    a = rotl(a, 32);
    c += d;
    d = rotl(d, 16) ^ c;
    a += d;
    d = rotl(d, 21) ^ a;
    c += b;
    b = rotl(b, 17) ^ c;
    c = rotl(c, 32);
  }
  v0 = a;
  v1 = b;
  v2 = c;
  v3 = d;
}

function compress(word: u64): void {
  v3 ^= word;
  rounds(2);
  v0 ^= word;
}

function result(): u64 {
  v2 ^= 0xff;
  rounds(4);
  return v0 ^ v1 ^ v2 ^ v3;
}

function join(low: u32, high: u32): u64 {
  return <u64>low | (<u64>high << 32);
}

/** Where messages are put, up to 1024 bytes at a time, and the result is left. */
export function buffer(): usize {
  return BUFFER;
}

/** Starts a message. */
export function begin(k0l: u32, k0h: u32, k1l: u32, k1h: u32): void {
  start(join(k0l, k0h), join(k1l, k1h));
}

/** Takes in the first `length` bytes of the buffer, a multiple of 8. */
export function update(length: u32): void {
  if (length > CHUNK) unreachable();
  for (let at = BUFFER, end = BUFFER + <usize>length; at < end; at += 8) compress(load<u64>(at));
}

/** Ends the message with the first `length` bytes of the buffer; `total` is its whole length. */
export function finish(length: u32, total: u32): void {
  update(length & ~7);
  const rest = <u64>(length & 7) << 3;
  const last = load<u64>(BUFFER + <usize>(length & ~7)) & ((<u64>1 << rest) - 1);
  compress(last | (<u64>total << 56));
  store<u64>(BUFFER, result());
}

/** The low half of the hash of the 36 bytes of an outpoint, given as nine words: no memory is touched. */
export function outpoint(
  k0l: u32, k0h: u32, k1l: u32, k1h: u32,
  w0: u32, w1: u32, w2: u32, w3: u32, w4: u32, w5: u32, w6: u32, w7: u32, index: u32,
): u32 {
  start(join(k0l, k0h), join(k1l, k1h));
  compress(join(w0, w1));
  compress(join(w2, w3));
  compress(join(w4, w5));
  compress(join(w6, w7));
  compress(join(index, 36 << 24));
  return <u32>result();
}
