import { fromHexReversed, toHexReversed } from "#base/lib/bytes.ts";
import { Signal } from "#base/lib/events.ts";
import { parseBlock } from "#protocol/bitcoin/block-table.ts";
import { blockHash } from "#protocol/bitcoin/txid.ts";
import { MAX_FUTURE_BLOCK_TIME } from "#protocol/consensus/limits.ts";
import { ActiveChain } from "./active-chain.ts";
import { BlockCandidates } from "./block-candidates.ts";
import { BlockFiles } from "./block-files.ts";
import { BlockIndex } from "./block-index.ts";
import { ChainError } from "./chain-error.ts";
import { type ChainDependencies, type ChainOptions, MIB } from "./chain-options.ts";
import type { ChainParts } from "./chain-parts.ts";
import type { BlockVerdict } from "./chain-update.ts";
import { CoinDatabase, markChainstate } from "./coin-database.ts";
import { CoinCache } from "./coins.ts";
import { coinsPath, indexPath, refuseForeignDirectory } from "./data-directory.ts";
import { FlushSchedule, flushIndex } from "./flush-chain.ts";
import { type HeaderNode, SEQUENCE_BEST_CHAIN_FROM_DISK, SEQUENCE_FROM_DISK } from "./header-node.ts";
import { HeaderTree } from "./header-tree.ts";
import { linkLoadedBlocks, rebuildCandidates, receiveBlock } from "./link-blocks.ts";
import { RecentBlocks } from "./recent-blocks.ts";
import { replayBlocks } from "./replay-blocks.ts";
import { ScriptChecks } from "./script-checks.ts";
import { verifyChain } from "./verify-chain.ts";

/** Bytes of blocks kept in memory after they were stored or connected. */
const RECENT_BYTES = 32 * MIB;
/** Most of the cache that the two databases get (Core: kernel/caches.h). */
const MAX_INDEX_CACHE = 2 * MIB;
const MAX_COIN_DATABASE_CACHE = 8 * MIB;
/** Least cache, whatever is asked for. */
const MIN_CACHE = 4 * MIB;

/** How a total is shared out between the block index, the coin database and the coin cache. */
export function shareCache(total: number): { index: number; database: number; coins: number } {
  const all = Math.max(total, MIN_CACHE);
  const index = Math.min(Math.floor(all / 8), MAX_INDEX_CACHE);
  const database = Math.min(Math.floor((all - index) / 2), MAX_COIN_DATABASE_CACHE);
  return { index, database, coins: all - index - database };
}

/** A chain that was opened: its parts, and whether its blocks are to be taken in anew from their files. */
export interface LoadedChain {
  readonly parts: ChainParts;
  readonly reindexing: boolean;
}

/**
 * Opens files and databases, loads the tree of headers, finishes a flush that was cut, and checks the last blocks.
 * @throws ChainError when the directory is not ours, or damaged.
 */
export async function loadChain(
  options: ChainOptions,
  dependencies: ChainDependencies,
): Promise<LoadedChain> {
  const { disk } = dependencies;
  await refuseForeignDirectory(options, disk);
  await disk.files.makeDirectory(options.blocksDir);
  await using stack = new AsyncDisposableStack();
  const { parts, reindexing } = await openParts(options, dependencies, stack);
  await addGenesis(parts, reindexing);
  linkLoadedBlocks(parts);
  await replayBlocks(parts);
  loadTip(parts);
  if (!reindexing) await verifyLoaded(parts, options);
  stack.move();
  return { parts, reindexing };
}

