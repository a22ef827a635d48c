/**
 * Which rules a script is verified under, one bit each, at the same places as Core's SCRIPT_VERIFY_* flags
 * (script/interpreter.h). Consensus sets some by block, policy all of them.
 */

export const SCRIPT_VERIFY_NONE = 0;
/** BIP16. */
export const SCRIPT_VERIFY_P2SH = 1 << 0;
/** Strict DER, defined hash types and public keys of the known forms. */
export const SCRIPT_VERIFY_STRICTENC = 1 << 1;
/** BIP66. */
export const SCRIPT_VERIFY_DERSIG = 1 << 2;
/** BIP62 rule 5. */
export const SCRIPT_VERIFY_LOW_S = 1 << 3;
/** BIP147. */
export const SCRIPT_VERIFY_NULLDUMMY = 1 << 4;
/** BIP62 rule 2. */
export const SCRIPT_VERIFY_SIGPUSHONLY = 1 << 5;
/** BIP62 rules 3 and 4. */
export const SCRIPT_VERIFY_MINIMALDATA = 1 << 6;
export const SCRIPT_VERIFY_DISCOURAGE_UPGRADABLE_NOPS = 1 << 7;
/** BIP62 rule 6; needs P2SH and WITNESS. */
export const SCRIPT_VERIFY_CLEANSTACK = 1 << 8;
/** BIP65. */
export const SCRIPT_VERIFY_CHECKLOCKTIMEVERIFY = 1 << 9;
/** BIP112. */
export const SCRIPT_VERIFY_CHECKSEQUENCEVERIFY = 1 << 10;
/** BIP141 and BIP143; needs P2SH. */
export const SCRIPT_VERIFY_WITNESS = 1 << 11;
export const SCRIPT_VERIFY_DISCOURAGE_UPGRADABLE_WITNESS_PROGRAM = 1 << 12;
export const SCRIPT_VERIFY_MINIMALIF = 1 << 13;
/** BIP146. */
export const SCRIPT_VERIFY_NULLFAIL = 1 << 14;
export const SCRIPT_VERIFY_WITNESS_PUBKEYTYPE = 1 << 15;
export const SCRIPT_VERIFY_CONST_SCRIPTCODE = 1 << 16;
/** BIP341 and BIP342. */
export const SCRIPT_VERIFY_TAPROOT = 1 << 17;
export const SCRIPT_VERIFY_DISCOURAGE_UPGRADABLE_TAPROOT_VERSION = 1 << 18;
export const SCRIPT_VERIFY_DISCOURAGE_OP_SUCCESS = 1 << 19;
export const SCRIPT_VERIFY_DISCOURAGE_UPGRADABLE_PUBKEYTYPE = 1 << 20;

/** Names by bit, as Core's tests and `getdeploymentinfo` spell them. */
export const SCRIPT_FLAG_NAMES = [
  "P2SH",
  "STRICTENC",
  "DERSIG",
  "LOW_S",
  "NULLDUMMY",
  "SIGPUSHONLY",
  "MINIMALDATA",
  "DISCOURAGE_UPGRADABLE_NOPS",
  "CLEANSTACK",
  "CHECKLOCKTIMEVERIFY",
  "CHECKSEQUENCEVERIFY",
  "WITNESS",
  "DISCOURAGE_UPGRADABLE_WITNESS_PROGRAM",
  "MINIMALIF",
  "NULLFAIL",
  "WITNESS_PUBKEYTYPE",
  "CONST_SCRIPTCODE",
  "TAPROOT",
  "DISCOURAGE_UPGRADABLE_TAPROOT_VERSION",
  "DISCOURAGE_OP_SUCCESS",
  "DISCOURAGE_UPGRADABLE_PUBKEYTYPE",
] as const;

/** Every flag there is. */
export const ALL_SCRIPT_FLAGS = (1 << SCRIPT_FLAG_NAMES.length) - 1;

/** Names of the flags that are set, in the order of their bits. */
export function scriptFlagNames(flags: number): string[] {
  return SCRIPT_FLAG_NAMES.filter((_, bit) => (flags & (1 << bit)) !== 0);
}
