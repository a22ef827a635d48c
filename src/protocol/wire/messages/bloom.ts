/** Bloom-filtered connections (BIP37). */
import { type Codec, fixed, list, struct, u8, u32, varBytes } from "../codec.ts";
import { MAX_PROTOCOL_MESSAGE_LENGTH } from "../transport.ts";

/** Bytes of the largest filter (BIP37). */
const MAX_FILTER_LENGTH = 36_000;
/** Bytes of the largest item, as of the largest script push. */
const MAX_FILTER_ITEM = 520;

export interface FilterLoad {
  readonly filter: Uint8Array;
  readonly functions: number;
  readonly tweak: number;
  /** How a match changes the filter: 0 never, 1 for every output, 2 for pay-to-pubkey and multisig. */
  readonly flags: number;
}

export const filterload: Codec<FilterLoad> = struct<FilterLoad>({
  filter: varBytes(MAX_FILTER_LENGTH),
  functions: u32,
  tweak: u32,
  flags: u8,
});

export const filteradd: Codec<Uint8Array> = varBytes(MAX_FILTER_ITEM);

/** A block's header and a partial merkle tree of what matched. */
export interface MerkleBlock {
  readonly header: Uint8Array;
  readonly txCount: number;
  readonly hashes: readonly Uint8Array[];
  /** Bits of the depth-first walk, least significant first. */
  readonly flags: Uint8Array;
}

export const merkleblock: Codec<MerkleBlock> = struct<MerkleBlock>({
  header: fixed(80),
  txCount: u32,
  hashes: list(fixed(32), MAX_PROTOCOL_MESSAGE_LENGTH / 32, 32),
  flags: varBytes(MAX_PROTOCOL_MESSAGE_LENGTH),
});
