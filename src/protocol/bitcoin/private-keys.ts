import { publicKeyOf } from "#base/crypto/keys.ts";
import { hash160 } from "#base/crypto/sha256.ts";
import { concatBytes, toHex } from "#base/lib/bytes.ts";
import type { PrivateKey } from "./wif.ts";

/** Private keys by the HASH160 of their public keys. */
export class PrivateKeys {
  readonly #keys = new Map<string, PrivateKey>();

  /** Whether it holds any key. */
  get isEmpty(): boolean {
    return this.#keys.size === 0;
  }

  /** Takes a key in; returns its public key. */
  add(key: PrivateKey): Uint8Array {
    const publicKey = publicKeyOf(key.secret, key.compressed);
    this.#keys.set(toHex(hash160(publicKey)), key);
    return publicKey;
  }

  /** The private key of a public key of 33 or 65 bytes. */
  find(publicKey: Uint8Array): PrivateKey | undefined {
    return this.#keys.get(toHex(hash160(publicKey)));
  }

  /** The private key of an x coordinate, whichever its y. */
  findXOnly(x: Uint8Array): PrivateKey | undefined {
    return this.find(concatBytes(Uint8Array.of(2), x)) ?? this.find(concatBytes(Uint8Array.of(3), x));
  }
}
