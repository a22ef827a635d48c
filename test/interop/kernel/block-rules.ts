/**
 * A way to break each rule that Bitcoin Core's CheckBlock, its contextual checks and ConnectBlock can name on
 * regtest, and beside it a block that just keeps the rule.
 */
import type { BlockForge, ForgedBlock } from "./block-forge.ts";
import { COINBASE_RULES } from "./coinbase-rules.ts";
import { HEADER_RULES } from "./header-rules.ts";
import { SCRIPT_RULES } from "./script-rules.ts";
import { SIZE_RULES } from "./size-rules.ts";
import { SPENDING_RULES } from "./spending-rules.ts";
import { TRANSACTION_RULES } from "./transaction-rules.ts";
import { WITNESS_RULES } from "./witness-rules.ts";

/** Two blocks on the forge's tip: one breaks the rule, the other is valid. */
export interface Trial {
  /** Blocks to hand in before the broken one, such as an invalid parent. */
  readonly before?: readonly Uint8Array[];
  readonly broken: Uint8Array;
  readonly kept: ForgedBlock;
}

export interface BlockRule {
  /** What the refusal must say: the reject string, or its start where the rest depends on the case. */
  readonly reason: string;
  /** The case, where one reason has several. */
  readonly name: string;
  /** Turns of this rule beside one of a rule with `weight` 1; those with big blocks are rare. */
  readonly weight: number;
  /** `undefined` when the chain has not got what it needs, such as a mature coin. */
  readonly forge: (forge: BlockForge) => Trial | undefined;
}

/** Rules that no block on regtest can break, and why. */
export const UNREACHABLE: Readonly<Record<string, string>> = {
  "bad-txns-oversize": "the block around it breaks bad-blk-length first",
  "bad-txns-inputvalues-outofrange": "no coin, and no sum of coins, is worth more than there can be",
  "bad-txns-fee-outofrange": "the sums before it are in range",
  "bad-txns-accumulated-fee-outofrange": "all coins of regtest are fewer than there can be",
  "bad-txns-BIP30": "BIP34 holds from block 1 on, so no coinbase comes twice",
  "time-timewarp-attack": "the library's regtest does not enforce BIP94",
  "bad-signet-blksig": "regtest has no challenge",
  "too-little-chainwork": "the library takes headers as checked",
};

export const BLOCK_RULES: readonly BlockRule[] = [
  ...HEADER_RULES,
  ...SIZE_RULES,
  ...COINBASE_RULES,
  ...TRANSACTION_RULES,
  ...WITNESS_RULES,
  ...SPENDING_RULES,
  ...SCRIPT_RULES,
];
