import { dirname } from "node:path";
import { errorCode } from "./disk-error.ts";
import type { FileSystem } from "./file-system.ts";

/**
 * Replaces the file at `path` by `bytes`, so that after a power cut at any instant it holds the old content or the
 * new one, whole. Durable when the promise resolves.
 */
export async function writeAtomically(files: FileSystem, path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.new`;
  await removeIfThere(files, temporary);
  const file = await files.open(temporary, "create");
  try {
    await file.write(bytes, 0);
    await file.sync();
  } finally {
    await file.close();
  }
  await files.rename(temporary, path);
  await files.syncDirectory(dirname(path));
}

/** Removes a file; nothing happens when there is none. */
export async function removeIfThere(files: FileSystem, path: string): Promise<void> {
  try {
    await files.remove(path);
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
  }
}

/** The whole file, `undefined` when there is none. */
export async function readIfThere(
  files: FileSystem,
  path: string,
  maxLength?: number,
): Promise<Uint8Array | undefined> {
  try {
    return await files.readFile(path, maxLength);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}
