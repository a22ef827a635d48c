/** Satoshi in one bitcoin. Amounts are satoshi in safe integers: all there can be is 21e14 < 2^53. */
export const COIN = 100_000_000;
export const MAX_MONEY = 21_000_000 * COIN;

/** Whether an amount, or a sum of amounts, can exist (consensus/amount.h). */
export function isMoney(amount: number): boolean {
  return amount >= 0 && amount <= MAX_MONEY;
}
