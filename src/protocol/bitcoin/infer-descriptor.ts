/** The descriptor of a script, as far as what is known about it tells (Core: `InferDescriptor`). */

import { isValidXOnlyKey } from "#base/crypto/keys.ts";
import { ripemd160 } from "#base/crypto/sha256.ts";
import { concatBytes } from "#base/lib/bytes.ts";
import { encodeAddress } from "./address.ts";
import { Descriptor, type DescriptorNode } from "./descriptor.ts";
import { ConstantKey, type KeyExpression, KeyWithOrigin } from "./key-expression.ts";
import type { KeyOrigin } from "./key-path.ts";
import type { Network } from "./network.ts";
import { OP_CHECKSIG, OP_CHECKSIGADD, OP_NUMEQUAL } from "./opcodes.ts";
import { classifyOutput, isPubkeySize } from "./output-type.ts";
import { PrivateKeys } from "./private-keys.ts";
import { decodeScriptNumber, isMinimalPush, ScriptReader, smallIntegerOf } from "./script.ts";
import type { TaprootOutput } from "./taproot.ts";

/** What is known beside the script itself. */
export interface ScriptKnowledge {
  /** The public key of a HASH160. */
  publicKey?(hash: Uint8Array): Uint8Array | undefined;
  /** The redeem or witness script of a HASH160. */
  script?(hash: Uint8Array): Uint8Array | undefined;
  /** Where a public key (33 or 65 bytes) comes from. */
  origin?(publicKey: Uint8Array): KeyOrigin | undefined;
  /** How a taproot output key came to be. */
  taproot?(outputKey: Uint8Array): TaprootOutput | undefined;
}

type Context = "top" | "p2sh" | "p2wpkh" | "p2wsh" | "p2tr";

/** The descriptor of an output's script: at worst `addr()` or `raw()`. */
export function inferDescriptor(
  script: Uint8Array,
  network: Network,
  knowledge: ScriptKnowledge = {},
): Descriptor {
  const node = new Inference(network, knowledge).top(script);
  return new Descriptor(node, network, new PrivateKeys());
}

class Inference {
  readonly #network: Network;
  readonly #known: ScriptKnowledge;

  constructor(network: Network, knowledge: ScriptKnowledge) {
    this.#network = network;
    this.#known = knowledge;
  }

  top(script: Uint8Array): DescriptorNode {
    const node = this.#script(script, "top");
    if (node !== undefined) return node;
    const hasAddress = encodeAddress(script, this.#network) !== undefined;
    return { kind: hasAddress ? "addr" : "raw", script };
  }

  #script(script: Uint8Array, context: Context): DescriptorNode | undefined {
    if (context === "p2tr") return this.#leaf(script);
    const { type, solutions } = classifyOutput(script);
    const [first] = solutions;
    const outside = context === "top" || context === "p2sh";
    if (type === "pubkey") return this.#ofKey("pk", first!, context);
    if (type === "pubkeyhash") return this.#ofKey("pkh", this.#known.publicKey?.(first!), context);
    if (type === "witness_v0_keyhash" && outside) {
      const key = this.#key(this.#known.publicKey?.(first!), "p2wpkh");
      return key === undefined ? undefined : { kind: "wpkh", key };
    }
    if (type === "multisig") return this.#multisig(first![0]!, solutions.slice(1, -1), context);
    if (type === "scripthash" && context === "top") return this.#wrapped("sh", first!, "p2sh");
    if (type === "witness_v0_scripthash" && outside) return this.#wrapped("wsh", ripemd160(first!), "p2wsh");
    if (type === "witness_v1_taproot" && context === "top") return this.#taproot(first!);
    return undefined;
  }

