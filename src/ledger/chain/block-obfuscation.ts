import { join } from "node:path";
import { toHex } from "#base/lib/bytes.ts";
import type { Random } from "#base/lib/random.ts";
import type { FileSystem } from "#base/store/file-system.ts";
import { readIfThere, writeAtomically } from "#base/store/write-atomically.ts";

/** Bytes of the key in `xor.dat`. */
export const XOR_KEY_LENGTH = 8;
const XOR_FILE = "xor.dat";
const DATA_FILE = /^(blk|rev)\d{5,}\.dat$/;

/** The key in a folder's `xor.dat`, all-zero where there is none. */
export async function readXorKey(files: FileSystem, folder: string): Promise<Uint8Array> {
  return (await readKey(files, join(folder, XOR_FILE))) ?? new Uint8Array(XOR_KEY_LENGTH);
}

async function readKey(files: FileSystem, path: string): Promise<Uint8Array | undefined> {
  const key = await readIfThere(files, path);
  if (key !== undefined && key.length < XOR_KEY_LENGTH) throw new Error(`${path} holds no key`);
  return key?.slice(0, XOR_KEY_LENGTH);
}

/**
 * The key of a `blocks/` folder: the stored one, or a new one, random where the folder is new (Core's
 * InitBlocksdirXorKey). It is on disk before anything is written with it.
 * @throws when `use` is false though a random key is stored.
 */
export async function obtainXorKey(
  files: FileSystem,
  folder: string,
  use: boolean,
  random: Random,
): Promise<Uint8Array> {
  const path = join(folder, XOR_FILE);
  let key = await readKey(files, path);
  if (key === undefined) {
    key = new Uint8Array(XOR_KEY_LENGTH);
    const isNew = !(await files.readDirectory(folder)).some((name) => DATA_FILE.test(name));
    if (use && isNew) random.fill(key);
    await writeAtomically(files, path, key);
  }
  if (!use && key.some((byte) => byte !== 0)) {
    throw new Error(
      "The blocksdir XOR-key can not be disabled when a random key was already stored! " +
        `Stored key: '${toHex(key)}', stored path: '${path}'.`,
    );
  }
  return key;
}

/** Applies the key in place to bytes that stand at `position` of their file; doing it twice undoes it. */
export function applyXor(bytes: Uint8Array, position: number, key: Uint8Array): void {
  const rotated = new Uint8Array(XOR_KEY_LENGTH);
  for (let i = 0; i < XOR_KEY_LENGTH; i++) rotated[i] = key[(position + i) % XOR_KEY_LENGTH]!;
  if (rotated.every((byte) => byte === 0)) return;
  let at = 0;
  if (bytes.byteOffset % 4 === 0) {
    // By words: a block is some megabytes.
    const [first, second] = new Int32Array(rotated.buffer);
    const words = new Int32Array(bytes.buffer, bytes.byteOffset, 2 * Math.floor(bytes.length / 8));
    for (let i = 0; i < words.length; i += 2) {
      words[i] = words[i]! ^ first!;
      words[i + 1] = words[i + 1]! ^ second!;
    }
    at = 4 * words.length;
  }
  for (; at < bytes.length; at++) bytes[at] = bytes[at]! ^ rotated[at % XOR_KEY_LENGTH]!;
}
