/** Service bits that a node announces in `version` and that travel with its address (protocol.h). */
/** Serves the whole chain. */
export const NODE_NETWORK = 1n << 0n;
/** Answers BIP37 filters. */
export const NODE_BLOOM = 1n << 2n;
/** Serves blocks and transactions with witnesses (BIP144). */
export const NODE_WITNESS = 1n << 3n;
/** Serves basic block filters (BIP157). */
export const NODE_COMPACT_FILTERS = 1n << 6n;
/** Serves the last 288 blocks (BIP159). */
export const NODE_NETWORK_LIMITED = 1n << 10n;
/** Speaks the v2 transport (BIP324). */
export const NODE_P2P_V2 = 1n << 11n;

const NAMES: ReadonlyMap<bigint, string> = new Map([
  [NODE_NETWORK, "NETWORK"],
  [NODE_BLOOM, "BLOOM"],
  [NODE_WITNESS, "WITNESS"],
  [NODE_COMPACT_FILTERS, "COMPACT_FILTERS"],
  [NODE_NETWORK_LIMITED, "NETWORK_LIMITED"],
  [NODE_P2P_V2, "P2P_V2"],
]);

/** Names of the set bits as RPC shows them: Core's serviceFlagsToStr, `UNKNOWN[2^n]` for the rest. */
export function serviceNames(services: bigint): string[] {
  const names: string[] = [];
  for (let bit = 0; bit < 64; bit++) {
    const service = 1n << BigInt(bit);
    if ((services & service) !== 0n) names.push(NAMES.get(service) ?? `UNKNOWN[2^${bit}]`);
  }
  return names;
}

/** Whether such a peer can give us something at all (MayHaveUsefulAddressDB). */
export function mayHaveUsefulAddresses(services: bigint): boolean {
  return (services & (NODE_NETWORK | NODE_NETWORK_LIMITED)) !== 0n;
}
