/** Key expressions of descriptors from their text, with Core's errors (`ParsePubkey` in script/descriptor.cpp). */

import { isValidPublicKey, isValidXOnlyKey } from "#base/crypto/keys.ts";
import { concatBytes, fromHex } from "#base/lib/bytes.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import { decodeExtendedPrivate, decodeExtendedPublic, type ExtendedPublicKey, neuter } from "./bip32.ts";
import {
  ConstantKey,
  ExtendedKeyPath,
  type KeyExpression,
  KeyWithOrigin,
  type Wildcard,
} from "./key-expression.ts";
import { HARDENED } from "./key-path.ts";
import type { Network } from "./network.ts";
import { isPubkeySize } from "./output-type.ts";
import type { PrivateKeys } from "./private-keys.ts";
import { decodeWif } from "./wif.ts";

/** Where a key stands: uncompressed keys are allowed at the top and in `sh()`, 32-byte keys in `tr()`. */
export type KeyContext = "top" | "p2sh" | "p2wpkh" | "p2wsh" | "p2tr";

/**
 * The key of an expression, or one for each value of its multipath specifier.
 * @param secrets takes in the private keys that stand in the text.
 * @throws DecodeError with Core's text.
 */
export function parseKeyExpression(
  text: string,
  context: KeyContext,
  network: Network,
  secrets: PrivateKeys,
): KeyExpression[] {
  if (text.startsWith("musig(")) {
    throw new DecodeError(
      context === "p2tr" ? "musig() is not supported" : "musig() is only allowed in tr() and rawtr()",
    );
  }
  const parser = new KeyParser(context, network, secrets);
  const parts = text.split("]");
  if (parts.length > 2) throw new DecodeError("Multiple ']' characters found for a single pubkey");
  const [first = "", second] = parts;
  if (second === undefined) return parser.key(first);
  if (!first.startsWith("[")) {
    const got = first === "" ? "]" : first[0];
    throw new DecodeError(`Key origin start '[ character expected but not found, got '${got}' instead`);
  }
  const steps = first.slice(1).split("/");
  const fingerprint = parseFingerprint(steps[0]!);
  const path = parser.path(steps, false)[0]!;
  return parser
    .key(second)
    .map((key) => new KeyWithOrigin({ fingerprint, path }, key, parser.usesApostrophe));
}

function parseFingerprint(text: string): Uint8Array {
  if (text.length !== 8) {
    throw new DecodeError(`Fingerprint is not 4 bytes (${text.length} characters instead of 8 characters)`);
  }
  const fingerprint = fromHex(text);
  if (fingerprint === undefined) throw new DecodeError(`Fingerprint '${text}' is not hex`);
  return fingerprint;
}

class KeyParser {
  /** Whether the last hardened step was marked with ' and not with h: all are shown as it was. */
  usesApostrophe = false;
  readonly #context: KeyContext;
  readonly #network: Network;
  readonly #secrets: PrivateKeys;

  constructor(context: KeyContext, network: Network, secrets: PrivateKeys) {
    this.#context = context;
    this.#network = network;
    this.#secrets = secrets;
  }

