import { COIN } from "#protocol/bitcoin/amount.ts";
import { type FeeRate, feePerKvb } from "./fee-rate.ts";

/** An amount in bitcoin with eight decimals, without trailing zeros beyond the second (Core: FormatMoney). */
export function formatMoney(satoshi: number): string {
  return eightDecimals(satoshi).replace(/0{1,6}$/, "");
}

/** A rate as Core logs it: `0.00001000 BTC/kvB` (CFeeRate::ToString). */
export function formatFeeRate(rate: FeeRate): string {
  return `${eightDecimals(feePerKvb(rate))} BTC/kvB`;
}

function eightDecimals(satoshi: number): string {
  const absolute = Math.abs(satoshi);
  const whole = Math.floor(absolute / COIN);
  const rest = String(absolute % COIN).padStart(8, "0");
  return `${satoshi < 0 ? "-" : ""}${whole}.${rest}`;
}
