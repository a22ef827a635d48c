/** The device key: made at the first start, kept in the data directory; a copy of the account's seed does not hold it. */
import { join } from "node:path";
import type { Random } from "#base/lib/random.ts";
import type { FileSystem } from "#base/store/file-system.ts";
import { readIfThere, writeAtomically } from "#base/store/write-atomically.ts";

/** Bytes of an Ed25519 seed. */
const SEED = 32;

/** The 32-byte seed of this device's key. @throws Error when the file holds something else */
export async function openDeviceSeed(
  directory: string,
  dependencies: { readonly files: FileSystem; readonly random: Random },
): Promise<Uint8Array> {
  const { files, random } = dependencies;
  const path = join(directory, "device.key");
  await files.makeDirectory(directory);
  const kept = await readIfThere(files, path, SEED);
  if (kept !== undefined) {
    if (kept.length !== SEED)
      throw new Error(`${path} is damaged: restore it, or remove it for a new identity`);
    return kept;
  }
  const seed = random.fill(new Uint8Array(SEED));
  await writeAtomically(files, path, seed);
  return seed;
}