  /** A key without its origin. */
  key(text: string): KeyExpression[] {
    const steps = text.split("/");
    const key = steps[0]!;
    if (key === "") throw new DecodeError("No key provided");
    if (/^\s|\s$/.test(key)) throw new DecodeError(`Key '${key}' is invalid due to whitespace`);
    if (steps.length === 1) {
      const bytes = fromHex(key);
      if (bytes !== undefined) return [this.#constant(key, bytes)];
      const secret = this.#wif(key);
      if (secret !== undefined) return [secret];
    }
    const root = this.#extended(key);
    const wildcard = this.#wildcard(steps);
    const paths = this.path(steps, true);
    const apostrophe = this.usesApostrophe;
    return paths.map((path) => new ExtendedKeyPath(root, path, wildcard, apostrophe, this.#network));
  }

  get #allowsUncompressed(): boolean {
    return this.#context === "top" || this.#context === "p2sh";
  }

  #constant(text: string, bytes: Uint8Array): KeyExpression {
    if (isPubkeySize(bytes) && bytes[0]! > 4) throw new DecodeError("Hybrid public keys are not allowed");
    if (isPubkeySize(bytes) && isValidPublicKey(bytes)) {
      if (bytes.length === 65 && !this.#allowsUncompressed) {
        throw new DecodeError("Uncompressed keys are not allowed");
      }
      return new ConstantKey(bytes, false, this.#network);
    }
    if (this.#context === "p2tr" && isValidXOnlyKey(bytes)) {
      return new ConstantKey(concatBytes(Uint8Array.of(2), bytes), true, this.#network);
    }
    throw new DecodeError(`Pubkey '${text}' is invalid`);
  }

  #wif(text: string): KeyExpression | undefined {
    const key = decodeWif(text, this.#network);
    if (key === undefined) return undefined;
    if (!key.compressed && !this.#allowsUncompressed) {
      throw new DecodeError("Uncompressed keys are not allowed");
    }
    return new ConstantKey(this.#secrets.add(key), this.#context === "p2tr", this.#network);
  }

  #extended(text: string): ExtendedPublicKey {
    const secret = decodeExtendedPrivate(text, this.#network);
    if (secret !== undefined) {
      this.#secrets.add({ secret: secret.secretKey, compressed: true });
      return neuter(secret);
    }
    const key = decodeExtendedPublic(text, this.#network);
    if (key === undefined) throw new DecodeError(`key '${text}' is not valid`);
    return key;
  }

  /** Takes a last step of `*`, `*'` or `*h` off. */
  #wildcard(steps: string[]): Wildcard {
    const last = steps.at(-1);
    if (last !== "*" && last !== "*'" && last !== "*h") return "none";
    steps.pop();
    if (last === "*") return "unhardened";
    this.usesApostrophe = last === "*'";
    return "hardened";
  }

  /** The steps after the first of `steps`; as many paths as a multipath specifier has values. */
  path(steps: readonly string[], allowMultipath: boolean): number[][] {
    let paths: number[][] = [[]];
    let isMultipath = false;
    for (const step of steps.slice(1)) {
      if (!step.startsWith("<") || !step.endsWith(">")) {
        const index = this.#index(step);
        for (const path of paths) path.push(index);
        continue;
      }
      if (!allowMultipath) {
        throw new DecodeError(
          `Key path value '${step}' specifies multipath in a section where multipath is not allowed`,
        );
      }
      if (isMultipath) throw new DecodeError("Multiple multipath key path specifiers found");
      isMultipath = true;
      const [before = []] = paths;
      paths = this.#multipath(step).map((index) => [...before, index]);
    }
    return paths;
  }

  #multipath(step: string): number[] {
    const values = step.slice(1, -1).split(";");
    if (values.length < 2) {
      throw new DecodeError("Multipath key path specifiers must have at least two items");
    }
    const seen = new Set<number>();
    for (const value of values) {
      const index = this.#index(value);
      if (seen.has(index)) {
        throw new DecodeError(`Duplicated key path value ${index} in multipath specifier`);
      }
      seen.add(index);
    }
    return [...seen];
  }

  #index(step: string): number {
    const last = step.at(-1);
    const isHardened = last === "'" || last === "h";
    if (isHardened) this.usesApostrophe = last === "'";
    const digits = isHardened ? step.slice(0, -1) : step;
    const value = /^[0-9]+$/.test(digits) ? Number(digits) : Number.NaN;
    if (!(value <= 0xffff_ffff)) {
      throw new DecodeError(`Key path value '${digits}' is not a valid uint32`);
    }
    if (value >= HARDENED) throw new DecodeError(`Key path value ${value} is out of range`);
    return isHardened ? value + HARDENED : value;
  }
}
