import { scriptErrorText } from "#protocol/consensus/script-error.ts";
import type { BlockForge } from "./block-forge.ts";
import { cloneDraft, type Draft, type ForgeCoin } from "./block-forge.ts";
import type { BlockRule, Trial } from "./block-rules.ts";
import type { Lock } from "./forge-locks.ts";
import { type Puzzle, SCRIPT_CASES, type ScriptCase } from "./script-cases.ts";
import { sealed } from "./trials.ts";

const SEQUENCE = 0xffff_fffd;

/** A draft that pays a coin to the puzzle, and spends it again. */
function solving(forge: BlockForge, base: Draft, coin: ForgeCoin, puzzle: Puzzle): Draft {
  const draft = cloneDraft(base);
  const lock: Lock = { kind: "anyone", script: puzzle.script, unlock: puzzle.unlock };
  const parent = forge.spend([coin], [{ value: coin.value, script: puzzle.script }]);
  const { version = 2, lockTime = 0, sequence = SEQUENCE } = puzzle;
  const spent = forge.coinOf(parent, 0, lock, draft.height);
  const child = forge.spend([spent], forge.outputs(coin.value, 1), { version, lockTime, sequence });
  draft.txs.push(parent, child);
  return draft;
}

function trial(forge: BlockForge, { broken, kept }: ScriptCase): Trial | undefined {
  const coin = forge.pick();
  if (coin === undefined) return undefined;
  const base = forge.draft(0);
  return sealed(forge, solving(forge, base, coin, broken(forge)), solving(forge, base, coin, kept(forge)));
}

export const SCRIPT_RULES: readonly BlockRule[] = SCRIPT_CASES.map((known) => {
  const reason = `block-script-verify-flag-failed (${scriptErrorText(known.error)})`;
  return { reason, name: reason, weight: 1 / 2, forge: (forge) => trial(forge, known) };
});
