/**
 * Secrets belong to the owner of the node alone. What the node writes it writes so (umask 077); what earlier versions
 * wrote under a laxer one is put right at the start.
 */
import { chmod, lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { errorCode } from "#base/store/disk-error.ts";
import type { FileSystem } from "#base/store/file-system.ts";
import { hasSeedRecord } from "#money/wallet/seed-record.ts";
import type { DataPaths } from "./config/data-directory.ts";

export interface SecretPaths extends Pick<DataPaths, "wallets" | "sharing" | "incoming" | "apiCookie"> {
  /** Whether the user named the folder of the wallets: then it may hold other things than ours, and stays as it is. */
  readonly named?: boolean;
}

/**
 * Of the sharing process; shards and contents are others' or encrypted, many, and behind the folder's own mode. What
 * came out of jobs is many too, and behind the mode of the folder that all of it is in.
 */
const SHARING_SECRETS = ["device.key", "s3-keys.json", "mesh", "deals", "files"];
const OTHERS = 0o077;

/**
 * Takes everybody else's rights from wallets, keys, cookies and what was uploaded. Links are left alone, and what is
 * somebody else's too.
 * @param tell is told once when something had been open
 */
export async function keepToOwner(
  paths: SecretPaths,
  files: FileSystem,
  tell: (text: string) => void,
): Promise<void> {
  if (process.platform === "win32") return;
  let closed = 0;
  for (const path of paths.named === true ? await walletsIn(paths.wallets, files) : [paths.wallets]) {
    closed += await closeAll(path);
  }
  for (const path of [paths.sharing, join(paths.sharing, "jobs")]) closed += await closeOne(path);
  for (const name of SHARING_SECRETS) closed += await closeAll(join(paths.sharing, name));
  for (const path of [paths.incoming, paths.apiCookie]) closed += await closeAll(path);
  if (closed > 0)
    tell(
      `${closed} files and folders with secrets could be read by others of this machine, and no longer can`,
    );
}

async function walletsIn(folder: string, files: FileSystem): Promise<string[]> {
  const wallets: string[] = [];
  for (const entry of await entriesOf(folder)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory() && (await hasSeedRecord(files, path))) wallets.push(path);
  }
  return wallets;
}

async function closeAll(path: string): Promise<number> {
  let closed = await closeOne(path);
  for (const entry of await entriesOf(path)) {
    const within = join(path, entry.name);
    closed += await (entry.isDirectory() ? closeAll(within) : closeOne(within));
  }
  return closed;
}

async function entriesOf(path: string) {
  try {
    return await readdir(path, { withFileTypes: true });
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "EACCES"].includes(errorCode(error) ?? "")) return [];
    throw error;
  }
}

/** 1 when it had to be closed. */
async function closeOne(path: string): Promise<number> {
  try {
    const found = await lstat(path);
    const isOurs = found.isFile() || found.isDirectory();
    if (!isOurs || (found.mode & OTHERS) === 0) return 0;
    await chmod(path, found.mode & 0o7777 & ~OTHERS);
    return 1;
  } catch (error) {
    if (["ENOENT", "EPERM", "EACCES", "EROFS"].includes(errorCode(error) ?? "")) return 0;
    throw error;
  }
}
