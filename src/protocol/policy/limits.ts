/** This node's fixed limits on what it relays and mines, as Core v31 has them (policy/policy.h). */

import { MAX_BLOCK_SIGOPS_COST } from "#protocol/consensus/limits.ts";

export const MIN_STANDARD_TX_VERSION = 1;
export const MAX_STANDARD_TX_VERSION = 3;
/** Largest weight of a transaction. */
export const MAX_STANDARD_TX_WEIGHT = 400_000;
/** One byte more than 64: a transaction of 64 bytes can pass for a Merkle node (CVE-2017-12842). */
export const MIN_STANDARD_TX_NONWITNESS_SIZE = 65;
/** Enough for a 15-of-15 P2SH multisig with compressed keys. */
export const MAX_STANDARD_SCRIPTSIG_SIZE = 1650;
/** Signature operations in a P2SH redeem script. */
export const MAX_P2SH_SIGOPS = 15;
/** Sigop cost of one transaction. */
export const MAX_STANDARD_TX_SIGOPS_COST: number = MAX_BLOCK_SIGOPS_COST / 5;
/** Signature operations outside the witness that one transaction may run (BIP54). */
export const MAX_TX_LEGACY_SIGOPS = 2500;
export const MAX_STANDARD_P2WSH_STACK_ITEMS = 100;
export const MAX_STANDARD_P2WSH_STACK_ITEM_SIZE = 80;
export const MAX_STANDARD_P2WSH_SCRIPT_SIZE = 3600;
export const MAX_STANDARD_TAPSCRIPT_STACK_ITEM_SIZE = 80;
/** Outputs below the dust limit; one is let through in a transaction without a fee. */
export const MAX_DUST_OUTPUTS_PER_TX = 1;
/** Transactions in a package, and their weight together. */
export const MAX_PACKAGE_COUNT = 25;
export const MAX_PACKAGE_WEIGHT = 404_000;
/** Clusters that a replacement may take from. */
export const MAX_REPLACEMENT_CANDIDATES = 100;
