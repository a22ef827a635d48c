/** Addresses to begin with, from the network's DNS seeds (-dnsseed; off unless asked for). */
import { sha256 } from "#base/crypto/sha256.ts";
import type { AddressEntry } from "#protocol/wire/messages/addresses.ts";
import { NetAddress, NodeEndpoint, parseNetAddress } from "#protocol/wire/net-address.ts";
import { NODE_NETWORK, NODE_WITNESS } from "#protocol/wire/services.ts";
import type { PeerContext } from "./context.ts";
import { shuffle } from "./random-draws.ts";
import type { SocketLayer } from "./socket.ts";

const DAY = 24 * 60 * 60;
/** Addresses that are taken from one seed. */
const MAX_FROM_SEED = 32;
/** Seeds asked in one go. */
const SEEDS_AT_ONCE = 3;

/** Asks a few seeds, at random, and puts what they say into the book; the number of addresses found. */
export async function askDnsSeeds(context: PeerContext, sockets: SocketLayer): Promise<number> {
  let found = 0;
  for (const seed of shuffle([...context.network.dnsSeeds], context.random).slice(0, SEEDS_AT_ONCE)) {
    context.log.info(`Loading addresses from DNS seed ${seed}`);
    // The seed filters by services when asked in this form.
    const services = NODE_NETWORK | NODE_WITNESS;
    const hosts = await sockets.resolve(`x${services.toString(16)}.${seed}`);
    const entries: AddressEntry[] = [];
    for (const host of hosts.slice(0, MAX_FROM_SEED)) {
      const address = parseNetAddress(host);
      if (address === undefined) continue;
      const age = 3 * DAY + context.random.below(4 * DAY);
      const endpoint = new NodeEndpoint(address, context.network.p2pPort);
      entries.push({ time: context.seconds() - age, services, endpoint });
    }
    context.book.add(entries, seedAddress(seed));
    found += entries.length;
  }
  context.log.info(`${found} addresses found from DNS seeds`);
  return found;
}

/** Stands for the seed as the source of what it told. */
function seedAddress(name: string): NetAddress {
  return new NetAddress("internal", sha256(new TextEncoder().encode(name)).slice(0, 10));
}
