import { COIN } from "#protocol/bitcoin/amount.ts";

/** A fee per size: `fee` satoshi for `size` virtual bytes (or weight, where a name says so). Size 0 means no rate. */
export interface FeeRate {
  readonly fee: number;
  readonly size: number;
}

/** A rate in satoshi per 1,000 virtual bytes, as options and RPCs give it. */
export function feeRatePerKvb(satoshi: number): FeeRate {
  return { fee: satoshi, size: 1000 };
}
