import type { ScriptError } from "./script-error.ts";

/** Which rules a script is run and its signatures are hashed by (Core: SigVersion). */
export const SIG_VERSIONS = ["base", "witness-v0", "taproot", "tapscript"] as const;
export type SigVersion = (typeof SIG_VERSIONS)[number];

/** What taproot signature hashes and the signature budget need beyond the script (Core: ScriptExecutionData). */
export interface ExecutionData {
  /** SHA-256 of the annex with its length in front; `undefined` without an annex. */
  annexHash: Uint8Array | undefined;
  /** BIP341 leaf hash, set in tapscript. */
  tapleafHash: Uint8Array | undefined;
  /** Opcode index of the last executed OP_CODESEPARATOR, 0xffffffff before the first. */
  codeSeparatorPosition: number;
  /** BIP342 budget: each signature check takes 50 from it. */
  validationWeightLeft: number;
}

/** What a script asks about the transaction that spends it. */
export interface SignatureChecker {
  /** @param signature DER with the hash type as its last byte. */
  checkEcdsa(signature: Uint8Array, pubkey: Uint8Array, scriptCode: Uint8Array, version: SigVersion): boolean;
  /** @param pubkey 32 bytes, x only. */
  checkSchnorr(
    signature: Uint8Array,
    pubkey: Uint8Array,
    version: SigVersion,
    execution: ExecutionData,
  ): ScriptError | undefined;
  /** BIP65. @param lockTime 0 … 2^39 − 1. */
  checkLockTime(lockTime: number): boolean;
  /** BIP112. @param sequence 0 … 2^39 − 1, its disable bit not set. */
  checkSequence(sequence: number): boolean;
}
