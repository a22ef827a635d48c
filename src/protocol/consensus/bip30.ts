/**
 * BIP30: a transaction may not overwrite an unspent one of the same txid. Two blocks did before the rule came;
 * BIP34 then made it superfluous, until the heights that early coinbases wrote come up again.
 */
import { toHexReversed } from "#base/lib/bytes.ts";
import type { Network } from "#protocol/bitcoin/network.ts";
import type { HeaderContext } from "./header-context.ts";

/** The first height that a coinbase from before BIP34 claimed for itself, so that it can be repeated. */
const BIP34_IMPLIES_BIP30_LIMIT = 1_983_702;

/**
 * Whether the outputs of the block after `prev` must be looked up, lest one exists unspent (Core: ConnectBlock).
 * @param hash the block's own.
 */
export function enforcesBip30(network: Network, hash: Uint8Array, prev: HeaderContext): boolean {
  const height = prev.height + 1;
  if (height >= BIP34_IMPLIES_BIP30_LIMIT) return true;
  if (isBip30Repeat(network, hash, height)) return false;
  // With BIP34 no two coinbases are equal, provided that its block is the one that we know.
  const { bip34Hash, bip34Height } = network.consensus;
  const start = prev.ancestor(bip34Height);
  return start === null || toHexReversed(start.hash) !== bip34Hash;
}

/** One of the two blocks whose coinbase overwrote an older one. */
export function isBip30Repeat(network: Network, hash: Uint8Array, height: number): boolean {
  const known = network.consensus.bip30Exceptions[height];
  return known !== undefined && known === toHexReversed(hash);
}

const UNSPENDABLE: Readonly<Record<number, string>> = {
  91722: "00000000000271a2dc26e7667f8419f2e15416dc6955e5a6c6cdf3f2574dd08e",
  91812: "00000000000af0aed4792b1acee3d966af36cf5def14935db8de83d6f9306f2f",
};

/** One of the two blocks whose coinbase was overwritten and can never be spent; statistics subtract it. */
export function isBip30Unspendable(hash: Uint8Array, height: number): boolean {
  const known = UNSPENDABLE[height];
  return known !== undefined && known === toHexReversed(hash);
}
