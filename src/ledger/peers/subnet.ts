import { parseIpv4 } from "#protocol/wire/ip-text.ts";
import { NetAddress, parseNetAddress } from "#protocol/wire/net-address.ts";

/** Addresses that share their first `bits` bits; of networks other than IP, one address alone. */
export interface Subnet {
  readonly address: NetAddress;
  readonly bits: number;
}

/** Parses an address, `address/bits` or `address/netmask` (Core's LookupSubNet); undefined when it is none. */
export function parseSubnet(text: string): Subnet | undefined {
  const slash = text.lastIndexOf("/");
  const address = parseNetAddress(slash < 0 ? text : text.slice(0, slash));
  if (address === undefined) return undefined;
  const width = address.bytes.length * 8;
  if (slash < 0) return { address, bits: width };
  if (address.kind !== "ipv4" && address.kind !== "ipv6") return undefined;
  const mask = text.slice(slash + 1);
  const bits = /^\d{1,3}$/.test(mask) ? Number(mask) : maskBits(mask, address);
  if (bits === undefined || bits > width) return undefined;
  return { address: masked(address, bits), bits };
}

export function subnetContains(subnet: Subnet, address: NetAddress): boolean {
  if (subnet.address.kind !== address.kind) return false;
  return masked(address, subnet.bits).equals(subnet.address);
}

/** In CIDR form, as banlist.json and listbanned show it. */
export function subnetText(subnet: Subnet): string {
  const { kind } = subnet.address;
  const text = subnet.address.toString();
  return kind === "ipv4" || kind === "ipv6" || kind === "cjdns" ? `${text}/${subnet.bits}` : text;
}

function masked(address: NetAddress, bits: number): NetAddress {
  const bytes = address.bytes.slice();
  for (let i = 0; i < bytes.length; i++) {
    const left = Math.max(0, Math.min(8, bits - i * 8));
    bytes[i] = bytes[i]! & (0xff << (8 - left));
  }
  return new NetAddress(address.kind, bytes);
}

/** Bits of a netmask like 255.255.0.0, which must be ones and then zeros. */
function maskBits(text: string, address: NetAddress): number | undefined {
  const mask = address.kind === "ipv4" ? parseIpv4(text) : parseNetAddress(text)?.bytes;
  if (mask === undefined || mask.length !== address.bytes.length) return undefined;
  let bits = 0;
  let ended = false;
  for (const byte of mask) {
    for (let bit = 7; bit >= 0; bit--) {
      const set = ((byte >> bit) & 1) === 1;
      if (set && ended) return undefined;
      if (set) bits++;
      else ended = true;
    }
  }
  return bits;
}
