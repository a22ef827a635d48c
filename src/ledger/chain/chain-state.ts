import { basename } from "node:path";
import { unixTime } from "#base/lib/clock.ts";
import { Signal } from "#base/lib/events.ts";
import { Mutex } from "#base/lib/mutex.ts";
import { HEADER_LENGTH } from "#protocol/bitcoin/block-table.ts";
import type { Network } from "#protocol/bitcoin/network.ts";
import type { Prevouts } from "#protocol/bitcoin/prevouts.ts";
import { blockHash } from "#protocol/bitcoin/txid.ts";
import type { BlockCheckOptions } from "#protocol/consensus/check-block.ts";
import { type Rejection, rejectionText } from "#protocol/consensus/rejection.ts";
import { type AcceptedBlock, acceptBlock } from "./accept-block.ts";
import { acceptHeader } from "./accept-headers.ts";
import { activateStep } from "./activate-chain.ts";
import { ActiveChain } from "./active-chain.ts";
import type { ChainDependencies, ChainOptions } from "./chain-options.ts";
import type { ChainParts } from "./chain-parts.ts";
import { type ChainTip, chainTips } from "./chain-tips.ts";
import type { BlockVerdict, ChainUpdate } from "./chain-update.ts";
import type { CoinSnapshot } from "./coin-database.ts";
import { type CoinView, viewOf } from "./coin-view.ts";
import { blockFilePath } from "./data-directory.ts";
import { flushChain, flushIndex } from "./flush-chain.ts";
import type { HeaderNode } from "./header-node.ts";
import type { HeaderTree } from "./header-tree.ts";
import { BlockImport, blockFilesAt, type ImportTarget } from "./import-blocks.ts";
import { InitialBlockDownload } from "./initial-block-download.ts";
import { invalidateBlock, preciousBlock, reconsiderBlock } from "./invalidate-block.ts";
import { loadChain, storeGenesis } from "./load-chain.ts";
import { findForkOf, locatorOf } from "./locator.ts";
import { type PreparedBlock, prepareBlock } from "./prepare-block.ts";
import { loadUndo, readBlock, readUndo } from "./read-block.ts";
import { testBlock } from "./test-block.ts";
import type { TipMove } from "./tip-move.ts";
import type { BlockUndo } from "./undo.ts";
import { verificationProgress } from "./verification-progress.ts";
import { verifyChain } from "./verify-chain.ts";

export type { AcceptedBlock, ChainDependencies, ChainOptions, ChainTip };

/** Why calls are refused after the end. */
const CLOSED = new Error("the chain is closed");

/** What became of headers. */
export interface HeadersVerdict {
  /** The last header that is in the tree now (the last before the refused one, with `rejection`). */
  readonly last?: HeaderNode;
  /** Headers taken, known ones included. */
  readonly accepted: number;
  readonly rejection?: Rejection;
}

/** The coins as they were at one block, to be read at leisure while the chain goes on. */
export interface ChainSnapshot {
  readonly node: HeaderNode;
  readonly coins: CoinSnapshot;
  /** Bytes that the coins take on disk, about. */
  readonly diskSize: number;
  close(): Promise<void>;
}

/**
 * The block chain: all headers, the blocks we hold, the active chain and its coins. One lock orders everything
 * that changes them; the methods here take it themselves unless they say that the caller holds it. What can be
 * read without it is the state after the last whole update.
 *
 * A failed disk or a bug ends it: `fatal` is called once, and every later call rejects with the same error.
 */
export class ChainState {
  readonly network: Network;
  readonly headers: HeaderTree;
  /** The one chain-state lock. */
  readonly lock: Mutex = new Mutex();
  /** Coins with the tip; hold the lock while reading. */
  readonly coins: CoinView;
  /** Every move of the tip; awaited under the lock. Listeners must not take it. */
  readonly updated: Signal<ChainUpdate> = new Signal();
  /** Every verdict on a whole block; awaited under the lock. */
  readonly blockChecked: Signal<BlockVerdict>;
  /** Blocks whose chain has less work are not stored unless asked for. */
  readonly minimumChainWork: bigint;
  readonly #parts: ChainParts;
  readonly #options: ChainOptions;
  readonly #dependencies: ChainDependencies;
  /** The active chain as others see it: it changes by whole updates. */
  readonly #shown = new ActiveChain();
  readonly #download: InitialBlockDownload;
  /** The files are still to be gone through (-reindex). */
  #reindexing: boolean;
  #failure: Error | undefined;
  #closed: Promise<void> | undefined;
  /** -stopatheight was reached, or it is being closed: no further block is connected. */
  #stopped = false;

