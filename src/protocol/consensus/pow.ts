/**
 * Proof of work: compact targets, the work of a block, and which target a block must have (Core: pow.cpp,
 * arith_uint256.cpp, chain.cpp).
 */
import type { ConsensusRules, Network } from "#protocol/bitcoin/network.ts";
import type { HeaderContext } from "./header-context.ts";

const WIDTH_MASK = (1n << 256n) - 1n;

/**
 * Target of a compact form, with the sign bit ignored and bits above 2^256 cut off, as Core's `SetCompact`
 * gives it. Whether a block may claim it is told by {@link deriveTarget}.
 */
export function compactToTarget(bits: number): bigint {
  const size = bits >>> 24;
  const word = bits & 0x7f_ffff;
  if (size <= 3) return BigInt(word >>> (8 * (3 - size)));
  return (BigInt(word) << BigInt(8 * (size - 3))) & WIDTH_MASK;
}

/** Compact form of a target below 2^256, rounded down (Core: `GetCompact`). */
export function targetToCompact(target: bigint): number {
  let size = 0;
  for (let rest = target; rest > 0n; rest >>= 8n) size++;
  let compact = size <= 3 ? Number(target) << (8 * (3 - size)) : Number(target >> BigInt(8 * (size - 3)));
  // The top bit is the sign: a mantissa that reaches it takes one byte more.
  if ((compact & 0x80_0000) !== 0) {
    compact >>>= 8;
    size++;
  }
  return (compact | (size << 24)) >>> 0;
}

/** Whether a compact form is negative, zero, or above 2^256: no target at all. */
function isImpossible(bits: number): boolean {
  const size = bits >>> 24;
  const word = bits & 0x7f_ffff;
  if (word === 0 || (size <= 3 && word >>> (8 * (3 - size)) === 0)) return true;
  if ((bits & 0x80_0000) !== 0) return true;
  return size > 34 || (word > 0xff && size > 33) || (word > 0xffff && size > 32);
}

/** The target that `bits` names, or `undefined` when it is none or easier than the network's easiest. */
export function deriveTarget(bits: number, rules: ConsensusRules): bigint | undefined {
  if (isImpossible(bits)) return undefined;
  const target = compactToTarget(bits);
  return target > powLimitOf(rules) ? undefined : target;
}

const limits = new WeakMap<ConsensusRules, { readonly target: bigint; readonly bits: number }>();

function limitOf(rules: ConsensusRules): { readonly target: bigint; readonly bits: number } {
  let limit = limits.get(rules);
  if (limit === undefined) {
    const target = BigInt(`0x${rules.powLimit}`);
    limit = { target, bits: targetToCompact(target) };
    limits.set(rules, limit);
  }
  return limit;
}

/** The easiest target of a network. */
function powLimitOf(rules: ConsensusRules): bigint {
  return limitOf(rules).target;
}

/** The easiest target of a network in compact form. */
export function powLimitBits(rules: ConsensusRules): number {
  return limitOf(rules).bits;
}

/** Targets by their compact form, of the last one asked for: headers in a row share it. */
let lastBits = -1;
let lastRules: ConsensusRules | undefined;
const lastTarget = new Uint8Array(32);
let lastPossible = false;

/** Whether a block hash meets the target that its header claims, and the network allows that target. */
export function checkProofOfWork(hash: Uint8Array, bits: number, rules: ConsensusRules): boolean {
  if (bits !== lastBits || rules !== lastRules) {
    const target = deriveTarget(bits, rules);
    lastPossible = target !== undefined;
    for (let i = 0, rest = target ?? 0n; i < 32; i++, rest >>= 8n) lastTarget[i] = Number(rest & 0xffn);
    lastBits = bits;
    lastRules = rules;
  }
  if (!lastPossible) return false;
  for (let i = 31; i >= 0; i--) {
    if (hash[i] !== lastTarget[i]) return hash[i]! < lastTarget[i]!;
  }
  return true;
}

let workBits = -1;
let workValue = 0n;

/** Expected number of hashes for a block of this target; 0 when it is no target (Core: `GetBlockProof`). */
export function blockWork(bits: number): bigint {
  if (bits !== workBits) {
    const target = compactToTarget(bits);
    workValue = isImpossible(bits) || target === 0n ? 0n : (1n << 256n) / (target + 1n);
    workBits = bits;
  }
  return workValue;
}

/** Blocks in a retarget period. */
export function retargetInterval(rules: ConsensusRules): number {
  return Math.floor(rules.powTargetTimespan / rules.powTargetSpacing);
}

/**
 * The compact target that the block after `prev` must have.
 * @param time the new block's time, which matters where easy blocks are allowed after a long wait (testnets).
 */
export function nextWorkRequired(prev: HeaderContext, time: number, network: Network): number {
  const rules = network.consensus;
  const interval = retargetInterval(rules);
  if ((prev.height + 1) % interval !== 0) {
    if (!rules.powAllowMinDifficultyBlocks) return prev.bits;
    const easiest = powLimitBits(rules);
    if (time > prev.time + rules.powTargetSpacing * 2) return easiest;
    return lastOrdinaryBits(prev, interval, easiest);
  }
  return retarget(prev, prev.ancestor(prev.height - (interval - 1))!, rules);
}

/** Bits of the last block that was not an easy one by the 20-minute rule. */
function lastOrdinaryBits(prev: HeaderContext, interval: number, easiest: number): number {
  let node = prev;
  while (node.prev !== null && node.height % interval !== 0 && node.bits === easiest) node = node.prev;
  return node.bits;
}

/**
 * Target of a new period from the last block of the old one and its first. The product does not wrap at 2^256
 * as Core's does: no network of Core's has a limit so easy that it could, and a custom one is better off.
 */
function retarget(last: HeaderContext, first: HeaderContext, rules: ConsensusRules): number {
  if (rules.powNoRetargeting) return last.bits;
  const span = rules.powTargetTimespan;
  const least = Math.floor(span / 4);
  const actual = Math.min(Math.max(last.time - first.time, least), span * 4);
  // BIP94: the first block of a period cannot be an easy one, so it keeps the true difficulty.
  const old = compactToTarget(rules.enforceBip94 ? first.bits : last.bits);
  const target = (old * BigInt(actual)) / BigInt(span);
  const limit = powLimitOf(rules);
  return target > limit ? powLimitBits(rules) : targetToCompact(target);
}

/**
 * Whether the target may go from `oldBits` to `newBits` at `height`, knowing no times: all that a presync of
 * headers can check (Core: `PermittedDifficultyTransition`).
 */
export function permittedDifficultyTransition(
  network: Network,
  height: number,
  oldBits: number,
  newBits: number,
): boolean {
  const rules = network.consensus;
  if (rules.powAllowMinDifficultyBlocks) return true;
  if (height % retargetInterval(rules) !== 0) return oldBits === newBits;
  const span = rules.powTargetTimespan;
  const observed = compactToTarget(newBits);
  if (observed > scaledTarget(oldBits, span * 4, rules)) return false;
  return observed >= scaledTarget(oldBits, Math.floor(span / 4), rules);
}

/** `bits` scaled by `actual` over the timespan, held under the limit and rounded as a compact form is. */
function scaledTarget(bits: number, actual: number, rules: ConsensusRules): bigint {
  const target = (compactToTarget(bits) * BigInt(actual)) / BigInt(rules.powTargetTimespan);
  const limit = powLimitOf(rules);
  return compactToTarget(targetToCompact(target > limit ? limit : target));
}
