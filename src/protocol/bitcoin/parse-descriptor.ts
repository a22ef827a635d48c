/** Descriptors from their text, with Core's errors (script/descriptor.cpp, script/parsing.cpp). */

import { fromHex } from "#base/lib/bytes.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import { decodeAddress, isAddressError } from "./address.ts";
import { Descriptor, type DescriptorNode, type MultisigName } from "./descriptor.ts";
import { splitChecksum } from "./descriptor-checksum.ts";
import type { KeyExpression } from "./key-expression.ts";
import type { Network } from "./network.ts";
import { type KeyContext, parseKeyExpression } from "./parse-key-expression.ts";
import { PrivateKeys } from "./private-keys.ts";
import { MAX_PUBKEYS_PER_MULTISIG, MAX_SCRIPT_ELEMENT_SIZE } from "./script.ts";
import { MAX_TAPROOT_DEPTH } from "./taproot.ts";

/** A descriptor's text read: one descriptor, or one for each value of its multipath specifiers. */
export interface ParsedDescriptor {
  readonly descriptors: readonly Descriptor[];
  /** The checksum of the text as it was given. */
  readonly checksum: string;
  readonly hasPrivateKeys: boolean;
}

/**
 * Reads a descriptor.
 * @param requireChecksum refuses one without `#` and checksum.
 * @throws DecodeError with Core's text.
 */
export function parseDescriptor(text: string, network: Network, requireChecksum = false): ParsedDescriptor {
  const split = splitChecksum(text, requireChecksum);
  if ("error" in split) throw new DecodeError(split.error);
  const secrets = new PrivateKeys();
  const span = new Span(split.payload);
  const nodes = new DescriptorParser(network, secrets).script(span, "top");
  // What is left over has no text in Core either.
  if (span.text !== "") throw new DecodeError("");
  return {
    descriptors: nodes.map((node) => new Descriptor(node, network, secrets)),
    checksum: split.checksum,
    hasPrivateKeys: !secrets.isEmpty,
  };
}

/** Text not yet read. */
class Span {
  text: string;

  constructor(text: string) {
    this.text = text;
  }

  /** Reads over `start` if it stands there. */
  take(start: string): boolean {
    if (!this.text.startsWith(start)) return false;
    this.text = this.text.slice(start.length);
    return true;
  }

  /** Keeps the argument if the text is a call of `name`. */
  call(name: string): boolean {
    if (!this.text.startsWith(`${name}(`) || !this.text.endsWith(")")) return false;
    this.text = this.text.slice(name.length + 1, -1);
    return true;
  }

  /** Reads one argument: to the first comma or closing bracket outside of brackets. */
  expression(): Span {
    const { text } = this;
    let level = 0;
    let at = 0;
    for (; at < text.length; at++) {
      const c = text[at]!;
      if (c === "(" || c === "{") level++;
      else if (c === ")" || c === "}" || c === ",") {
        if (level === 0) break;
        if (c !== ",") level--;
      }
    }
    this.text = text.slice(at);
    return new Span(text.slice(0, at));
  }
}

/** Where a script expression stands. */
type Context = "top" | "p2sh" | "p2wsh" | "p2tr";

const MAX_KEYS_MULTI_A = 999;
const MULTISIG_NAMES: readonly MultisigName[] = ["multi", "sortedmulti", "multi_a", "sortedmulti_a"];
/** Functions of Miniscript, by whose name a text is told to be one. */
const MINISCRIPT =
  /^([a-z]+:)?((pk|pkh|pk_k|pk_h|older|after|sha256|hash256|ripemd160|hash160|andor|and_v|and_b|and_n|or_b|or_c|or_d|or_i|thresh|multi|multi_a)\(.*\)|[01])$/;

class DescriptorParser {
  readonly #network: Network;
  readonly #secrets: PrivateKeys;

  constructor(network: Network, secrets: PrivateKeys) {
    this.#network = network;
    this.#secrets = secrets;
  }

  /** One script expression, as many times as there are multipath values. */
  script(span: Span, context: Context): DescriptorNode[] {
    const expression = span.expression();
    const node =
      this.#ofOneKey(expression, context) ??
      this.#multisig(expression, context) ??
      this.#wrapper(expression, context) ??
      this.#topLevel(expression, context);
    if (node !== undefined) return node;
    throw new DecodeError(unknownFunction(expression.text, context));
  }

