import type { Transaction } from "#protocol/bitcoin/transaction.ts";
import { type BlockForge, cloneDraft, type Draft, type SealOptions } from "./block-forge.ts";
import type { BlockRule, Trial } from "./block-rules.ts";

/** Changes a draft; false when it cannot. */
export type DraftChange = (draft: Draft, forge: BlockForge) => boolean | undefined;

/** A rule with its reason as its name. */
export function rule(reason: string, forge: BlockRule["forge"], name = reason, weight = 1): BlockRule {
  return { reason, name, weight, forge };
}

export interface TwinOptions {
  /** Transactions of the draft; a few at random when left out. */
  readonly txs?: number;
  /** What the valid block does where the broken one goes too far. */
  readonly keep?: DraftChange;
  readonly seal?: SealOptions;
}

/** A valid draft and its copy with `change` applied. */
export function twins(change: DraftChange, options: TwinOptions = {}): BlockRule["forge"] {
  return (forge) => {
    const draft = forge.draft(options.txs);
    const broken = cloneDraft(draft);
    if (options.keep?.(draft, forge) === false) return undefined;
    if (change(broken, forge) === false) return undefined;
    return sealed(forge, broken, draft, options.seal);
  };
}

export function sealed(forge: BlockForge, broken: Draft, kept: Draft, options?: SealOptions): Trial {
  return { broken: forge.seal(broken, options).raw, kept: forge.seal(kept) };
}

/**
 * A transaction put through `change`, beside itself as it was: neither is signed anew, for it must fail before
 * anyone looks at signatures.
 * @param inputs coins that it spends.
 */
export function changedTransaction(
  change: (tx: Transaction, forge: BlockForge) => void,
  inputs = 1,
): BlockRule["forge"] {
  return (forge) => {
    const coins = forge.pickMany(inputs);
    if (coins === undefined) return undefined;
    const total = coins.reduce((sum, { value }) => sum + value, 0);
    const draft = forge.draft(0);
    forge.add(draft, forge.spend(coins, forge.outputs(total, forge.between(1, 3))), 0);
    const broken = cloneDraft(draft);
    change(broken.txs[0]!, forge);
    return sealed(forge, broken, draft);
  };
}
