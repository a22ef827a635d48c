import { parseLaxDer } from "#base/crypto/lax-der.ts";
import { verifier as defaultVerifier, type Verifier } from "#base/crypto/secp256k1.ts";
import { isPubkeySize } from "#protocol/bitcoin/output-type.ts";
import { LOCKTIME_THRESHOLD } from "#protocol/bitcoin/script.ts";
import {
  legacySighash,
  SIGHASH_DEFAULT,
  type SighashMidstates,
  segwitV0Sighash,
  taprootSighash,
} from "#protocol/bitcoin/sighash.ts";
import {
  SEQUENCE_FINAL,
  SEQUENCE_LOCKTIME_DISABLE_FLAG,
  SEQUENCE_LOCKTIME_MASK,
  SEQUENCE_LOCKTIME_TYPE_FLAG,
} from "#protocol/bitcoin/transaction.ts";
import type { ScriptError } from "./script-error.ts";

/** Which rules a script is run and its signatures are hashed by (Core: SigVersion). */
const SIG_VERSIONS = ["base", "witness-v0", "taproot", "tapscript"] as const;
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

/** Checks one input of a transaction (Core: GenericTransactionSignatureChecker). */
export class TxSignatureChecker implements SignatureChecker {
  readonly #midstates: SighashMidstates;
  readonly #input: number;
  readonly #amount: number;
  readonly #verifier: Verifier;
  // The last ECDSA digest: the checks of one OP_CHECKMULTISIG mostly share it.
  #digest: Uint8Array | undefined;
  #digestScript: Uint8Array | undefined;
  #digestHashType = 0;

  /**
   * @param input index over the whole table.
   * @param amount satoshi of the output that it spends.
   */
  constructor(midstates: SighashMidstates, input: number, amount: number, verifier = defaultVerifier) {
    this.#midstates = midstates;
    this.#input = input;
    this.#amount = amount;
    this.#verifier = verifier;
  }

  checkEcdsa(
    signature: Uint8Array,
    pubkey: Uint8Array,
    scriptCode: Uint8Array,
    version: SigVersion,
  ): boolean {
    if (!isPubkeySize(pubkey) || signature.length === 0) return false;
    if (version === "witness-v0" && this.#amount < 0) return false;
    const last = signature.length - 1;
    if (!parseLaxDer(signature.subarray(0, last), COMPACT)) return false;
    const digest = this.#ecdsaDigest(scriptCode, signature[last]!, version);
    return this.#verifier.ecdsa(COMPACT, pubkey, digest);
  }

  /** One script code is hashed under one version only, so it and the hash type name the digest. */
  #ecdsaDigest(scriptCode: Uint8Array, hashType: number, version: SigVersion): Uint8Array {
    if (
      this.#digest !== undefined &&
      this.#digestScript === scriptCode &&
      this.#digestHashType === hashType
    ) {
      return this.#digest;
    }
    const midstates = this.#midstates;
    const digest =
      version === "witness-v0"
        ? segwitV0Sighash(midstates, this.#input, scriptCode, this.#amount, hashType)
        : legacySighash(midstates.table, midstates.tx, this.#input, scriptCode, hashType, midstates);
    this.#digest = digest;
    this.#digestScript = scriptCode;
    this.#digestHashType = hashType;
    return digest;
  }

  checkSchnorr(
    signature: Uint8Array,
    pubkey: Uint8Array,
    version: SigVersion,
    execution: ExecutionData,
  ): ScriptError | undefined {
    if (signature.length !== 64 && signature.length !== 65) return "SCHNORR_SIG_SIZE";
    const hashType = signature.length === 65 ? signature[64]! : SIGHASH_DEFAULT;
    if (signature.length === 65 && hashType === SIGHASH_DEFAULT) return "SCHNORR_SIG_HASHTYPE";
    const { annexHash, tapleafHash, codeSeparatorPosition } = execution;
    const leaf =
      version === "tapscript" && tapleafHash !== undefined
        ? { tapleafHash, codeSeparatorPosition }
        : undefined;
    const digest = taprootSighash(this.#midstates, this.#input, hashType, annexHash, leaf);
    if (digest === undefined) return "SCHNORR_SIG_HASHTYPE";
    return this.#verifier.schnorr(signature.subarray(0, 64), pubkey, digest) ? undefined : "SCHNORR_SIG";
  }

  checkLockTime(lockTime: number): boolean {
    const { table, tx } = this.#midstates;
    const own = table.lockTime(tx);
    // Heights compare with heights, times with times.
    if (own < LOCKTIME_THRESHOLD !== lockTime < LOCKTIME_THRESHOLD) return false;
    if (lockTime > own) return false;
    // A final input would take the lock time out of force.
    return table.sequence(this.#input) !== SEQUENCE_FINAL;
  }

  checkSequence(sequence: number): boolean {
    const { table, tx } = this.#midstates;
    const own = table.sequence(this.#input);
    if (table.version(tx) < 2 || (own & SEQUENCE_LOCKTIME_DISABLE_FLAG) !== 0) return false;
    const mask = SEQUENCE_LOCKTIME_TYPE_FLAG | SEQUENCE_LOCKTIME_MASK;
    const maskedOwn = own & mask;
    const masked = sequence & mask;
    if (maskedOwn < SEQUENCE_LOCKTIME_TYPE_FLAG !== masked < SEQUENCE_LOCKTIME_TYPE_FLAG) return false;
    return masked <= maskedOwn;
  }
}

const COMPACT = new Uint8Array(64);
