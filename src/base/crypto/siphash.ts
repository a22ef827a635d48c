import { readI32 } from "#base/lib/bytes.ts";
import { newKernel } from "./kernel-file.ts";

/** What kernels/siphash exports. */
interface SipHashKernel {
  readonly memory: WebAssembly.Memory;
  buffer(): number;
  begin(k0l: number, k0h: number, k1l: number, k1h: number): void;
  update(length: number): void;
  finish(length: number, total: number): void;
  outpoint(
    ...words: [
      ...key: [number, number, number, number],
      ...txid: [number, number, number, number, number, number, number, number],
      index: number,
    ]
  ): number;
}

const kernel = newKernel<SipHashKernel>("siphash");
const CHUNK = 1024;
/** The kernel's memory never grows. */
const buffer = new Uint8Array(kernel.memory.buffer, kernel.buffer(), CHUNK);
const result = new Uint32Array(kernel.memory.buffer, kernel.buffer(), 2);

/** A 128-bit key: four words, k0 low, k0 high, k1 low, k1 high. */
export type SipKey = Int32Array;

/** The key from its 16 bytes, little-endian. */
export function sipKey(bytes: Uint8Array): SipKey {
  return Int32Array.of(readI32(bytes, 0), readI32(bytes, 4), readI32(bytes, 8), readI32(bytes, 12));
}

/**
 * SipHash-2-4 of `bytes`, as compact blocks (BIP152) and block filters (BIP158) use it.
 * @param out receives the 64-bit result: low word at `at`, high word after it.
 */
export function sipHash(key: SipKey, bytes: Uint8Array, out: Uint32Array, at = 0): void {
  const length = bytes.length;
  kernel.begin(key[0]!, key[1]!, key[2]!, key[3]!);
  let from = 0;
  for (; length - from > CHUNK; from += CHUNK) {
    buffer.set(bytes.subarray(from, from + CHUNK));
    kernel.update(CHUNK);
  }
  const rest = length - from;
  for (let i = 0; i < rest; i++) buffer[i] = bytes[from + i]!;
  kernel.finish(rest, length);
  out[at] = result[0]!;
  out[at + 1] = result[1]!;
}

/**
 * A salted 32-bit hash of the 36 bytes of an outpoint (txid, index) that stand at `at`: the low word of their
 * SipHash-2-4. For tables that strangers choose the keys of.
 */
export function outpointHash(key: SipKey, bytes: Uint8Array, at: number): number {
  const hash = kernel.outpoint(
    key[0]!,
    key[1]!,
    key[2]!,
    key[3]!,
    readI32(bytes, at),
    readI32(bytes, at + 4),
    readI32(bytes, at + 8),
    readI32(bytes, at + 12),
    readI32(bytes, at + 16),
    readI32(bytes, at + 20),
    readI32(bytes, at + 24),
    readI32(bytes, at + 28),
    readI32(bytes, at + 32),
  );
  return hash >>> 0;
}