  private constructor(
    options: ChainOptions,
    dependencies: ChainDependencies,
    loaded: { parts: ChainParts; reindexing: boolean },
  ) {
    const { parts } = loaded;
    this.#options = options;
    this.#dependencies = dependencies;
    this.#parts = parts;
    this.#reindexing = loaded.reindexing;
    this.#download = new InitialBlockDownload(parts, options.maxTipAge);
    this.network = parts.network;
    this.headers = parts.headers;
    this.coins = viewOf(parts.coins);
    this.blockChecked = parts.blockChecked;
    this.minimumChainWork = parts.minimumChainWork;
  }

  /**
   * Opens the chain in a data directory, or begins one. Blocks that are stored but not connected yet, and the files
   * of a reindex, are taken in by {@link importBlocks}.
   * @throws ChainError with a text for the user.
   */
  static async open(options: ChainOptions, dependencies: ChainDependencies): Promise<ChainState> {
    const loaded = await loadChain(options, dependencies);
    const chain = new ChainState(options, dependencies, loaded);
    if (loaded.parts.active.tip === undefined) await chain.#activateGenesis();
    chain.#shown.setTip(loaded.parts.active.tip!);
    chain.#download.importing = loaded.reindexing;
    if (!loaded.reindexing) await chain.#takeTail();
    return chain;
  }

  get tip(): HeaderNode {
    return this.#shown.tip!;
  }

  activeAt(height: number): HeaderNode | undefined {
    return this.#shown.at(height);
  }

  isActive(node: HeaderNode): boolean {
    return this.#shown.contains(node);
  }

  /** The block of the active chain after `node`. */
  next(node: HeaderNode): HeaderNode | undefined {
    return this.#shown.next(node);
  }

  /** The last block of the active chain that `node` descends from, or is. */
  forkPoint(node: HeaderNode): HeaderNode {
    return this.#shown.fork(node)!;
  }

  /** Block hashes from `node` back to genesis, ever further apart (Core's GetLocator). */
  locator(node: HeaderNode = this.tip): Uint8Array[] {
    return locatorOf(node);
  }

