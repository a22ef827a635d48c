import { COIN } from "#protocol/bitcoin/amount.ts";
import { type FeeRate, feePerKvb } from "./fee-rate.ts";

/** A rate as Core writes it: `0.00001000 BTC/kvB` (CFeeRate::ToString). */
export function formatFeeRate(rate: FeeRate): string {
  const satoshi = feePerKvb(rate);
  const absolute = Math.abs(satoshi);
  const decimals = String(absolute % COIN).padStart(8, "0");
  return `${satoshi < 0 ? "-" : ""}${Math.floor(absolute / COIN)}.${decimals} BTC/kvB`;
}
