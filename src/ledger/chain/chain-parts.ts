import type { Clock } from "#base/lib/clock.ts";
import type { Signal } from "#base/lib/events.ts";
import type { Logger } from "#base/lib/logger.ts";
import type { Network } from "#protocol/bitcoin/network.ts";
import type { ActiveChain } from "./active-chain.ts";
import type { BlockCandidates } from "./block-candidates.ts";
import type { BlockFiles } from "./block-files.ts";
import type { BlockIndex } from "./block-index.ts";
import type { BlockVerdict } from "./chain-update.ts";
import type { CoinDatabase } from "./coin-database.ts";
import type { CoinCache } from "./coins.ts";
import type { FlushSchedule } from "./flush-chain.ts";
import type { HeaderNode } from "./header-node.ts";
import type { HeaderTree } from "./header-tree.ts";
import type { RecentBlocks } from "./recent-blocks.ts";
import type { ScriptChecks } from "./script-checks.ts";

/**
 * What the steps of this folder work on. Who calls one of them holds the chain-state lock; a step that throws
 * leaves the chain unfit for more (ChainState sees to that), except where its comment says otherwise.
 */
export interface ChainParts {
  readonly network: Network;
  readonly clock: Clock;
  readonly log: Logger;
  readonly minimumChainWork: bigint;
  /** Hash (as hashed) of the block up to which scripts are assumed valid. */
  readonly assumeValid: Uint8Array | undefined;
  readonly headers: HeaderTree;
  /** The chain whose coins the cache holds; during a reorg it is ahead of what others see. */
  readonly active: ActiveChain;
  readonly candidates: BlockCandidates;
  /** Blocks that were received before one of their ancestors, by their parent (Core's m_blocks_unlinked). */
  readonly unlinked: Map<HeaderNode, HeaderNode[]>;
  readonly coins: CoinCache;
  readonly coinDatabase: CoinDatabase;
  readonly files: BlockFiles;
  readonly index: BlockIndex;
  readonly recent: RecentBlocks;
  readonly scripts: ScriptChecks;
  readonly flushes: FlushSchedule;
  readonly blockChecked: Signal<BlockVerdict>;
  /** Next numbers of {@link HeaderNode.sequenceId}: upwards for blocks that arrive, downwards for precious ones. */
  nextSequenceId: number;
  nextPreciousId: number;
  /** Work of the tip when a block was last called precious. */
  lastPreciousWork: bigint;
  /** A block whose branch down to the active chain has no invalid block and no gap, since the last one was found. */
  cleared: HeaderNode | undefined;
  /** Why scripts of the last block were checked (`undefined`: they were not), so that a change is logged once. */
  scriptCheckReason: string | undefined | null;
}
