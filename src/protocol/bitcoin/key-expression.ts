/** Keys in descriptors (BIP380): with an origin or without, constant or derived. Core: `PubkeyProvider`. */

import { hash160 } from "#base/crypto/sha256.ts";
import { toHex } from "#base/lib/bytes.ts";
import {
  derivePrivate,
  derivePublic,
  type ExtendedPrivateKey,
  type ExtendedPublicKey,
  encodeExtendedPrivate,
  encodeExtendedPublic,
  fingerprintOf,
  neuter,
} from "./bip32.ts";
import { formatKeyPath, formatOrigin, HARDENED, type KeyOrigin } from "./key-path.ts";
import type { Network } from "./network.ts";
import type { PrivateKeys } from "./private-keys.ts";
import { encodeWif, type PrivateKey } from "./wif.ts";

/** A public key at one position of a descriptor. */
export interface DerivedKey {
  /** 33 or 65 bytes. */
  readonly publicKey: Uint8Array;
  readonly origin: KeyOrigin;
}

/** One key of a descriptor, or one for each position. */
export interface KeyExpression {
  /** Whether it stands for a key at each position. */
  readonly isRange: boolean;
  /** Bytes of its public keys. */
  readonly size: number;
  /** Canonical text, without private keys. */
  toString(): string;
  /** The text with the private key; `undefined` when it is not known. */
  toPrivateString(secrets: PrivateKeys): string | undefined;
  /** The key at a position; `undefined` when it takes a private key that is not known. */
  derive(position: number, secrets: PrivateKeys): DerivedKey | undefined;
  /** The private key at a position, where it is known. */
  privateKey(position: number, secrets: PrivateKeys): PrivateKey | undefined;
}

/** A key written out. */
export class ConstantKey implements KeyExpression {
  readonly isRange = false;
  readonly #publicKey: Uint8Array;
  readonly #xOnly: boolean;
  readonly #network: Network;

  /** @param xOnly shown as 32 bytes; `publicKey` then has an even y. */
  constructor(publicKey: Uint8Array, xOnly: boolean, network: Network) {
    this.#publicKey = publicKey;
    this.#xOnly = xOnly;
    this.#network = network;
  }

  get size(): number {
    return this.#publicKey.length;
  }

