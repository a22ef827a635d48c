/**
 * The wallet's addresses: of each account (BIP84 and BIP86, account 0) a receiving and a change chain, with the scripts
 * of a gap beyond the last that is used or was given out.
 */

import { hash160 } from "#base/crypto/sha256.ts";
import { toHex } from "#base/lib/bytes.ts";
import { encodeAddress, payToWitness } from "#protocol/bitcoin/address.ts";
import {
  decodeExtendedPublic,
  derivePrivate,
  derivePublic,
  type ExtendedPrivateKey,
  type ExtendedPublicKey,
  encodeExtendedPublic,
  fingerprintOf,
  neuter,
} from "#protocol/bitcoin/bip32.ts";
import { addChecksum } from "#protocol/bitcoin/descriptor-checksum.ts";
import { formatOrigin, HARDENED } from "#protocol/bitcoin/key-path.ts";
import type { Network } from "#protocol/bitcoin/network.ts";
import { taprootOutput } from "#protocol/bitcoin/taproot.ts";
import { ADDRESS_TYPES, type AddressType } from "./wallet-views.ts";

/** Unused addresses in a row after which a chain is taken to end (BIP44). */
const GAP_LIMIT = 20;

const PURPOSE: Readonly<Record<AddressType, number>> = { bech32: 84, bech32m: 86 };
const FUNCTION: Readonly<Record<AddressType, string>> = { bech32: "wpkh", bech32m: "tr" };

/** An account's public half, and where it comes from. */
export interface AccountKey {
  readonly type: AddressType;
  readonly key: ExtendedPublicKey;
}

/** The path of an account: `84h/0h/0h`; SLIP-44's coin type is 0 on the main network and 1 elsewhere. */
function accountPath(type: AddressType, network: Network): number[] {
  return [PURPOSE[type], network.name === "main" ? 0 : 1, 0].map((step) => step + HARDENED);
}

/** The accounts of a master key, as the seed record keeps them. */
export function accountsOf(
  master: ExtendedPrivateKey,
  network: Network,
): { fingerprint: Uint8Array; accounts: { type: AddressType; xpub: string }[] } {
  const accounts = ADDRESS_TYPES.map((type) => {
    const key = derivePath(master, accountPath(type, network));
    return { type, xpub: encodeExtendedPublic(neuter(key), network) };
  });
  return { fingerprint: fingerprintOf(neuter(master)), accounts };
}

export function derivePath(master: ExtendedPrivateKey, path: readonly number[]): ExtendedPrivateKey {
  let key = master;
  for (const step of path) key = derivePrivate(key, step)!;
  return key;
}

/** One address of ours. */
export interface OwnScript {
  readonly chain: Keychain;
  readonly index: number;
  readonly script: Uint8Array;
  /** 33 bytes; for taproot the internal key with its parity. */
  readonly publicKey: Uint8Array;
}

/** The addresses of one account in one direction. */
export class Keychain {
  readonly type: AddressType;
  readonly isChange: boolean;
  /** From the master key, without the index. */
  readonly path: readonly number[];
  /** Output descriptor of the whole chain, with its checksum. */
  readonly descriptor: string;
  /** First index that was neither given out nor seen in the chain. */
  next = 0;
  readonly #key: ExtendedPublicKey;
  readonly #fingerprint: Uint8Array;
  readonly #network: Network;
  readonly #scripts: OwnScript[] = [];

  constructor(account: AccountKey, isChange: boolean, fingerprint: Uint8Array, network: Network) {
    const step = isChange ? 1 : 0;
    const base = accountPath(account.type, network);
    this.type = account.type;
    this.isChange = isChange;
    this.path = [...base, step];
    this.#key = derivePublic(account.key, step)!;
    this.#fingerprint = fingerprint;
    this.#network = network;
    const origin = formatOrigin({ fingerprint, path: base });
    const xpub = encodeExtendedPublic(account.key, network);
    this.descriptor = addChecksum(`${FUNCTION[account.type]}([${origin}]${xpub}/${step}/*)`);
  }

  /** How many scripts are watched. */
  get length(): number {
    return this.#scripts.length;
  }

  at(index: number): OwnScript {
    while (this.#scripts.length <= index) this.#scripts.push(this.#derive(this.#scripts.length));
    return this.#scripts[index]!;
  }

  #derive(index: number): OwnScript {
    const { publicKey } = derivePublic(this.#key, index)!;
    const script =
      this.type === "bech32"
        ? payToWitness(0, hash160(publicKey))
        : taprootOutput(publicKey.subarray(1))!.script;
    return { chain: this, index, script, publicKey };
  }

  address(index: number): string {
    return encodeAddress(this.at(index).script, this.#network)!;
  }

  /** Descriptor of one address, with the key's origin. */
  descriptorAt(index: number): string {
    const key = toHex(this.at(index).publicKey);
    const origin = formatOrigin({ fingerprint: this.#fingerprint, path: [...this.path, index] });
    const text = this.type === "bech32" ? key : key.slice(2);
    return addChecksum(`${FUNCTION[this.type]}([${origin}]${text})`);
  }
}

/** All chains of a wallet, and its scripts by their bytes. */
export class Keychains {
  readonly fingerprint: Uint8Array;
  readonly all: readonly Keychain[];
  readonly #byScript = new Map<string, OwnScript>();
  readonly #indexed = new Map<Keychain, number>();

  private constructor(fingerprint: Uint8Array, all: readonly Keychain[]) {
    this.fingerprint = fingerprint;
    this.all = all;
    this.extend();
  }

  /** @returns `undefined` when an account's key is none of the network */
  static of(
    fingerprint: Uint8Array,
    accounts: readonly { readonly type: AddressType; readonly xpub: string }[],
    network: Network,
  ): Keychains | undefined {
    const chains: Keychain[] = [];
    for (const { type, xpub } of accounts) {
      const key = decodeExtendedPublic(xpub, network);
      if (key === undefined) return undefined;
      for (const isChange of [false, true]) {
        chains.push(new Keychain({ type, key }, isChange, fingerprint, network));
      }
    }
    return new Keychains(fingerprint, chains);
  }

  chain(type: AddressType, isChange: boolean): Keychain {
    const found = this.all.find((chain) => chain.type === type && chain.isChange === isChange);
    if (found === undefined) throw new Error(`the wallet has no ${type} account`);
    return found;
  }

  /** The script among those that are watched. */
  find(script: Uint8Array): OwnScript | undefined {
    return this.#byScript.get(toHex(script));
  }

  /** Notes that an index is used. @returns whether it lay beyond those given out */
  use(chain: Keychain, index: number): boolean {
    if (index < chain.next) return false;
    chain.next = index + 1;
    return true;
  }

  /** Derives what the gap demands. @returns the scripts that are new. */
  extend(): Uint8Array[] {
    const fresh: Uint8Array[] = [];
    for (const chain of this.all) {
      for (let index = this.#indexed.get(chain) ?? 0; index < chain.next + GAP_LIMIT; index++) {
        const own = chain.at(index);
        this.#byScript.set(toHex(own.script), own);
        this.#indexed.set(chain, index + 1);
        fresh.push(own.script);
      }
    }
    return fresh;
  }

  /** Every script that is watched. */
  scripts(): Uint8Array[] {
    return [...this.#byScript.values()].map(({ script }) => script);
  }
}
