/**
 * One epoch of watching: every host is asked for its trouble and its losses, and audited in one of its shards, drawn by
 * chance. What it takes in memory grows with the hosts, not with the shards.
 */
import { toHex } from "#base/lib/bytes.ts";
import type { Logger } from "#base/lib/logger.ts";
import type { Random } from "#base/lib/random.ts";
import type { PeerId } from "#sharing/mesh/mesh.ts";
import { SlabGeometry } from "../codec/scheme.ts";
import type { Renter } from "./renter.ts";
import type { SlabId, SlabRecord } from "./slab.ts";
import type { SlabBook } from "./slab-book.ts";

export interface EpochParts {
  readonly renter: Renter;
  readonly book: SlabBook;
  readonly random: Random;
  readonly log: Logger;
  /** Whether a shard is known to be gone already. */
  isLost(slab: SlabId, index: number): boolean;
  /** A host says, or its audit showed, that it does not have a shard. */
  lost(slab: SlabId, index: number): void;
}

/** What is watched at one host. */
interface HostShards {
  bytes: number;
  count: number;
  /** A shard of the host, each equally likely. */
  sample: { slab: SlabRecord; index: number };
}

export async function auditEpoch(parts: EpochParts): Promise<void> {
  const hosts = await survey(parts);
  const admitted = new Map<PeerId, ReadonlySet<string>>();
  await Promise.all(
    [...hosts].map(async ([host, shards]) => {
      const roots = await examine(host, shards, parts);
      if (roots.size > 0) admitted.set(host, roots);
    }),
  );
  if (admitted.size > 0) await noteLost(admitted, parts);
}

/** One pass over all slabs: what each host holds, and one shard of it. */
async function survey({ book, random }: EpochParts): Promise<Map<PeerId, HostShards>> {
  const byHost = new Map<PeerId, HostShards>();
  for await (const slab of book.slabs()) {
    const { shardLength } = new SlabGeometry(slab.scheme, slab.length);
    for (const [index, { host }] of slab.shards.entries()) {
      if (host === "") continue;
      const sample = { slab, index };
      const shards = byHost.get(host) ?? { bytes: 0, count: 0, sample };
      shards.bytes += shardLength;
      shards.count++;
      if (random.below(shards.count) === 0) shards.sample = sample;
      byHost.set(host, shards);
    }
  }
  return byHost;
}

/** @returns roots, in hex, of the shards that the host says it has lost */
async function examine(
  host: PeerId,
  { bytes, count, sample: { slab, index } }: HostShards,
  { renter, log, ...parts }: EpochParts,
): Promise<ReadonlySet<string>> {
  const admitted = new Set<string>();
  if (renter.hosts.state(host) !== "ready" || !(await renter.client.checkTrouble(host))) return admitted;
  for (const { root } of (await renter.client.lost(host, count)) ?? []) admitted.add(toHex(root));
  const { root } = slab.shards[index]!;
  if (admitted.has(toHex(root)) || parts.isLost(slab.id, index)) return admitted;
  const { shardLength } = new SlabGeometry(slab.scheme, slab.length);
  const audit = await renter.client.audit(host, { root, length: shardLength });
  if (audit.verdict === "passed") renter.settlements.audited(host, root, bytes, audit.evidence);
  else if (audit.verdict === "lost") parts.lost(slab.id, index);
  else if (audit.verdict === "cheat") log.warn(`storage: host ${host} answered an audit wrong`);
  return admitted;
}

/** A further pass, for want of an index by root: hosts seldom lose anything. */
async function noteLost(
  admitted: ReadonlyMap<PeerId, ReadonlySet<string>>,
  { book, lost }: EpochParts,
): Promise<void> {
  for await (const slab of book.slabs()) {
    for (const [index, { host, root }] of slab.shards.entries()) {
      if (admitted.get(host)?.has(toHex(root)) === true) lost(slab.id, index);
    }
  }
}
