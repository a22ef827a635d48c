import { newKernel } from "./kernel-file.ts";

/** What kernels/chacha20 exports. */
interface ChaCha20Kernel {
  readonly memory: WebAssembly.Memory;
  key(): number;
  output(): number;
  keystream(blocks: number): void;
}

const kernel = newKernel<ChaCha20Kernel>("chacha20");
/** Key (8 words), block counter, nonce (3 words). The kernel's memory never grows. */
const input = new Uint8Array(kernel.memory.buffer, kernel.key(), 48);
const CHUNK = 4096;
const output = new Uint8Array(kernel.memory.buffer, kernel.output(), CHUNK);

/**
 * Keystream of ChaCha20 (RFC 8439).
 * @param key 32 bytes.
 * @param nonce 12 bytes; zeros when left out.
 * @param counter number of the first block.
 */
export function chacha20Keystream(
  key: Uint8Array,
  length: number,
  nonce?: Uint8Array,
  counter = 0,
): Uint8Array {
  input.fill(0);
  input.set(key);
  for (let i = 0; i < 4; i++) input[32 + i] = counter >>> (8 * i);
  if (nonce !== undefined) input.set(nonce, 36);
  const stream = new Uint8Array(length);
  for (let at = 0; at < length; at += CHUNK) {
    const size = Math.min(CHUNK, length - at);
    // The kernel makes blocks of 64 bytes in pairs.
    kernel.keystream(2 * Math.ceil(size / 128));
    stream.set(size === CHUNK ? output : output.subarray(0, size), at);
  }
  return stream;
}