async function openParts(
  options: ChainOptions,
  dependencies: ChainDependencies,
  stack: AsyncDisposableStack,
): Promise<LoadedChain> {
  const { network } = options;
  const { disk, random } = dependencies;
  const cache = shareCache(options.cacheBytes);
  // The coins' folder is marked as ours before the index is made: a crash between leaves no stranger's folder.
  await markChainstate(disk.files, coinsPath(options));
  const { index, reindexing } = await openIndex(options, dependencies, cache.index);
  stack.defer(() => index.close());
  const wipeCoins = reindexing || options.reindexChainState;
  if (wipeCoins) await disk.destroyStore(coinsPath(options));
  const coinDatabase = await CoinDatabase.open(
    { path: coinsPath(options), cacheBytes: cache.database },
    { disk },
  );
  stack.defer(() => coinDatabase.close());
  const headers = new HeaderTree();
  await index.load(headers, network);
  const files = await BlockFiles.open(
    { path: options.blocksDir, magic: network.magic, xor: options.blocksXor, fastPrune: options.fastPrune },
    { files: disk.files, random },
    await index.fileInfos(),
  );
  stack.defer(() => files.close());
  if (reindexing) files.reset();
  const scripts = new ScriptChecks(options.par);
  stack.defer(() => scripts.close());
  const parts: ChainParts = {
    network,
    clock: dependencies.clock,
    log: dependencies.log,
    minimumChainWork: options.minimumChainWork ?? BigInt(`0x${network.minimumChainWork}`),
    assumeValid: assumeValidOf(options),
    headers,
    active: new ActiveChain(),
    candidates: new BlockCandidates(),
    unlinked: new Map(),
    coins: new CoinCache(
      {
        maxBytes: cache.coins,
        ...(options.coinBatchBytes === undefined ? {} : { batchBytes: options.coinBatchBytes }),
      },
      { database: coinDatabase, random },
    ),
    coinDatabase,
    files,
    index,
    recent: new RecentBlocks(RECENT_BYTES),
    scripts,
    flushes: new FlushSchedule(options, { files: disk.files, random }),
    blockChecked: new Signal<BlockVerdict>(),
    nextSequenceId: SEQUENCE_FROM_DISK + 1,
    nextPreciousId: -1,
    lastPreciousWork: 0n,
    cleared: undefined,
    scriptCheckReason: null,
  };
  return { parts, reindexing };
}

/** A reindex that was stopped is begun again: what it had built is not worth the trust. */
async function openIndex(
  options: ChainOptions,
  dependencies: ChainDependencies,
  cacheBytes: number,
): Promise<{ index: BlockIndex; reindexing: boolean }> {
  const path = indexPath(options);
  let index = await BlockIndex.open({ path, cacheBytes, wipe: options.reindex }, dependencies);
  const reindexing = options.reindex || (await index.isReindexing());
  if (reindexing && !options.reindex) {
    await index.close();
    index = await BlockIndex.open({ path, cacheBytes, wipe: true }, dependencies);
  }
  if (reindexing) await index.setReindexing(true);
  return { index, reindexing };
}

function assumeValidOf(options: ChainOptions): Uint8Array | undefined {
  const text = options.assumeValid ?? options.network.assumeValid;
  if (text === undefined || /^0*$/.test(text)) return undefined;
  return fromHexReversed(text.padStart(64, "0"));
}

/** Every tree starts with genesis. */
async function addGenesis(parts: ChainParts, reindexing: boolean): Promise<void> {
  const { headers, network } = parts;
  if (headers.size > 0) return;
  const node = headers.add(blockHash(network.genesis), network.genesis, 0, null);
  const { txs } = parseBlock(network.genesis);
  // A reindex finds it in the files.
  if (!reindexing) await storeGenesis(parts, node);
  receiveBlock(parts, node, txs.txCount, false);
  await flushIndex(parts);
}

/** Puts genesis in a blk file, as Core does, so that the files are a whole chain. */
export async function storeGenesis(parts: ChainParts, node: HeaderNode): Promise<void> {
  const position = await parts.files.appendBlock(parts.network.genesis, 0, node.time);
  parts.headers.setDataPosition(node, position.file, position.offset);
}

/** Makes the block whose coins we have the tip (Core's LoadChainTip). */
function loadTip(parts: ChainParts): void {
  const { active, coins, headers } = parts;
  const best = coins.bestBlock;
  if (best !== undefined) {
    const tip = headers.lookup(best);
    if (tip === undefined) throw new ChainError("Error initializing block database");
    active.setTip(tip);
    for (let node: HeaderNode | null = tip; node !== null; node = node.prev) {
      headers.setSequenceId(node, SEQUENCE_BEST_CHAIN_FROM_DISK);
    }
    parts.log.info(`Loaded best chain: hashBestChain=${toHexReversed(best)} height=${tip.height}`);
  }
  rebuildCandidates(parts);
}

async function verifyLoaded(parts: ChainParts, options: ChainOptions): Promise<void> {
  const { tip } = parts.active;
  if (tip === undefined) return;
  if (tip.time > parts.clock.now() / 1000 + MAX_FUTURE_BLOCK_TIME) {
    throw new ChainError(
      "The block database contains a block which appears to be from the future. " +
        "This may be due to your computer's date and time being set incorrectly. " +
        "Only rebuild the block database if you are sure that your computer's date and time are correct",
    );
  }
  const result = await verifyChain(parts, options.checkLevel, options.checkBlocks);
  if (result === "corrupted") throw new ChainError("Corrupted block database detected");
}
