/** One address in the book, what we know of it, and where its keyed hash puts it (Core's AddrInfo). */
import { sha256d } from "#base/crypto/sha256.ts";
import { ByteWriter } from "#base/lib/byte-writer.ts";
import type { NetAddress, NodeEndpoint } from "#protocol/wire/net-address.ts";
import { netGroup } from "#protocol/wire/net-group.ts";

export const NEW_BUCKETS = 1024;
export const TRIED_BUCKETS = 256;
export const BUCKET_SIZE = 64;
/** Buckets over which addresses of one group are spread once tried. */
const TRIED_BUCKETS_PER_GROUP = 8;
/** Buckets over which addresses told by one group are spread while new. */
const NEW_BUCKETS_PER_SOURCE_GROUP = 64;

const DAY = 24 * 60 * 60;
/** Addresses that nobody has seen for so long are not kept. */
const HORIZON = 30 * DAY;
/** Failed attempts after which an address that never worked is given up. */
const RETRIES = 3;
/** Failures in a row, over at least {@link MIN_FAIL_TIME}, after which any address is. */
const MAX_FAILURES = 10;
const MIN_FAIL_TIME = 7 * DAY;

/** Times are seconds since 1970, 0 is never. */
export class KnownAddress {
  readonly endpoint: NodeEndpoint;
  /** Who told us first. */
  readonly source: NetAddress;
  services: bigint;
  /** When it was last known to be there, as far as gossip goes. */
  time: number;
  lastTry = 0;
  /** Last attempt that was counted. */
  lastCountedTry = 0;
  lastSuccess = 0;
  /** Attempts since the last success. */
  attempts = 0;
  /** New buckets that hold it. */
  references = 0;
  tried = false;
  /** Its place in the list that random picks are made from. */
  position = -1;

  constructor(endpoint: NodeEndpoint, source: NetAddress, services: bigint, time: number) {
    this.endpoint = endpoint;
    this.source = source;
    this.services = services;
    this.time = time;
  }

  triedBucket(key: Uint8Array): number {
    const first = cheapHash(key, (writer) => writer.varBytes(this.endpoint.key()));
    const group = netGroup(this.endpoint.address);
    const second = cheapHash(key, (writer) => {
      writer.varBytes(group).bigU64(BigInt(first[0]! % TRIED_BUCKETS_PER_GROUP));
    });
    return second[0]! % TRIED_BUCKETS;
  }

  newBucket(key: Uint8Array, source: NetAddress = this.source): number {
    const group = netGroup(this.endpoint.address);
    const sourceGroup = netGroup(source);
    const first = cheapHash(key, (writer) => writer.varBytes(group).varBytes(sourceGroup));
    const second = cheapHash(key, (writer) => {
      writer.varBytes(sourceGroup).bigU64(BigInt(first[0]! % NEW_BUCKETS_PER_SOURCE_GROUP));
    });
    return (second[0]! | (second[1]! << 8)) % NEW_BUCKETS;
  }

  bucketPosition(key: Uint8Array, isNew: boolean, bucket: number): number {
    const hash = cheapHash(key, (writer) => {
      writer
        .u8((isNew ? "N" : "K").charCodeAt(0))
        .u32(bucket)
        .varBytes(this.endpoint.key());
    });
    return hash[0]! % BUCKET_SIZE;
  }

  /** Not worth keeping: never seen of late, from the future, or it keeps failing. */
  isTerrible(now: number): boolean {
    if (now - this.lastTry <= 60) return false;
    if (this.time > now + 10 * 60) return true;
    if (now - this.time > HORIZON) return true;
    if (this.lastSuccess === 0 && this.attempts >= RETRIES) return true;
    return now - this.lastSuccess > MIN_FAIL_TIME && this.attempts >= MAX_FAILURES;
  }

  /** How likely it is to be picked, against others: less after a recent try and after each failure. */
  chance(now: number): number {
    const recent = Math.max(0, now - this.lastTry) < 10 * 60 ? 0.01 : 1;
    return recent * 0.66 ** Math.min(this.attempts, 8);
  }
}

/** Double hash of the key and what `write` adds; its first bytes are the low ones of Core's GetCheapHash. */
function cheapHash(key: Uint8Array, write: (writer: ByteWriter) => void): Uint8Array {
  const writer = new ByteWriter(96).bytes(key);
  write(writer);
  return sha256d(writer.finish());
}
