/** Multiaddrs of peers as text: which of those from outside are kept, and their IP addresses. */
import { isIP } from "node:net";
import { multiaddr } from "@multiformats/multiaddr";
import { publicKeyOfPeer } from "./identity.ts";
import type { PeerId } from "./mesh.ts";

/** Most addresses of one peer that are kept. */
export const MAX_PEER_ADDRESSES = 8;

/** TCP or WebSocket over it, at an IP address or a name; what the mesh dials. */
const DIALLABLE = /^\/(ip4|ip6|dns|dns4|dns6)\/[^/\s]{1,100}\/tcp\/\d{1,5}(\/ws|\/wss|\/tls\/ws)?$/;

/** Those that can be dialled, without a peer id at their end. */
export function checkAddresses(addresses: readonly string[]): string[] {
  const kept = addresses.map((address) => address.replace(/\/p2p\/[^/]+$/, "")).filter(isDiallable);
  return [...new Set(kept)].slice(0, MAX_PEER_ADDRESSES);
}

function isDiallable(address: string): boolean {
  if (!DIALLABLE.test(address)) return false;
  try {
    multiaddr(address);
    return true;
  } catch {
    return false;
  }
}

/** The IP address in a multiaddr. */
export function ipOf(address: string): string | undefined {
  const host = /^\/ip[46]\/([^/]+)/.exec(address)?.[1];
  return host !== undefined && isIP(host) !== 0 ? host : undefined;
}

/** A peer's id and address out of `/ip4/…/tcp/…/p2p/<peer id>`; undefined for anything else. */
export function parsePeerAddress(
  text: string,
): { readonly peer: PeerId; readonly address: string } | undefined {
  const [, address, peer] = /^(\/.{1,160})\/p2p\/([1-9A-HJ-NP-Za-km-z]{40,64})$/.exec(text.trim()) ?? [];
  if (address === undefined || peer === undefined || publicKeyOfPeer(peer) === undefined) return undefined;
  return isDiallable(address) ? { peer, address } : undefined;
}
