/**
 * Addresses of nodes: what they are, how BIP155 and the older `addr` write them, and which of them can be reached
 * (Core's netaddress.h).
 */

import { sha3_256 } from "@noble/hashes/sha3.js";
import { base32nopad } from "@scure/base";
import type { ByteReader } from "#base/lib/byte-reader.ts";
import type { ByteWriter } from "#base/lib/byte-writer.ts";
import { concatBytes, equalBytes } from "#base/lib/bytes.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import { hostPort } from "#base/lib/host-port.ts";
import type { Codec } from "./codec.ts";
import { ipv4Text, ipv6Text, parseIpv4, parseIpv6 } from "./ip-text.ts";

/** The kind of an address. `internal` stands for a name that was looked up (a seed), never for a node. */
export type AddressKind = "ipv4" | "ipv6" | "onion" | "i2p" | "cjdns" | "internal";

const LENGTH: Readonly<Record<AddressKind, number>> = {
  ipv4: 4,
  ipv6: 16,
  onion: 32,
  i2p: 32,
  cjdns: 16,
  internal: 10,
};

/** BIP155 network ids. TORv2 (3) is gone: its addresses are skipped like those of unknown networks. */
const BIP155_ID: Readonly<Record<Exclude<AddressKind, "internal">, number>> = {
  ipv4: 1,
  ipv6: 2,
  onion: 4,
  i2p: 5,
  cjdns: 6,
};
const KIND_OF_ID = new Map(Object.entries(BIP155_ID).map(([kind, id]) => [id, kind as AddressKind]));

/** BIP155: no address is longer. */
const MAX_ADDRV2_LENGTH = 512;

const IPV4_IN_IPV6 = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff);
const TORV2_IN_IPV6 = Uint8Array.of(0xfd, 0x87, 0xd8, 0x7e, 0xeb, 0x43);
const INTERNAL_IN_IPV6 = Uint8Array.of(0xfd, 0x6b, 0x88, 0xc0, 0x87, 0x24);
const NO_ADDRESS = new Uint8Array(16);

/** The address of a host, without a port. Immutable. */
export class NetAddress {
  readonly kind: AddressKind;
  readonly bytes: Uint8Array;

  constructor(kind: AddressKind, bytes: Uint8Array) {
    if (bytes.length !== LENGTH[kind]) throw new Error(`${kind} address of ${bytes.length} bytes`);
    this.kind = kind;
    this.bytes = bytes;
  }

  /** The sixteen bytes of `addr` and `version`; addresses that do not fit in become `::`. */
  legacyBytes(): Uint8Array {
    switch (this.kind) {
      case "ipv4":
        return concatBytes(IPV4_IN_IPV6, this.bytes);
      case "internal":
        return concatBytes(INTERNAL_IN_IPV6, this.bytes);
      case "ipv6":
      case "cjdns":
        return this.kind === "ipv6" ? this.bytes : NO_ADDRESS;
      default:
        return NO_ADDRESS;
    }
  }

  /** Reads the sixteen bytes of `addr` and `version`. */
  static fromLegacyBytes(bytes: Uint8Array): NetAddress {
    if (startsWith(bytes, IPV4_IN_IPV6)) return new NetAddress("ipv4", bytes.slice(12));
    if (startsWith(bytes, TORV2_IN_IPV6)) return UNSPECIFIED;
    if (startsWith(bytes, INTERNAL_IN_IPV6)) return new NetAddress("internal", bytes.slice(6));
    return new NetAddress("ipv6", bytes.slice());
  }

  /** Whether `addr` can carry it. */
  get fitsLegacy(): boolean {
    return this.kind === "ipv4" || this.kind === "ipv6" || this.kind === "internal";
  }

  /** Whether it can be an address at all (CNetAddr::IsValid). */
  get valid(): boolean {
    const { bytes } = this;
    switch (this.kind) {
      case "internal":
        return false;
      case "cjdns":
        return bytes[0] === 0xfc;
      case "ipv4":
        return !bytes.every((byte) => byte === 0) && !bytes.every((byte) => byte === 255);
      case "ipv6":
        // Unspecified, and the prefix of documentation (RFC3849).
        return !equalBytes(bytes, NO_ADDRESS) && !matches(bytes, [0x20, 0x01, 0x0d, 0xb8]);
      default:
        return true;
    }
  }

  /** Loopback, and "this network" 0.0.0.0/8. */
  get local(): boolean {
    const { bytes } = this;
    if (this.kind === "ipv4") return bytes[0] === 127 || bytes[0] === 0;
    if (this.kind !== "ipv6") return false;
    return bytes[15] === 1 && bytes.subarray(0, 15).every((byte) => byte === 0);
  }

  /** Whether anyone on the internet could reach it (CNetAddr::IsRoutable). */
  get routable(): boolean {
    return this.valid && !this.local && !this.#reserved();
  }

