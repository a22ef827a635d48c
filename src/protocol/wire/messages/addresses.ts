import { type Codec, compactU64, list, struct, u32, u64 } from "../codec.ts";
import { bip155Endpoint, legacyEndpoint, type NodeEndpoint } from "../net-address.ts";

/** Core's MAX_ADDR_TO_SEND. */
export const MAX_ADDRESSES = 1000;

/** A node's address as it is gossiped. */
export interface AddressEntry {
  /** Seconds since 1970 when it was last known to be there. */
  readonly time: number;
  readonly services: bigint;
  readonly endpoint: NodeEndpoint;
}

const legacyEntry = struct<AddressEntry>({ time: u32, services: u64, endpoint: legacyEndpoint });

/** An entry of addrv2 (BIP155); Core's peers.dat and anchors.dat hold addresses in this form too. */
export const bip155Entry: Codec<AddressEntry> = struct<AddressEntry>({
  time: u32,
  services: compactU64,
  endpoint: bip155Endpoint,
});

export const addr: Codec<AddressEntry[]> = list(legacyEntry, MAX_ADDRESSES, 30);
export const addrv2: Codec<AddressEntry[]> = list(bip155Entry, MAX_ADDRESSES, 9);
