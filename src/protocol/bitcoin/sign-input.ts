/**
 * Fills the script and witness of an input with what is at hand: signatures made with a provider, and signatures,
 * keys and scripts found in other versions of the same input (Core: script/sign.cpp `ProduceSignature`,
 * `DataFromTransaction`). What is missing stays open, so that somebody else can add it.
 */

import { signEcdsaLowR, signSchnorr } from "#base/crypto/keys.ts";
import { parseLaxDer } from "#base/crypto/lax-der.ts";
import { verifier } from "#base/crypto/secp256k1.ts";
import { hash160, sha256 } from "#base/crypto/sha256.ts";
import { concatBytes, equalBytes } from "#base/lib/bytes.ts";
import { payToPubkeyHash } from "./address.ts";
import { OP_0 } from "./opcodes.ts";
import { classifyOutput, matchMultisig } from "./output-type.ts";
import type { Prevouts } from "./prevouts.ts";
import { pushData, ScriptReader } from "./script.ts";
import {
  legacySighash,
  SIGHASH_ALL,
  SIGHASH_DEFAULT,
  SighashMidstates,
  segwitV0Sighash,
  taprootSighash,
} from "./sighash.ts";
import type { SigningProvider } from "./signing-provider.ts";
import type { TxTable } from "./tx-table.ts";

export interface SignedInput {
  readonly script: Uint8Array;
  readonly witness: Uint8Array[];
}

export interface SigningJob {
  /** The transaction alone, at index 0. */
  readonly table: TxTable;
  /** One for each input; taproot signs them all. */
  readonly prevouts: Prevouts;
  readonly provider: SigningProvider;
  /** Undefined: default for taproot, all otherwise. */
  readonly hashType: number | undefined;
}

type SigVersion = "legacy" | "v0";

/** Signs one transaction's inputs, keeping what they share. */
export class InputSigner {
  readonly #job: SigningJob;
  readonly #midstates: SighashMidstates;

  constructor(job: SigningJob) {
    this.#job = job;
    this.#midstates = new SighashMidstates(job.table, 0, job.prevouts);
  }

  /** @param candidates pushes and witness items of other versions of this input, where signatures may stand */
  sign(input: number, candidates: readonly Uint8Array[]): SignedInput {
    const script = this.#job.prevouts.script(input);
    const { type, solutions } = classifyOutput(script);
    if (type === "scripthash") {
      const redeem = this.#findScript(solutions[0]!, candidates, hash160);
      if (redeem === undefined) return EMPTY;
      const inner = this.#solve(input, redeem, candidates);
      return { script: concatBytes(inner.script, pushData(redeem)), witness: inner.witness };
    }
    return this.#solve(input, script, candidates);
  }

  /** A script that is no P2SH. */
  #solve(input: number, script: Uint8Array, candidates: readonly Uint8Array[]): SignedInput {
    const { type, solutions } = classifyOutput(script);
    switch (type) {
      case "witness_v0_keyhash": {
        const code = payToPubkeyHash(solutions[0]!);
        return { script: NOTHING, witness: this.#stackFor(input, code, "v0", candidates) };
      }
      case "witness_v0_scripthash": {
        const inner = this.#findScript(solutions[0]!, candidates, sha256);
        if (inner === undefined) return EMPTY;
        return { script: NOTHING, witness: [...this.#stackFor(input, inner, "v0", candidates), inner] };
      }
      case "witness_v1_taproot": {
        const signature = this.#taprootSignature(input, solutions[0]!, candidates);
        return signature === undefined ? EMPTY : { script: NOTHING, witness: [signature] };
      }
      default: {
        const stack = this.#stackFor(input, script, "legacy", candidates);
        const pushes = stack.map((item) => (item.length === 0 ? Uint8Array.of(OP_0) : pushData(item)));
        return { script: concatBytes(...pushes), witness: [] };
      }
    }
  }

  #findScript(
    hash: Uint8Array,
    candidates: readonly Uint8Array[],
    digest: (bytes: Uint8Array) => Uint8Array,
  ): Uint8Array | undefined {
    return this.#job.provider.scriptByHash(hash) ?? candidates.find((item) => equalBytes(digest(item), hash));
  }

  /** The stack that satisfies a script of keys, as far as it can be had; empty when its form is another. */
  #stackFor(
    input: number,
    script: Uint8Array,
    version: SigVersion,
    candidates: readonly Uint8Array[],
  ): Uint8Array[] {
    const { type, solutions } = classifyOutput(script);
    const signature = (key: Uint8Array) => this.#signature(input, script, version, key, candidates);
    switch (type) {
      case "pubkey": {
        const found = signature(solutions[0]!);
        return found === undefined ? [] : [found];
      }
      case "pubkeyhash": {
        const key =
          this.#job.provider.keyByHash(solutions[0]!)?.publicKey ??
          candidates.find((item) => equalBytes(hash160(item), solutions[0]!));
        const found = key === undefined ? undefined : signature(key);
        return key === undefined || found === undefined ? [] : [found, key];
      }
      case "multisig": {
        const { required, keys } = matchMultisig(script)!;
        const found: Uint8Array[] = [];
        for (const key of keys) {
          const one = found.length < required ? signature(key) : undefined;
          if (one !== undefined) found.push(one);
        }
        // The first item is the one that OP_CHECKMULTISIG takes too many; missing signatures stay empty.
        while (found.length < required) found.push(NOTHING);
        return [NOTHING, ...found];
      }
      default:
        return [];
    }
  }

