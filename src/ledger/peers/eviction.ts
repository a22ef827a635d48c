/**
 * Which inbound peer gives its place to a new one (Core: node/eviction.cpp). Peers are protected by one measure
 * after another that an attacker cannot easily meet with many connections at once; from the rest, the youngest of
 * the most crowded group goes.
 */
import type { ConnectionType, NetworkName } from "./peer-info.ts";

export interface EvictionCandidate {
  readonly id: number;
  /** Milliseconds since 1970. */
  readonly connected: number;
  /** Milliseconds, infinite before the first pong. */
  readonly minPing: number;
  /** Seconds since 1970 of the last block and transaction that were new to us. */
  readonly lastBlock: number;
  readonly lastTransaction: number;
  /** Has all the services that we want of an outbound peer. */
  readonly relevantServices: boolean;
  readonly relaysTransactions: boolean;
  readonly bloomFilter: boolean;
  /** Group of its address, under a key that nobody else knows. */
  readonly keyedGroup: number;
  /** Its address was discouraged. */
  readonly preferEvict: boolean;
  readonly local: boolean;
  readonly network: NetworkName;
  readonly noBan: boolean;
  readonly connectionType: ConnectionType;
}

type Order = (a: EvictionCandidate, b: EvictionCandidate) => number;

/** The id of the peer to disconnect; undefined when all are protected. */
export function selectPeerToEvict(candidates: readonly EvictionCandidate[]): number | undefined {
  let left = candidates.filter((peer) => !peer.noBan && peer.connectionType === "inbound");
  left = protectLast(left, (a, b) => a.keyedGroup - b.keyedGroup, 4);
  left = protectLast(left, (a, b) => compare(b.minPing, a.minPing), 8);
  left = protectLast(left, byTransactionTime, 4);
  left = protectLast(
    left,
    byBlockRelayOnlyTime,
    8,
    (peer) => !peer.relaysTransactions && peer.relevantServices,
  );
  left = protectLast(left, byBlockTime, 4);
  left = protectByRatio(left);
  if (left.length === 0) return undefined;
  if (left.some((peer) => peer.preferEvict)) left = left.filter((peer) => peer.preferEvict);
  return mostCrowdedGroup(left)[0]!.id;
}

/** Sorts, and takes out those of the last `count` that `among` is true for. */
function protectLast(
  peers: readonly EvictionCandidate[],
  order: Order,
  count: number,
  among: (peer: EvictionCandidate) => boolean = () => true,
): EvictionCandidate[] {
  const sorted = [...peers].sort(order);
  const from = Math.max(0, sorted.length - count);
  return sorted.filter((peer, i) => i < from || !among(peer));
}

const NETWORKS_TO_PROTECT = ["cjdns", "i2p", "localhost", "onion"] as const;

/**
 * Protects half of the peers: up to a quarter those of networks that do badly by the other measures, then those
 * connected longest. The rest comes back sorted by age, the youngest first.
 */
export function protectByRatio(peers: readonly EvictionCandidate[]): EvictionCandidate[] {
  const total = peers.length >> 1;
  const forNetworks = total >> 1;
  let left = [...peers];
  const counts = NETWORKS_TO_PROTECT.map((network) => ({
    network,
    count: left.filter((peer) => isOf(peer, network)).length,
  })).sort((a, b) => a.count - b.count);
  let done = 0;
  while (done < forNetworks) {
    const present = counts.filter(({ count }) => count > 0).length;
    if (present === 0) break;
    const each = Math.max(1, Math.floor((forNetworks - done) / present));
    const before = done;
    for (const entry of counts) {
      if (entry.count === 0) continue;
      const { network } = entry;
      const size = left.length;
      left = protectLast(left, byNetworkAndAge(network), each, (peer) => isOf(peer, network));
      done += size - left.length;
      entry.count -= size - left.length;
      if (done >= forNetworks) break;
    }
    if (done === before) break;
  }
  return protectLast(left, youngestFirst, total - done);
}

type ProtectedNetwork = (typeof NETWORKS_TO_PROTECT)[number];

function isOf(peer: EvictionCandidate, network: ProtectedNetwork): boolean {
  return network === "localhost" ? peer.local : peer.network === network;
}

function mostCrowdedGroup(peers: readonly EvictionCandidate[]): EvictionCandidate[] {
  const groups = new Map<number, EvictionCandidate[]>();
  let best: EvictionCandidate[] = [];
  let bestTime = 0;
  for (const peer of peers) {
    const group = groups.get(peer.keyedGroup) ?? [];
    groups.set(peer.keyedGroup, group);
    group.push(peer);
    const time = group[0]!.connected;
    if (group.length > best.length || (group.length === best.length && time > bestTime)) {
      best = group;
      bestTime = time;
    }
  }
  return best;
}

const youngestFirst: Order = (a, b) => compare(b.connected, a.connected);

const byBlockTime: Order = (a, b) =>
  compare(a.lastBlock, b.lastBlock) ||
  compareFlags(a.relevantServices, b.relevantServices) ||
  youngestFirst(a, b);

const byTransactionTime: Order = (a, b) =>
  compare(a.lastTransaction, b.lastTransaction) ||
  compareFlags(a.relaysTransactions, b.relaysTransactions) ||
  compareFlags(b.bloomFilter, a.bloomFilter) ||
  youngestFirst(a, b);

const byBlockRelayOnlyTime: Order = (a, b) =>
  compareFlags(b.relaysTransactions, a.relaysTransactions) || byBlockTime(a, b);

function byNetworkAndAge(network: ProtectedNetwork): Order {
  return (a, b) => compareFlags(isOf(a, network), isOf(b, network)) || youngestFirst(a, b);
}

/** Also for infinities, whose difference is no number. */
function compare(a: number, b: number): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** False before true. */
function compareFlags(a: boolean, b: boolean): number {
  return Number(a) - Number(b);
}
