/**
 * Output descriptors (BIP380 to 386, multipath of BIP389): the tree that parse-descriptor.ts and
 * infer-descriptor.ts make, its canonical text, and the scripts that it stands for. Core: script/descriptor.cpp.
 */

import { hash160, sha256 } from "#base/crypto/sha256.ts";
import { compareBytes, concatBytes } from "#base/lib/bytes.ts";
import { encodeAddress, payToPubkey, payToPubkeyHash, payToScriptHash, payToWitness } from "./address.ts";
import { addChecksum } from "./descriptor-checksum.ts";
import type { DerivedKey, KeyExpression } from "./key-expression.ts";
import { multisigScript, sortKeys } from "./multisig.ts";
import type { Network } from "./network.ts";
import { OP_CHECKSIG, OP_CHECKSIGADD, OP_NUMEQUAL } from "./opcodes.ts";
import type { PrivateKeys } from "./private-keys.ts";
import { buildScript, pushData, pushNumber } from "./script.ts";
import { TAPSCRIPT_LEAF, type TaprootOutput, taprootOutput } from "./taproot.ts";
import type { PrivateKey } from "./wif.ts";

export type MultisigName = "multi" | "sortedmulti" | "multi_a" | "sortedmulti_a";

/** One function of a descriptor with its arguments. `xOnly` holds inside `tr()`. */
export type DescriptorNode =
  | { readonly kind: "pk" | "pkh"; readonly key: KeyExpression; readonly xOnly: boolean }
  | { readonly kind: "wpkh" | "combo" | "rawtr"; readonly key: KeyExpression }
  | {
      readonly kind: "multi";
      readonly name: MultisigName;
      readonly threshold: number;
      readonly keys: readonly KeyExpression[];
    }
  | { readonly kind: "sh" | "wsh"; readonly inner: DescriptorNode }
  | {
      readonly kind: "tr";
      readonly key: KeyExpression;
      /** The scripts of the tree in order, and how deep each stands. */
      readonly leaves: readonly DescriptorNode[];
      readonly depths: readonly number[];
    }
  | { readonly kind: "addr" | "raw"; readonly script: Uint8Array };

/** What a descriptor stands for at one position: all that a signer needs beside the private keys. */
export interface Expansion {
  /** Output scripts: one, but for `combo()`. */
  readonly scripts: readonly Uint8Array[];
  /** Redeem scripts and witness scripts. */
  readonly subscripts: readonly Uint8Array[];
  readonly keys: readonly DerivedKey[];
  readonly taproot: readonly TaprootOutput[];
}

/** A descriptor of one path. One with a multipath specifier is a list of them. */
export class Descriptor {
  readonly network: Network;
  readonly #node: DescriptorNode;
  readonly #secrets: PrivateKeys;

  /** @param secrets the private keys that stood in its text. */
  constructor(node: DescriptorNode, network: Network, secrets: PrivateKeys) {
    this.network = network;
    this.#node = node;
    this.#secrets = secrets;
  }