  /** The first of a locator's blocks that is in the active chain, else genesis. */
  findFork(locator: readonly Uint8Array[]): HeaderNode {
    return findForkOf(locator, this.#shown, this.headers);
  }

  getChainTips(): ChainTip[] {
    return chainTips({ headers: this.headers, active: this.#shown });
  }

  /** Whether the block files are being gone through: until then no block is taken from elsewhere (-reindex). */
  get reindexing(): boolean {
    return this.#reindexing;
  }

  isInitialBlockDownload(): boolean {
    return this.#download.active;
  }

  /** Share of all transactions that are validated, guessed, 0–1. */
  verificationProgress(node: HeaderNode = this.tip): number {
    return verificationProgress(this.network, node, this.headers.best, unixTime(this.#parts.clock));
  }

  /** Bytes of block and undo files. */
  sizeOnDisk(): number {
    return this.#parts.files.sizeOnDisk;
  }

  /** Bytes and entries of the coin cache. */
  get coinCache(): { readonly bytes: number; readonly coins: number } {
    return { bytes: this.#parts.coins.memoryUsage, coins: this.#parts.coins.size };
  }

  /**
   * Takes headers of 80 bytes each that follow each other, until one is refused. Unless `minPowChecked`, new ones
   * are (`too-little-chainwork`): the caller has made sure that their chain has enough work to be stored.
   */
  acceptHeaders(raw: Uint8Array, options: { minPowChecked: boolean }): Promise<HeadersVerdict> {
    return this.#locked(() => {
      let last: HeaderNode | undefined;
      let accepted = 0;
      for (let at = 0; at + HEADER_LENGTH <= raw.length; at += HEADER_LENGTH) {
        const { node, rejection } = acceptHeader(this.#parts, raw, at, options.minPowChecked);
        if (rejection !== undefined) return { ...(last && { last }), accepted, rejection };
        last = node;
        accepted++;
      }
      return { ...(last && { last }), accepted };
    });
  }

  /**
   * Takes a whole block, from a peer or from the user, stores it and activates the best chain (Core's
   * ProcessNewBlock). The bytes are the chain's from now on. Nothing is taken during a reindex: it would be written
   * over blocks that were not read yet.
   * @param options.requested we asked for it, or the user handed it in.
   * @throws DecodeError when it does not parse.
   */
  async acceptBlock(
    raw: Uint8Array,
    options: { requested: boolean; minPowChecked: boolean },
  ): Promise<AcceptedBlock> {
    if (this.#reindexing) return { isNew: false };
    return this.acceptPrepared(await this.prepareBlock(raw), options);
  }

  /** Looks at a block by itself, for {@link acceptPrepared}. @throws DecodeError when it does not parse. */
  prepareBlock(raw: Uint8Array): Promise<PreparedBlock> {
    return prepareBlock(raw, this.network);
  }

  /** Takes a block as {@link acceptBlock} does. */
  async acceptPrepared(
    prepared: PreparedBlock,
    options: { requested: boolean; minPowChecked: boolean },
  ): Promise<AcceptedBlock> {
    if (this.#reindexing) return { isNew: false };
    const { bad } = prepared;
    const raw = prepared.block.bytes;
    const result = await this.#locked(async () => {
      const accepted =
        bad === undefined ? await acceptBlock(this.#parts, prepared, options) : this.#known(raw, bad);
      const { node, rejection } = accepted;
      if (rejection !== undefined) {
        await this.blockChecked.emit({ hash: blockHash(raw), rejection, ...(node && { node }) });
      }
      return accepted;
    });
    if (result.rejection === undefined) await this.#activate();
    return result;
  }

  #known(raw: Uint8Array, rejection: Rejection): AcceptedBlock {
    this.#parts.log.info(`ProcessNewBlock: AcceptBlock FAILED (${rejectionText(rejection)})`);
    const node = this.headers.lookup(blockHash(raw));
    return { isNew: false, rejection, ...(node && { node }) };
  }

  /**
   * Whether a block on the tip would connect (Core's TestBlockValidity). The caller holds the lock.
   * @throws DecodeError when it does not parse.
   */
  async testBlock(raw: Uint8Array, checks: BlockCheckOptions): Promise<Rejection | undefined> {
    const prepared = await prepareBlock(raw, this.network, checks);
    return this.#guarded(() => testBlock(this.#parts, prepared));
  }

  /** The serialised block. @throws ChainError when we do not hold it, or its file is damaged. */
  readBlock(node: HeaderNode): Promise<Uint8Array> {
    return readBlock(this.#parts, node);
  }

  /** The outputs that a block spent, in the order of its inputs. @throws ChainError when we do not hold them. */
  readUndo(node: HeaderNode): Promise<Prevouts> {
    return readUndo(this.#parts, node);
  }

  /** The coins that a block spent, with where each came from. @throws ChainError when we do not hold them. */
  readBlockUndo(node: HeaderNode): Promise<BlockUndo> {
    return loadUndo(this.#parts, node);
  }

  /** Marks a block and all after it invalid, and leaves it for the next best. Genesis stays. */
  async invalidateBlock(node: HeaderNode): Promise<void> {
    await this.#locked(async () => {
      const move = await invalidateBlock(this.#parts, node);
      // What the user decided holds though the program be killed.
      await flushIndex(this.#parts);
      await this.#tell(move);
    });
    await this.#activate();
  }

  /** Takes back the invalidity of a block, its ancestors and descendants. */
  async reconsiderBlock(node: HeaderNode): Promise<void> {
    await this.#locked(async () => {
      reconsiderBlock(this.#parts, node);
      await flushIndex(this.#parts);
    });
    await this.#activate();
  }

  /** Treats a block as if it had come before all others of its work. */
  async preciousBlock(node: HeaderNode): Promise<void> {
    await this.#locked(() => preciousBlock(this.#parts, node));
    await this.#activate();
  }

  /**
   * What remains to be done at a start, once the others listen: takes in the files of a reindex, then blocks from
   * blk files or folders of them, XORed ones too (-loadblock), and connects whatever is stored.
   * @throws ChainError when a path names nothing.
   */
  async importBlocks(paths: readonly string[] = []): Promise<void> {
    this.#download.importing = true;
    const { files } = this.#dependencies.disk;
    const target = this.#importTarget();
    try {
      if (this.#reindexing) await this.#reindex(new BlockImport(target));
      const blocks = new BlockImport(target);
      for (const path of paths) {
        for (const file of await blockFilesAt(files, path)) {
          if (this.#stopped) return;
          await this.#importFile(blocks, file);
        }
      }
      await this.#activate();
    } catch (error) {
      // Whoever closes the chain needs no import.
      if (error !== CLOSED) throw error;
    } finally {
      this.#download.importing = false;
    }
  }

  #importTarget(): ImportTarget {
    return {
      parts: this.#parts,
      files: this.#dependencies.disk.files,
      locked: (action) => this.#locked(action),
      activate: () => this.#activate(),
      stopped: () => this.#stopped || this.#failure !== undefined,
    };
  }

  async #importFile(blocks: BlockImport, path: string): Promise<void> {
    const { log } = this.#parts;
    log.info(`Importing blocks file ${path}...`);
    const before = blocks.loaded;
    await blocks.importFile(path);
    log.info(`Loaded ${blocks.loaded - before} blocks from external file`);
  }

  async #reindex(blocks: BlockImport): Promise<void> {
    const { files, index, log, headers } = this.#parts;
    const numbers = await files.fileNumbers();
    for (const number of numbers) {
      if (this.#stopped) return;
      const path = blockFilePath(this.#options, number);
      log.info(`Reindexing block file ${basename(path)} (${number + 1} of ${numbers.length})`);
      await blocks.importOwn(files.scan(number), path);
    }
    if (this.#stopped) return;
    await this.#locked(async () => {
      if (!headers.root.hasData) await storeGenesis(this.#parts, headers.root);
      await flushChain(this.#parts, "always");
      await index.setReindexing(false);
    });
    this.#reindexing = false;
    log.info("Reindexing finished");
  }

  /**
   * Checks the last `blocks` blocks (0: all) at `level` 0–4 (Core's CVerifyDB); false unless all were sound, also
   * when `signal` ends it early.
   */
  verifyChain(level: number, blocks: number, signal?: AbortSignal): Promise<boolean> {
    return this.#locked(async () => {
      const interrupted = () => this.#stopped || signal?.aborted === true;
      const result = await verifyChain(this.#parts, level, blocks, interrupted);
      return result === "sound";
    });
  }

  /** Writes the coins out and keeps a view of them as they are at the tip. Close it. */
  snapshot(): Promise<ChainSnapshot> {
    return this.#locked(async () => {
      const { coinDatabase, active } = this.#parts;
      await flushChain(this.#parts, "always", true);
      const coins = await coinDatabase.snapshot();
      const diskSize = await coinDatabase.estimateSize();
      return { node: active.tip!, coins, diskSize, close: () => coins.close() };
    });
  }

  /** Writes everything out. */
  flush(): Promise<void> {
    return this.#locked(() => flushChain(this.#parts, "always", true));
  }

  /** It will be closed: whatever takes in or connects blocks ends after the one that it is at. */
  interrupt(): void {
    this.#stopped = true;
  }

  /** Writes everything out, unless the chain has failed, and lets go of the directory. */
  close(): Promise<void> {
    this.interrupt();
    this.#closed ??= this.lock.run(() => this.#close());
    return this.#closed;
  }

  async #close(): Promise<void> {
    const { scripts, files, index, coinDatabase } = this.#parts;
    try {
      if (this.#failure === undefined) await this.#guarded(() => flushChain(this.#parts, "always", true));
    } finally {
      this.#failure ??= CLOSED;
      await scripts.close();
      await files.close();
      await index.close();
      await coinDatabase.close();
    }
  }

  /**
   * Blocks that were written but not yet indexed when the program ended stand beyond the known end of the last file,
   * and in files after it: they are stored again where they are, before anything is written over them.
   */
  async #takeTail(): Promise<void> {
    const blocks = new BlockImport({ ...this.#importTarget(), activate: async () => {} });
    const { files } = this.#parts;
    const disk = this.#dependencies.disk.files;
    let scanner = files.scanTail();
    for (let number = files.lastFile; ; scanner = files.scan(++number)) {
      const path = blockFilePath(this.#options, number);
      if ((await disk.stat(path)) === undefined) break;
      await blocks.importOwn(scanner, path);
    }
    if (blocks.loaded > 0) this.#parts.log.info(`Found ${blocks.loaded} blocks that were not indexed yet`);
  }

  /** Genesis has no coins that could be spent: it only becomes the first tip. */
  async #activateGenesis(): Promise<void> {
    await this.#locked(async () => {
      await activateStep(this.#parts);
      await flushChain(this.#parts, "always", true);
    });
  }

  /** Connects until nothing better is known. Others get the lock between two steps. */
  async #activate(): Promise<void> {
    const { active, candidates } = this.#parts;
    while (!this.#stopped && candidates.best !== undefined && candidates.best !== active.tip) {
      await this.#locked(async () => this.#tell(await activateStep(this.#parts)));
    }
  }

  /** Shows others where the tip went. */
  async #tell(move: TipMove): Promise<void> {
    if (move.isEmpty) return;
    const tip = this.#parts.active.tip!;
    this.#shown.setTip(tip);
    const { disconnected, connected } = move;
    const initialBlockDownload = this.isInitialBlockDownload();
    await this.updated.emit({ disconnected, connected, tip, initialBlockDownload });
    const { stopAtHeight } = this.#options;
    if (stopAtHeight > 0 && tip.height >= stopAtHeight && !this.#stopped) {
      this.#stopped = true;
      this.#dependencies.stop?.();
    }
  }

  #locked<T>(action: () => T | Promise<T>): Promise<T> {
    return this.lock.run(() => this.#guarded(action));
  }

  /** An exception here leaves the chain unfit for more. */
  async #guarded<T>(action: () => T | Promise<T>): Promise<T> {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      return await action();
    } catch (cause) {
      const error = cause instanceof Error ? cause : new Error(String(cause));
      if (this.#failure === undefined) {
        this.#failure = error;
        this.#parts.log.error(`A fatal internal error occurred, see debug.log for details: ${error.message}`);
        this.#dependencies.fatal(error);
      }
      throw error;
    }
  }
}
