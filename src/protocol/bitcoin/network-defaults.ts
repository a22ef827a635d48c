import type { AddressPrefixes } from "./network.ts";

/** Start of a deployment that holds from genesis on (BIP9Deployment::ALWAYS_ACTIVE). */
export const ALWAYS_ACTIVE = -1;
/** Start of a deployment that never holds (BIP9Deployment::NEVER_ACTIVE). */
export const NEVER_ACTIVE = -2;
/** Time-out that never comes (BIP9Deployment::NO_TIMEOUT). */
export const NO_TIMEOUT: number = Number.MAX_SAFE_INTEGER;

/** No minimum of work. */
export const NO_WORK: string = "0".repeat(64);

/** Prefixes that all test networks share; regtest has its own Bech32 prefix. */
export const TEST_ADDRESSES: AddressPrefixes = {
  pubkeyHash: 111,
  scriptHash: 196,
  secretKey: 239,
  extendedPublic: 0x0435_87cf,
  extendedPrivate: 0x0435_8394,
  bech32: "tb",
};
