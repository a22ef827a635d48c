import type { Mempool } from "#ledger/mempool/mempool.ts";
import type { MempoolEntry } from "#ledger/mempool/mempool-entry.ts";
import type { HeaderContext } from "#protocol/consensus/header-context.ts";
import { nextWorkRequired } from "#protocol/consensus/pow.ts";
import { rejectionText } from "#protocol/consensus/rejection.ts";
import { blockSubsidy } from "#protocol/consensus/subsidy.ts";
import type { VersionbitsCache } from "#protocol/consensus/versionbits.ts";
import { assembleBlock, type BlockParts } from "./assemble-block.ts";
import { blockTime } from "./block-time.ts";
import type { MiningChain } from "./mining-chain.ts";
import { selectNothing, selectTransactions } from "./select-transactions.ts";
import { clampOptions, type TemplateOptions } from "./template-options.ts";

export { DEFAULT_TEMPLATE_OPTIONS, type TemplateOptions } from "./template-options.ts";

/** A block without proof of work, and what its miner wants to know. */
export interface BlockTemplate extends BlockParts {
  /** The block that it follows. */
  readonly prev: HeaderContext;
  /** The whole block, with a zero nonce. */
  readonly block: Uint8Array;
  /** The mempool's transactions in it, in block order. */
  readonly entries: readonly MempoolEntry[];
  /** Script of the output that commits to the witnesses. */
  readonly commitment: Uint8Array;
  /** With what was reserved for header, count and coinbase. */
  readonly weight: number;
  readonly sigopCost: number;
}

export interface TemplateRequest {
  /** What the coinbase pays to. */
  readonly coinbaseScript: Uint8Array;
  /** False for a block with a coinbase alone. */
  readonly useMempool?: boolean;
  /** False skips the proof that the block would connect. */
  readonly testValidity?: boolean;
}

export interface TemplateDependencies {
  readonly chain: MiningChain;
  readonly mempool: Mempool;
  readonly versionbits: VersionbitsCache;
  /** Is told of every template, for getmininginfo. */
  made?(template: BlockTemplate): void;
}

/**
 * Builds a block on the tip from the best chunks of the mempool (Core: BlockAssembler::CreateNewBlock). The caller
 * holds the chain-state lock.
 * @throws when the block would not connect: the mempool and the chain disagree, which is a bug.
 */
export async function createTemplate(
  request: TemplateRequest,
  chosen: TemplateOptions,
  dependencies: TemplateDependencies,
): Promise<BlockTemplate> {
  const { chain, mempool, versionbits } = dependencies;
  const options = clampOptions(chosen);
  const { network, tip: prev } = chain;
  const height = prev.height + 1;
  const onDemand = network.mineBlocksOnDemand ? options.version : undefined;
  const lockTime = prev.medianTimePast();
  const { entries, fees, weight, sigopCost } =
    request.useMempool === false
      ? selectNothing(options)
      : selectTransactions(mempool, options, { height, lockTime });
  const time = blockTime(prev, network, chain.now());
  const parts: BlockParts = {
    version: onDemand ?? versionbits.blockVersion(prev),
    prevHash: prev.hash,
    time,
    bits: nextWorkRequired(prev, time, network),
    height,
    coinbaseScript: request.coinbaseScript,
    coinbaseValue: fees + blockSubsidy(height, network),
  };
  const txs = entries.map(({ raw, txid, wtxid }) => ({ raw, txid, wtxid }));
  const { block, commitment } = assembleBlock(parts, txs, network);
  if (request.testValidity !== false) {
    const rejection = await chain.testBlock(block, { pow: false, merkle: false });
    if (rejection !== undefined) throw new Error(`TestBlockValidity failed: ${rejectionText(rejection)}`);
  }
  const template = { ...parts, prev, block, entries, commitment, weight, sigopCost };
  dependencies.made?.(template);
  return template;
}
