/** The key that Core and we XOR block files with, so that no virus scanner finds its signatures in them (xor.dat). */
import { join } from "node:path";
import type { FileSystem } from "#base/store/file-system.ts";
import { readIfThere } from "#base/store/write-atomically.ts";

export const XOR_FILE = "xor.dat";
export const XOR_KEY_LENGTH = 8;

/** XORs bytes that stand at `offset` of a file, in place. Doing it twice undoes it. */
export function applyXor(bytes: Uint8Array, key: Uint8Array, offset: number): void {
  if (key.every((byte) => byte === 0)) return;
  let at = offset % XOR_KEY_LENGTH;
  for (let i = 0; i < bytes.length; i++) {
    bytes[i]! ^= key[at]!;
    at = at === XOR_KEY_LENGTH - 1 ? 0 : at + 1;
  }
}

/** The key in a folder's `xor.dat`, all-zero where there is none. */
export async function readXorKey(files: FileSystem, folder: string): Promise<Uint8Array> {
  const key = await readIfThere(files, join(folder, XOR_FILE), XOR_KEY_LENGTH);
  return key?.length === XOR_KEY_LENGTH ? key : new Uint8Array(XOR_KEY_LENGTH);
}
