import type { Terms } from "#sharing/deals/deal.ts";
import type { Scheme } from "../codec/scheme.ts";

/** What the user decides about where files go and how they are watched. */
export interface RenterPolicy {
  /**
   * `strict`: at most one shard of a slab per host, account and netgroup (/24 of IPv4, /48 of IPv6). `relaxed`, for
   * tiny circles: no such rule, and several shards per host when there are fewer hosts than shards.
   */
  readonly diversity: "strict" | "relaxed";
  /** Always this scheme; by the number of hosts when left out. */
  readonly scheme?: Scheme;
  /** The most that is paid, millisatoshi a unit; what the host asks when left out. */
  readonly maxPrices?: Terms["prices"];
  /** Seconds between audits of a host. */
  readonly epochSeconds: number;
  /** Leaves of 16 KiB asked for in an audit. */
  readonly auditLeaves: number;
  /** A host out of reach for so long counts as missing at the repair threshold, seconds. */
  readonly awaySeconds: number;
  /** A host out of reach for so long is taken for dead, and all its shards are made anew elsewhere, seconds. */
  readonly deadSeconds: number;
  /** Plaintext bytes of a slab, at most. */
  readonly slabBytes: number;
  /** A shard's upload, or a read, that takes longer is hedged by another host, milliseconds. */
  readonly hedgeMs: number;
  /** Slabs that nothing refers to are kept so long, seconds: a copy on another machine may still need them. */
  readonly garbageSeconds: number;
  /** Small slabs are packed together when they are so old, seconds: what lives shortly is not copied. */
  readonly repackSeconds: number;
  /** A machine that wrote nothing for so long, seconds, has no log of its own any more: snapshots of others hold it. */
  readonly retiredSeconds: number;
}

export const DEFAULT_POLICY: RenterPolicy = {
  diversity: "strict",
  epochSeconds: 3600,
  auditLeaves: 8,
  awaySeconds: 3600,
  deadSeconds: 24 * 3600,
  slabBytes: 8 << 20,
  hedgeMs: 2000,
  garbageSeconds: 3600,
  repackSeconds: 3600,
  retiredSeconds: 30 * 24 * 3600,
};