  #keys(text: string, context: KeyContext, where: string): KeyExpression[] {
    try {
      return parseKeyExpression(text, context, this.#network, this.#secrets);
    } catch (error) {
      if (error instanceof DecodeError) throw new DecodeError(`${where}${error.message}`);
      throw error;
    }
  }

  #ofOneKey(span: Span, context: Context): DescriptorNode[] | undefined {
    const xOnly = context === "p2tr";
    for (const kind of ["pk", "pkh"] as const) {
      // In a tree pkh() is an expression of Miniscript, whose key errors have no name in front.
      const where = xOnly && kind === "pkh" ? "" : `${kind}(): `;
      if (span.call(kind)) return this.#keys(span.text, context, where).map((key) => ({ kind, key, xOnly }));
    }
    if (span.call("combo")) {
      if (context !== "top") throw new DecodeError("Can only have combo() at top level");
      return this.#keys(span.text, context, "combo(): ").map((key) => ({ kind: "combo", key }));
    }
    return undefined;
  }

  #multisig(span: Span, context: Context): DescriptorNode[] | undefined {
    const name = MULTISIG_NAMES.find((candidate) => span.call(candidate));
    if (name === undefined) return undefined;
    const inTree = name === "multi_a" || name === "sortedmulti_a";
    if (inTree && context !== "p2tr")
      throw new DecodeError("Can only have multi_a/sortedmulti_a inside tr()");
    if (!inTree && context === "p2tr") {
      throw new DecodeError("Can only have multi/sortedmulti at top level, in sh(), or in wsh()");
    }
    const threshold = parseThreshold(span.expression().text);
    const keys: KeyExpression[][] = [];
    while (span.text !== "") {
      if (!span.take(",")) throw new DecodeError(`Multi: expected ',', got '${span.text[0]}'`);
      keys.push(this.#keys(span.expression().text, context, "Multi: "));
    }
    checkMultisig(threshold, keys, inTree, context);
    const paths = alignPaths(keys, "multi(): Multipath derivation paths have mismatched lengths");
    return paths.map((path) => ({ kind: "multi", name, threshold, keys: path }));
  }

  #wrapper(span: Span, context: Context): DescriptorNode[] | undefined {
    if (span.call("wpkh")) {
      if (context !== "top" && context !== "p2sh") {
        throw new DecodeError("Can only have wpkh() at top level or inside sh()");
      }
      return this.#keys(span.text, "p2wpkh", "wpkh(): ").map((key) => ({ kind: "wpkh", key }));
    }
    if (span.call("sh")) {
      if (context !== "top") throw new DecodeError("Can only have sh() at top level");
      return this.#inner("sh", span, "p2sh");
    }
    if (span.call("wsh")) {
      if (context !== "top" && context !== "p2sh") {
        throw new DecodeError("Can only have wsh() at top level or inside sh()");
      }
      return this.#inner("wsh", span, "p2wsh");
    }
    return undefined;
  }

  #inner(kind: "sh" | "wsh", span: Span, context: Context): DescriptorNode[] {
    const nodes = this.script(span, context);
    if (span.text !== "") throw new DecodeError("");
    return nodes.map((inner) => ({ kind, inner }));
  }

  #topLevel(span: Span, context: Context): DescriptorNode[] | undefined {
    if (span.call("addr")) {
      if (context !== "top") throw new DecodeError("Can only have addr() at top level");
      const decoded = decodeAddress(span.text, this.#network);
      if (isAddressError(decoded)) throw new DecodeError("Address is not valid");
      return [{ kind: "addr", script: decoded.script }];
    }
    if (span.call("tr")) {
      if (context !== "top") throw new DecodeError("Can only have tr at top level");
      return this.#taproot(span);
    }
    if (span.call("rawtr")) {
      if (context !== "top") throw new DecodeError("Can only have rawtr at top level");
      const argument = span.expression().text;
      if (span.text !== "") throw new DecodeError("rawtr(): only one key expected.");
      return this.#keys(argument, "p2tr", "rawtr(): ").map((key) => ({ kind: "rawtr", key }));
    }
    if (span.call("raw")) {
      if (context !== "top") throw new DecodeError("Can only have raw() at top level");
      const script = span.text === "" ? undefined : fromHex(span.text);
      if (script === undefined) throw new DecodeError("Raw script is not hex");
      return [{ kind: "raw", script }];
    }
    return undefined;
  }

  #taproot(span: Span): DescriptorNode[] {
    const keys = this.#keys(span.expression().text, "p2tr", "tr(): ");
    const depths: number[] = [];
    const leaves: DescriptorNode[][] = [];
    if (span.text !== "") {
      if (!span.take(",")) throw new DecodeError(`tr: expected ',', got '${span.text[0]}'`);
      this.#tree(span, leaves, depths);
      if (span.text !== "") throw new DecodeError("tr(): expected ')' after script expression");
    }
    const count = Math.max(keys.length, ...leaves.map((paths) => paths.length));
    const aligned = alignPaths(leaves, "tr(): Multipath subscripts have mismatched lengths", count);
    if (keys.length > 1 && keys.length !== count) {
      throw new DecodeError("tr(): Multipath internal key mismatches multipath subscripts lengths");
    }
    return aligned.map((path, i) => ({ kind: "tr", key: keys[i] ?? keys[0]!, leaves: path, depths }));
  }

  /** The leaves of a tree, from left to right. */
  #tree(span: Span, leaves: DescriptorNode[][], depths: number[]): void {
    // For each open brace whether its left branch is done.
    const branches: boolean[] = [];
    do {
      while (span.take("{")) {
        branches.push(false);
        if (branches.length > MAX_TAPROOT_DEPTH) {
          throw new DecodeError(`tr() supports at most ${MAX_TAPROOT_DEPTH} nesting levels`);
        }
      }
      leaves.push(this.script(span.expression(), "p2tr"));
      depths.push(branches.length);
      for (; branches.at(-1) === true; branches.pop()) {
        if (!span.take("}")) throw new DecodeError("tr(): expected '}' after script expression");
      }
      if (branches.length > 0) {
        if (!span.take(",")) throw new DecodeError("tr(): expected ',' after script expression");
        branches[branches.length - 1] = true;
      }
    } while (branches.length > 0);
  }
}