  /** Ranges that are not routed: private, benchmark, link-local, shared, documentation, ORCHID. */
  #reserved(): boolean {
    const b = this.bytes;
    if (this.kind === "ipv4") {
      const [first, second, third] = [b[0]!, b[1]!, b[2]!];
      return (
        first === 10 ||
        (first === 192 && second === 168) ||
        (first === 172 && second >= 16 && second <= 31) ||
        (first === 198 && (second === 18 || second === 19)) ||
        (first === 169 && second === 254) ||
        (first === 100 && second >= 64 && second <= 127) ||
        (first === 192 && second === 0 && third === 2) ||
        (first === 198 && second === 51 && third === 100) ||
        (first === 203 && second === 0 && third === 113)
      );
    }
    if (this.kind !== "ipv6") return false;
    return (
      matches(b, [0xfe, 0x80, 0, 0, 0, 0, 0, 0]) || // RFC4862
      (b[0]! & 0xfe) === 0xfc || // RFC4193
      (matches(b, [0x20, 0x01, 0x00]) && (b[3]! & 0xf0) === 0x10) || // RFC4843
      (matches(b, [0x20, 0x01, 0x00]) && (b[3]! & 0xf0) === 0x20) // RFC7343
    );
  }

  /** The IPv4 address that an IPv6 one stands for (6to4, Teredo, NAT64), or an IPv4 address itself. */
  get linkedIpv4(): Uint8Array | undefined {
    const b = this.bytes;
    if (this.kind === "ipv4") return b;
    if (this.kind !== "ipv6" || !this.routable) return undefined;
    if (matches(b, [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0])) return b.subarray(12); // RFC6052
    if (matches(b, [0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0])) return b.subarray(12); // RFC6145
    if (matches(b, [0x20, 0x02])) return b.subarray(2, 6); // RFC3964
    if (matches(b, [0x20, 0x01, 0, 0])) return b.subarray(12).map((byte) => ~byte); // RFC4380
    return undefined;
  }

  /** Core's GetNetwork: `not_publicly_routable` for what nobody else can reach. */
  get network(): AddressKind | "not_publicly_routable" {
    if (this.kind === "internal") return "internal";
    return this.routable ? this.kind : "not_publicly_routable";
  }

  /** Text as Core prints it: no brackets around IPv6. */
  toString(): string {
    switch (this.kind) {
      case "ipv4":
        return ipv4Text(this.bytes);
      case "onion":
        return `${onionText(this.bytes)}.onion`;
      case "i2p":
        return `${base32nopad.encode(this.bytes).toLowerCase()}.b32.i2p`;
      case "internal":
        return `${base32nopad.encode(this.bytes).toLowerCase()}.internal`;
      default:
        return ipv6Text(this.bytes);
    }
  }

  equals(other: NetAddress): boolean {
    return this.kind === other.kind && equalBytes(this.bytes, other.bytes);
  }
}

/** `::`, the address of nobody. */
export const UNSPECIFIED: NetAddress = new NetAddress("ipv6", NO_ADDRESS);

/** A host and a port. Immutable. */
export class NodeEndpoint {
  readonly address: NetAddress;
  readonly port: number;

  constructor(address: NetAddress, port: number) {
    this.address = address;
    this.port = port;
  }

  /** Core's CService::GetKey: the address (in sixteen bytes where it fits) and the port, big-endian. */
  key(): Uint8Array {
    const host = this.address.fitsLegacy ? this.address.legacyBytes() : this.address.bytes;
    return concatBytes(host, Uint8Array.of(this.port >>> 8, this.port & 0xff));
  }

  toString(): string {
    const host = this.address.toString();
    return hostPort(host, this.port);
  }

  equals(other: NodeEndpoint): boolean {
    return this.port === other.port && this.address.equals(other.address);
  }
}

export const NO_ENDPOINT: NodeEndpoint = new NodeEndpoint(UNSPECIFIED, 0);

/** An address from text: IPv4, IPv6 (brackets allowed), `.onion` (v3) or `.b32.i2p`; undefined when it is none. */
export function parseNetAddress(text: string): NetAddress | undefined {
  const host = text.startsWith("[") && text.endsWith("]") ? text.slice(1, -1) : text;
  const lower = host.toLowerCase();
  if (lower.endsWith(".onion")) return parseOnion(lower.slice(0, -".onion".length));
  if (lower.endsWith(".b32.i2p")) return parseI2p(lower.slice(0, -".b32.i2p".length));
  const ipv4 = parseIpv4(host);
  if (ipv4 !== undefined) return new NetAddress("ipv4", ipv4);
  const ipv6 = parseIpv6(host);
  return ipv6 === undefined ? undefined : NetAddress.fromLegacyBytes(ipv6);
}

