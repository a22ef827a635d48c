/**
 * Fee rates as exact fractions, as Core keeps them since v30 (util/feefrac.h, policy/feerate.cpp): a rate is
 * never rounded before it is compared or applied.
 */

/** A fee per size: `fee` satoshi for `size` virtual bytes (or weight, where a name says so). Size 0: no rate. */
export interface FeeRate {
  readonly fee: number;
  readonly size: number;
}

export const NO_FEE_RATE: FeeRate = { fee: 0, size: 0 };

/** A rate in satoshi per 1,000 virtual bytes, as options and RPCs give it. */
export function feeRatePerKvb(satoshi: number): FeeRate {
  return { fee: satoshi, size: 1000 };
}

/** Doubles round a product by at most 2^-53 of it; beyond this share of both a difference is certain. */
const ROUNDING = 2 ** -51;

/** Sign of a·b − c·d for safe integers, exact also where the products are not. */
export function compareProducts(a: number, b: number, c: number, d: number): number {
  const left = a * b;
  const right = c * d;
  const difference = left - right;
  const magnitude = Math.abs(left) + Math.abs(right);
  if (magnitude <= Number.MAX_SAFE_INTEGER || Math.abs(difference) > magnitude * ROUNDING) return difference;
  const exact = BigInt(a) * BigInt(b) - BigInt(c) * BigInt(d);
  return exact > 0n ? 1 : exact < 0n ? -1 : 0;
}

/** Negative when `a` is the lower rate. A rate without a size counts as zero. */
export function compareFeeRates(a: FeeRate, b: FeeRate): number {
  if (a.size === 0 || b.size === 0) return (a.size === 0 ? 0 : a.fee) - (b.size === 0 ? 0 : b.fee);
  return compareProducts(a.fee, b.size, b.fee, a.size);
}

/**
 * Fee in satoshi for a size at a rate, rounded up, so that it meets the rate (CFeeRate::GetFee). A negative rate
 * gives at most −1 for any size.
 */
export function feeFor(rate: FeeRate, size: number): number {
  if (rate.size === 0) return 0;
  const fee = ceilingOf(rate.fee, size, rate.size);
  return fee === 0 && size !== 0 && rate.fee < 0 ? -1 : fee;
}

/** The rate in satoshi per 1,000 virtual bytes, rounded down (CFeeRate::GetFeePerK). */
export function feePerKvb(rate: FeeRate): number {
  // −⌈−x⌉ = ⌊x⌋; the sum takes away a negative zero.
  return rate.size === 0 ? 0 : 0 - ceilingOf(0 - rate.fee, 1000, rate.size);
}

/** ⌈a·b/c⌉ for safe integers, c > 0. */
function ceilingOf(a: number, b: number, c: number): number {
  const product = a * b;
  if (Math.abs(product) <= Number.MAX_SAFE_INTEGER) {
    const remainder = product % c;
    const quotient = (product - remainder) / c;
    return (remainder > 0 ? quotient + 1 : quotient) + 0;
  }
  const exact = BigInt(a) * BigInt(b);
  const divisor = BigInt(c);
  const quotient = exact / divisor;
  return Number(exact % divisor > 0n ? quotient + 1n : quotient);
}

/** Virtual bytes of a weight: a quarter, rounded up (BIP141). */
export function virtualSize(weight: number): number {
  return Math.ceil(weight / 4);
}

/** A rate over weight as one over virtual bytes, as Core's ToFeePerVSize. */
export function perVirtualSize(rate: FeeRate): FeeRate {
  return { fee: rate.fee, size: virtualSize(rate.size) };
}

/** Weight, or what the signature operations weigh where that is more (Core: GetSigOpsAdjustedWeight). */
export function sigopsAdjustedWeight(weight: number, sigopCost: number, bytesPerSigop: number): number {
  return Math.max(weight, sigopCost * bytesPerSigop);
}
