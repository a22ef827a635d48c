import type { Network } from "#protocol/bitcoin/network.ts";

/** New satoshi that the block at `height` may create: halved each interval, nothing after 64 of them. */
export function blockSubsidy(height: number, network: Network): number {
  const { subsidyHalvingInterval, initialSubsidy } = network.consensus;
  const halvings = Math.floor(height / subsidyHalvingInterval);
  return halvings >= 64 ? 0 : Math.floor(initialSubsidy / 2 ** halvings);
}
