/** Keys and signatures for spends made in bulk: tiny-secp256k1 signs ten times as fast as the library of wallets. */

import * as tiny from "tiny-secp256k1";
import { encodeDer } from "#base/crypto/lax-der.ts";
import { concatBytes } from "#base/lib/bytes.ts";
import type { SeededRandom } from "#base/lib/random.ts";
import { tapTweak } from "#protocol/bitcoin/taproot.ts";

export interface ForgeKey {
  readonly secret: Uint8Array;
  readonly compressed: Uint8Array;
  readonly uncompressed: Uint8Array;
  /** 06 or 07 in place of 04, by the parity of y. */
  readonly hybrid: Uint8Array;
  readonly xOnly: Uint8Array;
}

export function makeKey(random: SeededRandom): ForgeKey {
  const secret = random.fill(new Uint8Array(32));
  const compressed = tiny.pointFromScalar(secret, true)!;
  const uncompressed = tiny.pointFromScalar(secret, false)!;
  const hybrid = concatBytes(Uint8Array.of(6 + (uncompressed[64]! & 1)), uncompressed.subarray(1));
  return { secret, compressed, uncompressed, hybrid, xOnly: compressed.slice(1) };
}

/** The output key of an internal key and a tree's root; `undefined` where the internal key is none. */
export function tweakOutputKey(
  internalKey: Uint8Array,
  root: Uint8Array | undefined,
): { outputKey: Uint8Array; parity: number } | undefined {
  if (!tiny.isXOnlyPoint(internalKey)) return undefined;
  const tweaked = tiny.xOnlyPointAddTweak(internalKey, tapTweak(internalKey, root));
  return tweaked === null ? undefined : { outputKey: tweaked.xOnlyPubkey, parity: tweaked.parity };
}

/** The secret of {@link tweakOutputKey}'s output key. */
export function tweakSecretKey(key: ForgeKey, root: Uint8Array | undefined): Uint8Array {
  const even = key.compressed[0] === 2 ? key.secret : tiny.privateNegate(key.secret);
  return tiny.privateAdd(even, tapTweak(key.xOnly, root))!;
}

const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

/** DER without a hash type; now and then with the high S, which holds as well. */
export function signEcdsa(secret: Uint8Array, digest: Uint8Array, random: SeededRandom): Uint8Array {
  const compact = tiny.sign(digest, secret);
  if (random.below(8) === 0) {
    const s = ORDER - BigInt(`0x${Buffer.from(compact.subarray(32)).toString("hex")}`);
    compact.set(Buffer.from(s.toString(16).padStart(64, "0"), "hex"), 32);
  }
  return encodeDer(compact);
}

export function signSchnorr(secret: Uint8Array, digest: Uint8Array): Uint8Array {
  return tiny.signSchnorr(digest, secret);
}
