import type { Signal } from "#base/lib/events.ts";
import type { Mutex } from "#base/lib/mutex.ts";
import type { Network } from "#protocol/bitcoin/network.ts";
import type { Prevouts } from "#protocol/bitcoin/prevouts.ts";
import type { Rejection } from "#protocol/consensus/rejection.ts";
import type { ChainDependencies, ChainOptions } from "./chain-options.ts";
import type { BlockVerdict, ChainUpdate } from "./chain-update.ts";
import type { CoinView } from "./coin-view.ts";
import type { HeaderNode } from "./header-node.ts";
import type { HeaderTree } from "./header-tree.ts";

/** What became of headers. */
export interface HeadersVerdict {
  /** The last header that is in the tree now (the last before the refused one, with `rejection`). */
  readonly last?: HeaderNode;
  /** Headers taken, known ones included. */
  readonly accepted: number;
  readonly rejection?: Rejection;
}

/** What became of a block. A block that breaks a rule only when it is connected is told by `blockChecked`. */
export interface AcceptedBlock {
  readonly node?: HeaderNode;
  /** Whether it was stored now: false for one that we had, did not ask for, or refuse. */
  readonly isNew: boolean;
  readonly rejection?: Rejection;
}

/** Where a branch of the tree ends, as getchaintips tells it. */
export interface ChainTip {
  readonly node: HeaderNode;
  /** Blocks of the branch that are not in the active chain. */
  readonly branchLength: number;
  readonly status: "active" | "invalid" | "headers-only" | "valid-headers" | "valid-fork" | "unknown";
}

/** The coins as they were at one block, to be read at leisure while the chain goes on. */
export interface ChainSnapshot {
  readonly node: HeaderNode;
  close(): Promise<void>;
}

/**
 * The block chain: all headers, the blocks we hold, the active chain and its coins. One lock orders everything
 * that changes them; the methods here take it themselves unless they say that the caller holds it. What can be
 * read without it is the state after the last whole update.
 */
export interface ChainState {
  readonly network: Network;
  readonly headers: HeaderTree;
  /** The one chain-state lock. */
  readonly lock: Mutex;
  /** Coins with the tip. */
  readonly coins: CoinView;
  /** Every move of the tip; awaited under the lock. Listeners must not take it. */
  readonly updated: Signal<ChainUpdate>;
  /** Every verdict on a whole block; awaited under the lock. */
  readonly blockChecked: Signal<BlockVerdict>;
  /** Blocks below this work are not stored unless asked for. */
  readonly minimumChainWork: bigint;

  readonly tip: HeaderNode;
  activeAt(height: number): HeaderNode | undefined;
  isActive(node: HeaderNode): boolean;
  /** The last block of the active chain that `node` descends from, or is. */
  forkPoint(node: HeaderNode): HeaderNode;
  /** Block hashes from `node` (the tip) back to genesis, ever further apart (Core's GetLocator). */
  locator(node?: HeaderNode): Uint8Array[];
  /** The first of a locator's hashes that is in the active chain, else genesis. */
  findFork(locator: readonly Uint8Array[]): HeaderNode;
  getChainTips(): ChainTip[];
  isInitialBlockDownload(): boolean;
  /** Share of all transactions that are validated, guessed, 0–1 (Core's GuessVerificationProgress). */
  verificationProgress(node: HeaderNode): number;
  /** Bytes of block and undo files. */
  sizeOnDisk(): number;

  /**
   * Takes headers of 80 bytes each, parents first. With `minPowChecked` false one whose chain has too little work
   * is refused (`too-little-chainwork`).
   */
  acceptHeaders(raw: Uint8Array, options: { minPowChecked: boolean }): Promise<HeadersVerdict>;
  /**
   * Takes a whole block, from a peer or from the user (Core's ProcessNewBlock), stores it and activates the best
   * chain. `requested` is set for a block that we asked for, or that the user handed in.
   */
  acceptBlock(
    raw: Uint8Array,
    options: { requested: boolean; minPowChecked: boolean },
  ): Promise<AcceptedBlock>;
  /** Whether a block on the tip would connect (Core's TestBlockValidity). The caller holds the lock. */
  testBlock(raw: Uint8Array, checks: { pow: boolean; merkle: boolean }): Promise<Rejection | undefined>;

  /** The serialised block. @throws when we do not hold it, or its file is damaged. */
  readBlock(node: HeaderNode): Promise<Uint8Array>;
  /** The outputs that a block spent, in the order of its inputs. @throws when there are none. */
  readUndo(node: HeaderNode): Promise<Prevouts>;

  /** Marks a block and all after it invalid, and leaves it. The result is why it could not, such as genesis. */
  invalidateBlock(node: HeaderNode): Promise<Rejection | undefined>;
  /** Takes back the invalidity of a block, its ancestors and descendants. */
  reconsiderBlock(node: HeaderNode): Promise<Rejection | undefined>;
  /** Treats a block as if it had come before all others of its work. */
  preciousBlock(node: HeaderNode): Promise<Rejection | undefined>;

  /** Reads blocks from blk files, or from all those in a folder (-loadblock), XORed ones too. */
  importBlocks(paths: readonly string[]): Promise<void>;
  /** Checks the last `blocks` blocks (0: all) at `level` 0–4 (Core's CVerifyDB); false when one failed. */
  verifyChain(level: number, blocks: number): Promise<boolean>;
  /** Writes the coins out and keeps a view of them as they are at the tip. */
  snapshot(): Promise<ChainSnapshot>;
  /** Writes everything out. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

export type { ChainDependencies, ChainOptions };

/** Opens the chain: `ChainState.open(options, dependencies)`. */
export interface ChainStateConstructor {
  open(options: ChainOptions, dependencies: ChainDependencies): Promise<ChainState>;
}
