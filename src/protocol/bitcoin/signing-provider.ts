import { publicKeyOf, tweakSecret, xOnlyPublicKeyOf } from "#base/crypto/keys.ts";
import { hash160, sha256, taggedHash } from "#base/crypto/sha256.ts";
import { toHex } from "#base/lib/bytes.ts";

/** A secret key and the public key that it is used with. */
export interface SigningKey {
  readonly secret: Uint8Array;
  /** 33 or 65 bytes. */
  readonly publicKey: Uint8Array;
}

/** Keys and scripts to sign with, found by the hashes that outputs carry. */
export class SigningProvider {
  readonly #byHash = new Map<string, SigningKey>();
  readonly #byPublicKey = new Map<string, SigningKey>();
  readonly #byOutputKey = new Map<string, Uint8Array>();
  readonly #scripts = new Map<string, Uint8Array>();

  addSecret(secret: Uint8Array, compressed: boolean): void {
    const publicKey = publicKeyOf(secret, compressed);
    const key = { secret, publicKey };
    this.#byHash.set(toHex(hash160(publicKey)), key);
    this.#byPublicKey.set(toHex(publicKey), key);
    if (!compressed) return;
    // As an output key itself (rawtr), and as the internal key of one without scripts (BIP86).
    const internal = publicKey.subarray(1);
    this.#byOutputKey.set(toHex(internal), secret);
    const tweaked = tweakSecret(secret, taggedHash("TapTweak", internal));
    if (tweaked !== undefined) this.#byOutputKey.set(toHex(xOnlyPublicKeyOf(tweaked)), tweaked);
  }

  /** A redeem or witness script, found by its HASH160 and its SHA-256. */
  addScript(script: Uint8Array): void {
    this.#scripts.set(toHex(hash160(script)), script);
    this.#scripts.set(toHex(sha256(script)), script);
  }

  keyByHash(hash: Uint8Array): SigningKey | undefined {
    return this.#byHash.get(toHex(hash));
  }

  keyByPublicKey(publicKey: Uint8Array): SigningKey | undefined {
    return this.#byPublicKey.get(toHex(publicKey));
  }

  /** The secret that signs for a taproot output key (32 bytes). */
  secretByOutputKey(outputKey: Uint8Array): Uint8Array | undefined {
    return this.#byOutputKey.get(toHex(outputKey));
  }

  scriptByHash(hash: Uint8Array): Uint8Array | undefined {
    return this.#scripts.get(toHex(hash));
  }
}