  toString(): string {
    return toHex(this.#xOnly ? this.#publicKey.subarray(1) : this.#publicKey);
  }

  toPrivateString(secrets: PrivateKeys): string | undefined {
    const key = this.privateKey(0, secrets);
    return key === undefined ? undefined : encodeWif(key, this.#network);
  }

  derive(): DerivedKey {
    const fingerprint = hash160(this.#publicKey).slice(0, 4);
    return { publicKey: this.#publicKey, origin: { fingerprint, path: [] } };
  }

  privateKey(_position: number, secrets: PrivateKeys): PrivateKey | undefined {
    return this.#xOnly ? secrets.findXOnly(this.#publicKey.subarray(1)) : secrets.find(this.#publicKey);
  }
}

/** The last step of a path: none, `*`, or `*h`. */
export type Wildcard = "none" | "unhardened" | "hardened";

/** An extended key and a path from it. */
export class ExtendedKeyPath implements KeyExpression {
  readonly size = 33;
  readonly #root: ExtendedPublicKey;
  readonly #path: readonly number[];
  readonly #wildcard: Wildcard;
  readonly #apostrophe: boolean;
  readonly #network: Network;
  /** What the wildcard is derived from, once known. */
  #parent: ExtendedPublicKey | undefined;
  #privateParent: ExtendedPrivateKey | undefined;

  /** @param apostrophe shows hardened steps with ' in place of h. */
  constructor(
    root: ExtendedPublicKey,
    path: readonly number[],
    wildcard: Wildcard,
    apostrophe: boolean,
    network: Network,
  ) {
    this.#root = root;
    this.#path = path;
    this.#wildcard = wildcard;
    this.#apostrophe = apostrophe;
    this.#network = network;
  }

  get isRange(): boolean {
    return this.#wildcard !== "none";
  }

  toString(): string {
    return encodeExtendedPublic(this.#root, this.#network) + this.#pathText();
  }

  toPrivateString(secrets: PrivateKeys): string | undefined {
    const key = this.#privateRoot(secrets);
    return key === undefined ? undefined : encodeExtendedPrivate(key, this.#network) + this.#pathText();
  }

  #pathText(): string {
    const path = formatKeyPath(this.#path, this.#apostrophe);
    if (this.#wildcard === "none") return path;
    return `${path}/*${this.#wildcard === "hardened" ? (this.#apostrophe ? "'" : "h") : ""}`;
  }

  derive(position: number, secrets: PrivateKeys): DerivedKey | undefined {
    const key = this.#derivePublic(position, secrets);
    if (key === undefined) return undefined;
    const path = this.isRange ? [...this.#path, this.#step(position)] : this.#path;
    return { publicKey: key.publicKey, origin: { fingerprint: fingerprintOf(this.#root), path } };
  }

  privateKey(position: number, secrets: PrivateKeys): PrivateKey | undefined {
    const parent = this.#parentPrivate(secrets);
    if (parent === undefined) return undefined;
    const key = this.isRange ? derivePrivate(parent, this.#step(position)) : parent;
    return key === undefined ? undefined : { secret: key.secretKey, compressed: true };
  }

  #step(position: number): number {
    return this.#wildcard === "hardened" ? position + HARDENED : position;
  }

  #derivePublic(position: number, secrets: PrivateKeys): ExtendedPublicKey | undefined {
    if (this.#wildcard === "hardened") {
      const parent = this.#parentPrivate(secrets);
      const child = parent === undefined ? undefined : derivePrivate(parent, this.#step(position));
      return child === undefined ? undefined : neuter(child);
    }
    const parent = this.#parentPublic(secrets);
    if (parent === undefined || this.#wildcard === "none") return parent;
    return derivePublic(parent, position);
  }

  #parentPublic(secrets: PrivateKeys): ExtendedPublicKey | undefined {
    if (this.#parent !== undefined) return this.#parent;
    let key: ExtendedPublicKey | undefined = this.#root;
    if (this.#path.some((step) => step >= HARDENED)) {
      const parent = this.#parentPrivate(secrets);
      key = parent === undefined ? undefined : neuter(parent);
    } else {
      for (const step of this.#path) key = key === undefined ? undefined : derivePublic(key, step);
    }
    this.#parent = key;
    return key;
  }

  #parentPrivate(secrets: PrivateKeys): ExtendedPrivateKey | undefined {
    if (this.#privateParent !== undefined) return this.#privateParent;
    let key = this.#privateRoot(secrets);
    for (const step of this.#path) key = key === undefined ? undefined : derivePrivate(key, step);
    this.#privateParent = key;
    return key;
  }

  #privateRoot(secrets: PrivateKeys): ExtendedPrivateKey | undefined {
    const key = secrets.find(this.#root.publicKey);
    if (key === undefined) return undefined;
    const { depth, parentFingerprint, index, chainCode } = this.#root;
    return { depth, parentFingerprint, index, chainCode, secretKey: key.secret };
  }
}

/** A key with its origin written before it in brackets. */
export class KeyWithOrigin implements KeyExpression {
  readonly #origin: KeyOrigin;
  readonly #key: KeyExpression;
  readonly #apostrophe: boolean;

  constructor(origin: KeyOrigin, key: KeyExpression, apostrophe: boolean) {
    this.#origin = origin;
    this.#key = key;
    this.#apostrophe = apostrophe;
  }

  get isRange(): boolean {
    return this.#key.isRange;
  }

  get size(): number {
    return this.#key.size;
  }

  toString(): string {
    return `[${formatOrigin(this.#origin, this.#apostrophe)}]${this.#key}`;
  }

  toPrivateString(secrets: PrivateKeys): string | undefined {
    const text = this.#key.toPrivateString(secrets);
    return text === undefined ? undefined : `[${formatOrigin(this.#origin, this.#apostrophe)}]${text}`;
  }

  derive(position: number, secrets: PrivateKeys): DerivedKey | undefined {
    const derived = this.#key.derive(position, secrets);
    if (derived === undefined) return undefined;
    const { fingerprint, path } = this.#origin;
    return { publicKey: derived.publicKey, origin: { fingerprint, path: [...path, ...derived.origin.path] } };
  }

  privateKey(position: number, secrets: PrivateKeys): PrivateKey | undefined {
    return this.#key.privateKey(position, secrets);
  }
}
