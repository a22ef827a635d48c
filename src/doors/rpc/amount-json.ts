import { JsonNumber } from "#base/lib/json.ts";
import { COIN } from "#protocol/bitcoin/amount.ts";

/** Satoshi as bitcoin with eight decimals, as Core's ValueFromAmount. */
export function amountJson(satoshi: number | bigint): JsonNumber {
  const value = BigInt(satoshi);
  const magnitude = value < 0n ? -value : value;
  const whole = magnitude / BigInt(COIN);
  const fraction = (magnitude % BigInt(COIN)).toString().padStart(8, "0");
  return new JsonNumber(`${value < 0n ? "-" : ""}${whole}.${fraction}`);
}