/** Host and port of `host`, `host:port`, `[v6]:port` (Core's SplitHostPort); undefined for a bad port. */
export function splitHostPort(text: string, defaultPort: number): { host: string; port: number } | undefined {
  const colon = text.lastIndexOf(":");
  const bracketed = text.startsWith("[") && colon > 0 && text[colon - 1] === "]";
  const several = colon > 0 && text.indexOf(":") !== colon;
  if (colon >= 0 && (colon === 0 || bracketed || !several)) {
    const digits = text.slice(colon + 1);
    if (!/^\d{1,5}$/.test(digits) || Number(digits) > 0xffff) return undefined;
    return { host: unbracketed(text.slice(0, colon)), port: Number(digits) };
  }
  return { host: unbracketed(text), port: defaultPort };
}

/** An endpoint from text, without looking up names. */
export function parseEndpoint(text: string, defaultPort: number): NodeEndpoint | undefined {
  const split = splitHostPort(text, defaultPort);
  const address = split && parseNetAddress(split.host);
  return address && new NodeEndpoint(address, split.port);
}

/** Sixteen bytes and a big-endian port, as in `version` and `addr`. */
export const legacyEndpoint: Codec<NodeEndpoint> = {
  read(reader) {
    const address = NetAddress.fromLegacyBytes(reader.view(16));
    return new NodeEndpoint(address, reader.u16be());
  },
  write: (writer, value) => writer.bytes(value.address.legacyBytes()).u16be(value.port),
};

/** Network id, address and big-endian port (BIP155). Networks that are not known become {@link UNSPECIFIED}. */
export const bip155Endpoint: Codec<NodeEndpoint> = {
  read(reader) {
    const address = readBip155(reader);
    return new NodeEndpoint(address, reader.u16be());
  },
  write(writer, value) {
    writeBip155(writer, value.address);
    writer.u16be(value.port);
  },
};

function readBip155(reader: ByteReader): NetAddress {
  const id = reader.u8();
  const length = reader.compactSize();
  if (length > MAX_ADDRV2_LENGTH) throw new DecodeError(`Address too long: ${length} > ${MAX_ADDRV2_LENGTH}`);
  const kind = KIND_OF_ID.get(id);
  if (kind !== undefined && length !== LENGTH[kind]) {
    const name = { ipv4: "IPv4", ipv6: "IPv6", onion: "TORv3", i2p: "I2P", cjdns: "CJDNS", internal: "" }[
      kind
    ];
    throw new DecodeError(`BIP155 ${name} address with length ${length} (should be ${LENGTH[kind]})`);
  }
  const bytes = reader.view(length);
  if (kind === undefined) return UNSPECIFIED;
  if (kind !== "ipv6") return new NetAddress(kind, bytes.slice());
  // Addresses of other networks wrapped into IPv6 are not accepted in this form.
  const wrapped = startsWith(bytes, IPV4_IN_IPV6) || startsWith(bytes, TORV2_IN_IPV6);
  if (wrapped || startsWith(bytes, INTERNAL_IN_IPV6)) return UNSPECIFIED;
  return new NetAddress("ipv6", bytes.slice());
}

function writeBip155(writer: ByteWriter, address: NetAddress): void {
  if (address.kind === "internal") {
    writer.u8(BIP155_ID.ipv6).varBytes(address.legacyBytes());
  } else {
    writer.u8(BIP155_ID[address.kind]).varBytes(address.bytes);
  }
}

function parseOnion(name: string): NetAddress | undefined {
  const bytes = decodeBase32(name, 35);
  if (bytes === undefined || bytes[34] !== 3) return undefined;
  const key = bytes.slice(0, 32);
  return onionText(key) === name ? new NetAddress("onion", key) : undefined;
}

function parseI2p(name: string): NetAddress | undefined {
  const bytes = decodeBase32(name, 32);
  return bytes && new NetAddress("i2p", bytes);
}

/** Name of a v3 onion service: key, checksum and version in base32 (rend-spec-v3). */
function onionText(key: Uint8Array): string {
  const label = new TextEncoder().encode(".onion checksum");
  const checksum = sha3_256(concatBytes(label, key, Uint8Array.of(3))).subarray(0, 2);
  return base32nopad.encode(concatBytes(key, checksum, Uint8Array.of(3))).toLowerCase();
}

function decodeBase32(text: string, length: number): Uint8Array | undefined {
  try {
    const bytes = base32nopad.decode(text.toUpperCase());
    return bytes.length === length ? bytes : undefined;
  } catch {
    return undefined;
  }
}

function unbracketed(host: string): string {
  return host.startsWith("[") && host.endsWith("]") ? host.slice(1, -1) : host;
}

function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  return prefix.every((byte, i) => bytes[i] === byte);
}

function matches(bytes: Uint8Array, prefix: readonly number[]): boolean {
  return prefix.every((byte, i) => bytes[i] === byte);
}
