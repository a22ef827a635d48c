/**
 * The input of a kernel, little endian: `u32 parts`, `u32 length` of each, padding to 16 bytes, then each part padded
 * to 16 bytes. Part 0 is the task's parameters, the others its inputs in order.
 */
import { writeU32 } from "#base/lib/bytes.ts";

/** Bytes of the frame of these parts. */
export function kernelFrameLength(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, part) => sum + padded(part.length), padded(4 + 4 * parts.length));
}

/** Writes the frame at the start of `into`, which has room for it; padding is zeros. */
export function writeKernelFrame(parts: readonly Uint8Array[], into: Uint8Array): void {
  let at = padded(4 + 4 * parts.length);
  into.fill(0, 0, at);
  writeU32(into, 0, parts.length);
  for (const [i, part] of parts.entries()) {
    writeU32(into, 4 + 4 * i, part.length);
    into.set(part, at);
    into.fill(0, at + part.length, at + padded(part.length));
    at += padded(part.length);
  }
}

/** Writes part 0 alone, into a frame of the same lengths whose other parts are in place. */
export function writeKernelParams(parts: readonly Uint8Array[], into: Uint8Array): void {
  into.set(parts[0]!, padded(4 + 4 * parts.length));
}

function padded(length: number): number {
  return Math.ceil(length / 16) * 16;
}