  #key(publicKey: Uint8Array | undefined, context: Context): KeyExpression | undefined {
    if (publicKey === undefined || !isPubkeySize(publicKey) || publicKey[0]! > 4) return undefined;
    if (publicKey.length === 65 && context !== "top" && context !== "p2sh") return undefined;
    return this.#withOrigin(
      new ConstantKey(publicKey, false, this.#network),
      this.#known.origin?.(publicKey),
    );
  }

  #xOnlyKey(x: Uint8Array): KeyExpression {
    const even = concatBytes(Uint8Array.of(2), x);
    const origin = this.#known.origin?.(even) ?? this.#known.origin?.(concatBytes(Uint8Array.of(3), x));
    return this.#withOrigin(new ConstantKey(even, true, this.#network), origin);
  }

  #withOrigin(key: KeyExpression, origin: KeyOrigin | undefined): KeyExpression {
    return origin === undefined ? key : new KeyWithOrigin(origin, key, false);
  }

  #ofKey(
    kind: "pk" | "pkh",
    publicKey: Uint8Array | undefined,
    context: Context,
  ): DescriptorNode | undefined {
    const key = this.#key(publicKey, context);
    return key === undefined ? undefined : { kind, key, xOnly: false };
  }

  #multisig(
    threshold: number,
    publicKeys: readonly Uint8Array[],
    context: Context,
  ): DescriptorNode | undefined {
    const keys: KeyExpression[] = [];
    for (const publicKey of publicKeys) {
      const key = this.#key(publicKey, context);
      if (key === undefined) return undefined;
      keys.push(key);
    }
    return { kind: "multi", name: "multi", threshold, keys };
  }

  #wrapped(kind: "sh" | "wsh", hash: Uint8Array, context: Context): DescriptorNode | undefined {
    const script = this.#known.script?.(hash);
    const inner = script === undefined ? undefined : this.#script(script, context);
    return inner === undefined ? undefined : { kind, inner };
  }

  #taproot(outputKey: Uint8Array): DescriptorNode | undefined {
    const spend = this.#known.taproot?.(outputKey);
    const leaves = spend?.leaves.map((leaf) => this.#script(leaf.script, "p2tr"));
    if (spend !== undefined && leaves !== undefined && !leaves.includes(undefined)) {
      return {
        kind: "tr",
        key: this.#xOnlyKey(spend.internalKey),
        leaves: leaves as DescriptorNode[],
        depths: spend.leaves.map((leaf) => leaf.depth),
      };
    }
    if (!isValidXOnlyKey(outputKey)) return undefined;
    return { kind: "rawtr", key: this.#xOnlyKey(outputKey) };
  }

  #leaf(script: Uint8Array): DescriptorNode | undefined {
    if (script.length === 34 && script[0] === 32 && script[33] === OP_CHECKSIG) {
      return { kind: "pk", key: this.#xOnlyKey(script.slice(1, 33)), xOnly: true };
    }
    const multisig = matchMultiA(script);
    if (multisig === undefined) return undefined;
    const keys = multisig.keys.map((key) => this.#xOnlyKey(key));
    return { kind: "multi", name: "multi_a", threshold: multisig.threshold, keys };
  }
}

/** A multi_a() leaf: its threshold and 32-byte keys (Core: `MatchMultiA`). */
function matchMultiA(script: Uint8Array): { threshold: number; keys: Uint8Array[] } | undefined {
  if (script.length === 0 || script[0] !== 32 || script[script.length - 1] !== OP_NUMEQUAL) return undefined;
  const keys: Uint8Array[] = [];
  let at = 0;
  while (script[at] === 32 && script.length - at >= 34) {
    if (script[at + 33] !== (keys.length === 0 ? OP_CHECKSIG : OP_CHECKSIGADD)) return undefined;
    keys.push(script.slice(at + 1, at + 33));
    at += 34;
  }
  const reader = new ScriptReader(script, at);
  if (keys.length === 0 || keys.length > 999 || !reader.next()) return undefined;
  const threshold = smallIntegerOf(reader.opcode) ?? pushedNumber(reader);
  if (threshold === undefined || threshold < 1 || threshold > keys.length) return undefined;
  return reader.at + 1 === script.length ? { threshold, keys } : undefined;
}

function pushedNumber(reader: ScriptReader): number | undefined {
  const data = reader.data();
  return isMinimalPush(data, reader.opcode) ? decodeScriptNumber(data, true) : undefined;
}
