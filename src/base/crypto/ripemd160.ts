import { newKernel } from "./kernel-file.ts";

/** What kernels/ripemd160 exports. */
interface Ripemd160Kernel {
  readonly memory: WebAssembly.Memory;
  buffer(): number;
  begin(): void;
  update(length: number): void;
  finish(length: number, total: number): void;
}

const kernel = newKernel<Ripemd160Kernel>("ripemd160");
const CHUNK = 1024;
const buffer = new Uint8Array(kernel.memory.buffer, kernel.buffer(), CHUNK);

/** RIPEMD-160. The messages of Bitcoin are 32 bytes, or an element of a script, 520 at most; any length works. */
export function ripemd160(bytes: Uint8Array): Uint8Array {
  const length = bytes.length;
  kernel.begin();
  let at = 0;
  for (; length - at > CHUNK; at += CHUNK) {
    buffer.set(bytes.subarray(at, at + CHUNK));
    kernel.update(CHUNK);
  }
  const rest = length - at;
  for (let i = 0; i < rest; i++) buffer[i] = bytes[at + i]!;
  kernel.finish(rest, length);
  const out = new Uint8Array(20);
  for (let i = 0; i < 20; i++) out[i] = buffer[i]!;
  return out;
}
