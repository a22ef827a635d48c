import type { NetAddress } from "./net-address.ts";

/** Core's numbers of the networks (enum Network): they go into group keys and into peers.dat's buckets. */
const NETWORK_NUMBER = {
  not_publicly_routable: 0,
  ipv4: 1,
  ipv6: 2,
  onion: 3,
  i2p: 4,
  cjdns: 5,
  internal: 6,
} as const;

/**
 * The group that an address shares with those which one owner could easily get (NetGroupManager::GetGroup without
 * an AS map): /16 of IPv4, /32 of IPv6 (/36 of he.net), four bits of a Tor or I2P key, twelve of CJDNS.
 */
export function netGroup(address: NetAddress): Uint8Array {
  const group: number[] = [NETWORK_NUMBER[netClass(address)]];
  if (address.local) return Uint8Array.from(group);
  if (address.kind === "internal") return Uint8Array.from([...group, ...address.bytes]);
  if (!address.routable) return Uint8Array.from(group);
  const ipv4 = address.linkedIpv4;
  if (ipv4 !== undefined) return Uint8Array.from([...group, ipv4[0]!, ipv4[1]!]);
  const bits = groupBits(address);
  const whole = bits >> 3;
  group.push(...address.bytes.subarray(0, whole));
  const left = bits & 7;
  if (left > 0) group.push(address.bytes[whole]! | ((1 << (8 - left)) - 1));
  return Uint8Array.from(group);
}

/** The network that traffic to the address takes in the end: IPv4 also for addresses that wrap one. */
export function netClass(address: NetAddress): keyof typeof NETWORK_NUMBER {
  const { network } = address;
  return network === "ipv6" && address.linkedIpv4 !== undefined ? "ipv4" : network;
}

function groupBits(address: NetAddress): number {
  if (address.kind === "onion" || address.kind === "i2p") return 4;
  // The first byte of a CJDNS address is the same for all.
  if (address.kind === "cjdns") return 12;
  const b = address.bytes;
  const heNet = b[0] === 0x20 && b[1] === 0x01 && b[2] === 0x04 && b[3] === 0x70;
  return heNet ? 36 : 32;
}
