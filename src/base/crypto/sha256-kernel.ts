import { newKernel } from "./kernel-file.ts";

/** What kernels/sha256 exports; addresses and lengths in bytes. See there. */
export interface Sha256Kernel {
  readonly memory: WebAssembly.Memory;
  heapBase(): number;
  smallBuffer(): number;
  hashSmall(length: number, rounds: number): void;
  hashPairs(pairs: number, count: number, out: number): void;
  fillEnds(ends: number, count: number, first: number, per: number): void;
  digest(
    arena: number,
    arenaLength: number,
    pieces: number,
    ends: number,
    count: number,
    blocks: number,
    order: number,
    rounds: number,
    out: number,
  ): number;
  assemble(arena: number, pieces: number, ends: number, message: number, to: number): number;
  rehash(at: number): void;
  hashLong(message: number, length: number, out: number): void;
}

/** A new instance with its own memory. */
export function newSha256Kernel(): Sha256Kernel {
  return newKernel<Sha256Kernel>("sha256");
}

/** Bytes of a WebAssembly page. */
const PAGE = 65_536;

/** Grows a memory to hold at least `bytes`; true when it did, and every view of it is detached. */
export function growMemory(memory: WebAssembly.Memory, bytes: number): boolean {
  const missing = bytes - memory.buffer.byteLength;
  if (missing <= 0) return false;
  memory.grow(Math.ceil(missing / PAGE));
  return true;
}