function parseThreshold(text: string): number {
  const threshold = /^[0-9]+$/.test(text) ? Number(text) : Number.NaN;
  if (!(threshold <= 0xffff_ffff)) throw new DecodeError(`Multi threshold '${text}' is not valid`);
  return threshold;
}

function checkMultisig(
  threshold: number,
  keys: readonly KeyExpression[][],
  inTree: boolean,
  context: Context,
): void {
  const count = keys.length;
  const most = inTree ? MAX_KEYS_MULTI_A : MAX_PUBKEYS_PER_MULTISIG;
  if (count === 0 || count > most) {
    throw new DecodeError(
      `Cannot have ${count} keys in ${inTree ? "multi_a" : "multisig"}; must have between 1 and ${most} keys, inclusive`,
    );
  }
  if (threshold < 1) {
    throw new DecodeError(`Multisig threshold cannot be ${threshold}, must be at least 1`);
  }
  if (threshold > count) {
    throw new DecodeError(
      `Multisig threshold cannot be larger than the number of keys; threshold is ${threshold} but only ${count} keys specified`,
    );
  }
  if (context === "top" && count > 3) {
    throw new DecodeError(`Cannot have ${count} pubkeys in bare multisig; only at most 3 pubkeys`);
  }
  const size = keys.reduce((sum, paths) => sum + paths[0]!.size + 1, 3);
  if (context === "p2sh" && size > MAX_SCRIPT_ELEMENT_SIZE) {
    throw new DecodeError(
      `P2SH script is too large, ${size} bytes is larger than ${MAX_SCRIPT_ELEMENT_SIZE} bytes`,
    );
  }
}

/** From values by argument and path to arguments by path; what has one path repeats it. */
function alignPaths<T>(
  lists: readonly (readonly T[])[],
  mismatch: string,
  count: number = Math.max(1, ...lists.map((paths) => paths.length)),
): T[][] {
  if (lists.some((paths) => paths.length !== 1 && paths.length !== count)) throw new DecodeError(mismatch);
  return Array.from({ length: count }, (_, i) => lists.map((paths) => paths[i] ?? paths[0]!));
}

function unknownFunction(text: string, context: Context): string {
  if (MINISCRIPT.test(text)) {
    return context === "p2wsh" || context === "p2tr"
      ? `Miniscript is not supported: '${text}'`
      : "Miniscript expressions can only be used in wsh or tr.";
  }
  if (context === "p2sh") return "A function is needed within P2SH";
  if (context === "p2wsh") return "A function is needed within P2WSH";
  return `'${text}' is not a valid descriptor function`;
}
