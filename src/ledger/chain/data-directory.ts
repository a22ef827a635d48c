import { join } from "node:path";
import type { Disk } from "#base/store/disk.ts";
import { ChainError } from "./chain-error.ts";
import type { ChainOptions } from "./chain-options.ts";
import { ownerOfChainstate } from "./coin-database.ts";

/** Folder of the coins, in the data directory. */
export function coinsPath(options: ChainOptions): string {
  return join(options.dataDir, "chainstate");
}

/** Folder of the block index, beside the block files. */
export function indexPath(options: ChainOptions): string {
  return join(options.blocksDir, "index");
}

/** One of the block files. */
export function blockFilePath(options: ChainOptions, number: number): string {
  return join(options.blocksDir, `blk${String(number).padStart(5, "0")}.dat`);
}

/**
 * Refuses a directory that another program keeps its chain or its wallets in, before anything in it is touched.
 * @throws ChainError that says what to do.
 */
export async function refuseForeignDirectory(options: ChainOptions, disk: Disk): Promise<void> {
  const owner = await ownerOfChainstate(disk.files, coinsPath(options));
  if (owner === "ours") return;
  const found =
    owner === "foreign"
      ? coinsPath(options)
      : ((await findIndex(options, disk)) ?? (await findWallets(options, disk)));
  if (found === undefined) return;
  throw new ChainError(
    `${found} was written by another program, such as Bitcoin Core, and is left untouched. ` +
      "Choose another -datadir; blocks can be taken over with -loadblock=<blk file or blocks folder>",
  );
}

async function findIndex(options: ChainOptions, disk: Disk): Promise<string | undefined> {
  const path = indexPath(options);
  return (await disk.hasStore(path)) ? path : undefined;
}

async function findWallets(options: ChainOptions, { files }: Disk): Promise<string | undefined> {
  const path = join(options.dataDir, "wallets");
  const stat = await files.stat(path);
  if (stat?.isDirectory !== true) return undefined;
  return (await files.readDirectory(path)).length > 0 ? path : undefined;
}