  /** Whether it stands for other scripts at each position. */
  get isRange(): boolean {
    return someKey(this.#node, (key) => key.isRange);
  }

  /** Whether it tells how to spend, not just what an output looks like. */
  get isSolvable(): boolean {
    return this.#node.kind !== "addr" && this.#node.kind !== "raw";
  }

  /** Canonical text with its checksum, without private keys. */
  toString(): string {
    return addChecksum(nodeText(this.#node, this.network, String)!);
  }

  /** Text with private keys, `undefined` when one of them is not known. */
  toPrivateString(): string | undefined {
    if (!this.isSolvable) return undefined;
    const text = nodeText(this.#node, this.network, (key) => key.toPrivateString(this.#secrets));
    return text === undefined ? undefined : addChecksum(text);
  }

  /**
   * The scripts at a position (below 2^31; any when it is no range).
   * @returns `undefined` when a hardened step takes a private key that is not known.
   */
  expand(position: number): Expansion | undefined {
    const expander = new Expander(position, this.#secrets);
    const scripts = expander.scripts(this.#node);
    if (scripts === undefined) return undefined;
    return { scripts, subscripts: expander.subscripts, keys: expander.keys, taproot: expander.taproot };
  }

  /** The private keys known at a position. */
  privateKeys(position: number): PrivateKey[] {
    const found: PrivateKey[] = [];
    someKey(this.#node, (key) => {
      const secret = key.privateKey(position, this.#secrets);
      if (secret !== undefined) found.push(secret);
      return false;
    });
    return found;
  }
}

/** Whether a test holds for a key, in the order of the text. */
function someKey(node: DescriptorNode, test: (key: KeyExpression) => boolean): boolean {
  switch (node.kind) {
    case "addr":
    case "raw":
      return false;
    case "multi":
      return node.keys.some(test);
    case "sh":
    case "wsh":
      return someKey(node.inner, test);
    case "tr":
      return test(node.key) || node.leaves.some((leaf) => someKey(leaf, test));
    default:
      return test(node.key);
  }
}

/** A node's text with keys as `keyText` gives them; `undefined` when it does so for one. */
function nodeText(
  node: DescriptorNode,
  network: Network,
  keyText: (key: KeyExpression) => string | undefined,
): string | undefined {
  switch (node.kind) {
    case "addr":
      return `addr(${encodeAddress(node.script, network)!})`;
    case "raw":
      return `raw(${Array.from(node.script, (byte) => byte.toString(16).padStart(2, "0")).join("")})`;
    case "multi": {
      const keys = node.keys.map(keyText);
      return keys.includes(undefined) ? undefined : `${node.name}(${[node.threshold, ...keys].join(",")})`;
    }
    case "sh":
    case "wsh": {
      const inner = nodeText(node.inner, network, keyText);
      return inner === undefined ? undefined : `${node.kind}(${inner})`;
    }
    case "tr": {
      const parts = [keyText(node.key), ...node.leaves.map((leaf) => nodeText(leaf, network, keyText))];
      return parts.includes(undefined) ? undefined : `tr(${treeText(parts as string[], node.depths)})`;
    }
    default: {
      const key = keyText(node.key);
      return key === undefined ? undefined : `${node.kind}(${key})`;
    }
  }
}

/** The internal key, and after a comma the tree with its braces. */
function treeText([key, ...leaves]: readonly string[], depths: readonly number[]): string {
  let text = key!;
  // For each open level whether its left branch is done.
  const levels: boolean[] = [];
  for (const [i, leaf] of leaves.entries()) {
    text += ",";
    for (; levels.length < depths[i]!; levels.push(false)) text += "{";
    text += leaf;
    for (; levels.at(-1) === true; levels.pop()) text += "}";
    if (levels.length > 0) levels[levels.length - 1] = true;
  }
  return text;
}

/** Collects what a descriptor stands for at one position. */
class Expander {
  readonly subscripts: Uint8Array[] = [];
  readonly keys: DerivedKey[] = [];
  readonly taproot: TaprootOutput[] = [];
  readonly #position: number;
  readonly #secrets: PrivateKeys;

  constructor(position: number, secrets: PrivateKeys) {
    this.#position = position;
    this.#secrets = secrets;
  }

  scripts(node: DescriptorNode): Uint8Array[] | undefined {
    switch (node.kind) {
      case "addr":
      case "raw":
        return [node.script];
      case "multi":
        return this.#multisig(node.name, node.threshold, node.keys);
      case "sh":
      case "wsh":
        return this.#wrapped(node.kind, node.inner);
      case "tr":
        return this.#taproot(node);
      default: {
        const key = this.#key(node.key);
        return key === undefined ? undefined : this.#ofKey(node, key);
      }
    }
  }

  #key(expression: KeyExpression): Uint8Array | undefined {
    const derived = expression.derive(this.#position, this.#secrets);
    if (derived !== undefined) this.keys.push(derived);
    return derived?.publicKey;
  }

  #ofKey(
    node: Extract<DescriptorNode, { kind: "pk" | "pkh" | "wpkh" | "combo" | "rawtr" }>,
    key: Uint8Array,
  ): Uint8Array[] {
    switch (node.kind) {
      case "pk":
        return [payToPubkey(node.xOnly ? xOnly(key) : key)];
      case "pkh":
        return [payToPubkeyHash(hash160(node.xOnly ? xOnly(key) : key))];
      case "wpkh":
        return [payToWitness(0, hash160(key))];
      case "rawtr":
        return [payToWitness(1, xOnly(key))];
      case "combo":
        return this.#combo(key);
    }
  }

  #combo(key: Uint8Array): Uint8Array[] {
    const scripts = [payToPubkey(key), payToPubkeyHash(hash160(key))];
    if (key.length !== 33) return scripts;
    const program = payToWitness(0, hash160(key));
    this.subscripts.push(program);
    return [...scripts, program, payToScriptHash(hash160(program))];
  }

  #multisig(
    name: MultisigName,
    threshold: number,
    expressions: readonly KeyExpression[],
  ): Uint8Array[] | undefined {
    const keys: Uint8Array[] = [];
    for (const expression of expressions) {
      const key = this.#key(expression);
      if (key === undefined) return undefined;
      keys.push(key);
    }
    if (name === "multi") return [multisigScript(threshold, keys)];
    if (name === "sortedmulti") return [multisigScript(threshold, sortKeys(keys))];
    const xKeys = keys.map(xOnly);
    if (name === "sortedmulti_a") xKeys.sort(compareBytes);
    return [multiAScript(threshold, xKeys)];
  }

  #wrapped(kind: "sh" | "wsh", inner: DescriptorNode): Uint8Array[] | undefined {
    const script = this.scripts(inner)?.[0];
    if (script === undefined) return undefined;
    this.subscripts.push(script);
    return [kind === "sh" ? payToScriptHash(hash160(script)) : payToWitness(0, sha256(script))];
  }

  #taproot(node: Extract<DescriptorNode, { kind: "tr" }>): Uint8Array[] | undefined {
    const key = this.#key(node.key);
    if (key === undefined) return undefined;
    const leaves = [];
    for (const [i, leaf] of node.leaves.entries()) {
      const script = this.scripts(leaf)?.[0];
      if (script === undefined) return undefined;
      leaves.push({ script, leafVersion: TAPSCRIPT_LEAF, depth: node.depths[i]! });
    }
    const output = taprootOutput(xOnly(key), leaves);
    if (output === undefined) return undefined;
    this.taproot.push(output);
    return [output.script];
  }
}

/** The x coordinate of a compressed key. */
function xOnly(key: Uint8Array): Uint8Array {
  return key.slice(1, 33);
}

/** <key> OP_CHECKSIG <key> OP_CHECKSIGADD … threshold OP_NUMEQUAL (BIP387). */
function multiAScript(threshold: number, keys: readonly Uint8Array[]): Uint8Array {
  return concatBytes(
    ...keys.map((key, i) =>
      concatBytes(pushData(key), Uint8Array.of(i === 0 ? OP_CHECKSIG : OP_CHECKSIGADD)),
    ),
    pushNumber(threshold),
    buildScript(OP_NUMEQUAL),
  );
}
