import { MAX_BLOCK_SIGOPS_COST, MAX_BLOCK_WEIGHT } from "#protocol/consensus/limits.ts";
import type { FeeRate } from "#protocol/policy/fee-rate.ts";

/** Choices for new blocks, with Core v31's defaults (node/types.h, policy/policy.h). */
export interface TemplateOptions {
  /** -blockmaxweight. */
  readonly maxWeight: number;
  /** -blockreservedweight: kept for header, count and coinbase. */
  readonly reservedWeight: number;
  /** Sigop cost kept for the coinbase's outputs. */
  readonly reservedSigops: number;
  /** -blockmintxfee. */
  readonly minFeeRate: FeeRate;
  /** -blockversion, heeded on networks that mine on demand. */
  readonly version: number | undefined;
}

/** Less would not hold header, count and the smallest coinbase with a margin (MINIMUM_BLOCK_RESERVED_WEIGHT). */
const MIN_RESERVED_WEIGHT = 2000;

export const DEFAULT_TEMPLATE_OPTIONS: TemplateOptions = {
  maxWeight: MAX_BLOCK_WEIGHT,
  reservedWeight: 8000,
  reservedSigops: 400,
  minFeeRate: { fee: 1, size: 1000 },
  version: undefined,
};

/** The options brought into their bounds, as Core's ClampOptions does. */
export function clampOptions(options: TemplateOptions): TemplateOptions {
  const reservedWeight = clamp(options.reservedWeight, MIN_RESERVED_WEIGHT, MAX_BLOCK_WEIGHT);
  return {
    ...options,
    reservedWeight,
    reservedSigops: clamp(options.reservedSigops, 0, MAX_BLOCK_SIGOPS_COST),
    maxWeight: clamp(options.maxWeight, reservedWeight, MAX_BLOCK_WEIGHT),
  };
}

/** Core's words for options that cannot be, `undefined` when they can (init.cpp). */
export function whyImpossible(options: TemplateOptions): string | undefined {
  if (options.maxWeight > MAX_BLOCK_WEIGHT) {
    return `Specified -blockmaxweight (${options.maxWeight}) exceeds consensus maximum block weight (${MAX_BLOCK_WEIGHT})`;
  }
  if (options.reservedWeight > MAX_BLOCK_WEIGHT) {
    return `Specified -blockreservedweight (${options.reservedWeight}) exceeds consensus maximum block weight (${MAX_BLOCK_WEIGHT})`;
  }
  if (options.reservedWeight < MIN_RESERVED_WEIGHT) {
    return `Specified -blockreservedweight (${options.reservedWeight}) is lower than minimum safety value of (${MIN_RESERVED_WEIGHT})`;
  }
  return undefined;
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most);
}