  #signature(
    input: number,
    script: Uint8Array,
    version: SigVersion,
    publicKey: Uint8Array,
    candidates: readonly Uint8Array[],
  ): Uint8Array | undefined {
    const digest = (hashType: number) =>
      version === "legacy"
        ? legacySighash(this.#job.table, 0, input, script, hashType, this.#midstates)
        : segwitV0Sighash(this.#midstates, input, script, this.#job.prevouts.amount(input), hashType);
    const known = candidates.find((item) => isSignatureFor(item, publicKey, digest));
    if (known !== undefined) return known;
    const key = this.#job.provider.keyByPublicKey(publicKey);
    if (key === undefined) return undefined;
    // A witness key must be compressed (BIP143).
    if (version === "v0" && publicKey.length !== 33) return undefined;
    const hashType = this.#job.hashType ?? SIGHASH_ALL;
    const type = hashType === SIGHASH_DEFAULT ? SIGHASH_ALL : hashType;
    return concatBytes(signEcdsaLowR(key.secret, digest(type)), Uint8Array.of(type));
  }

  #taprootSignature(
    input: number,
    outputKey: Uint8Array,
    candidates: readonly Uint8Array[],
  ): Uint8Array | undefined {
    const known = candidates.find((item) => {
      if (item.length !== 64 && item.length !== 65) return false;
      const type = item.length === 65 ? item[64]! : SIGHASH_DEFAULT;
      const digest = taprootSighash(this.#midstates, input, type);
      return digest !== undefined && verifier.schnorr(item.subarray(0, 64), outputKey, digest);
    });
    if (known !== undefined) return known;
    const secret = this.#job.provider.secretByOutputKey(outputKey);
    if (secret === undefined) return undefined;
    const type = this.#job.hashType ?? SIGHASH_DEFAULT;
    const digest = taprootSighash(this.#midstates, input, type);
    if (digest === undefined) return undefined;
    const signature = signSchnorr(secret, digest, new Uint8Array(32));
    return type === SIGHASH_DEFAULT ? signature : concatBytes(signature, Uint8Array.of(type));
  }
}

const NOTHING = new Uint8Array(0);
const EMPTY: SignedInput = { script: NOTHING, witness: [] };

function isSignatureFor(
  item: Uint8Array,
  publicKey: Uint8Array,
  digest: (hashType: number) => Uint8Array,
): boolean {
  // The shortest DER signature has 8 bytes, the longest 72, and the hash type follows.
  if (item.length < 9 || item.length > 73 || item[0] !== 0x30) return false;
  const compact = new Uint8Array(64);
  if (!parseLaxDer(item.subarray(0, -1), compact)) return false;
  return verifier.ecdsa(compact, publicKey, digest(item.at(-1)!));
}

/** What an input carries: pushes of its script and items of its witness. */
export function inputItems(table: TxTable, input: number): Uint8Array[] {
  const items = [...table.witness(input)];
  const reader = new ScriptReader(table.inputScript(input));
  while (reader.next()) {
    if (reader.data().length > 0) items.push(reader.data());
  }
  return items;
}
