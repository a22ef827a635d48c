/**
 * Which hosts get the shards of a slab: diverse first, then by proven behaviour and speed, with some chance, so that a
 * new host earns its first shards and no host gets them all.
 */
import type { Random } from "#base/lib/random.ts";
import type { PeerId, PeerView } from "#sharing/mesh/mesh.ts";
import type { HostBook } from "./host-book.ts";

/** What already holds shards of the slab, and so closes its host, account and netgroup to others. */
export interface Taken {
  readonly hosts: readonly PeerId[];
}

export interface PlacementRule {
  readonly diversity: "strict" | "relaxed";
}

/** A host, by how gladly it is taken: higher is better. Drawn once a placement. */
function weigh(view: PeerView, book: HostBook, random: Random): number {
  const record = book.record(view.peer);
  // Age and audits passed count with diminishing weight: a year of good behaviour is not for sale in a day.
  const earned = Math.log2(2 + (record?.proven ?? 0)) / (1 + (record?.failures ?? 0));
  const speed = 1 / (50 + book.expectedMs(view.peer, 65_536));
  const rest = book.isResting(view.peer) ? 0.001 : 1;
  return rest * earned * speed * (0.5 + random.below(1 << 16) / (1 << 16));
}

/**
 * Hosts for `count` shards, best first, with up to as many spares behind them. Under `strict` no host,
 * account or netgroup comes twice, nor one that is taken; under `relaxed` hosts come again, the least laden first,
 * when there are fewer of them than shards.
 * @returns `places` may be shorter than `count` under `strict`, and when there is no host at all.
 */
export function place(
  count: number,
  rule: PlacementRule,
  book: HostBook,
  random: Random,
  taken: Taken = { hosts: [] },
): { readonly places: readonly PeerId[]; readonly spares: readonly PeerId[] } {
  const ranked = book
    .candidates()
    .map((view) => ({ view, weight: weigh(view, book, random) }))
    .sort((a, b) => b.weight - a.weight)
    .map(({ view }) => view);
  if (rule.diversity === "strict") {
    const diverse = diverseOf(ranked, book, taken.hosts);
    return { places: diverse.slice(0, count), spares: diverse.slice(count, 2 * count) };
  }
  return relaxed(
    count,
    ranked.map((view) => view.peer),
    taken.hosts,
  );
}

/** How many hosts may hold a shard each. */
export function placesOf(rule: PlacementRule, book: HostBook): number {
  const views = book.candidates();
  return rule.diversity === "strict" ? diverseOf(views, book, []).length : views.length;
}

function diverseOf(ranked: readonly PeerView[], book: HostBook, taken: readonly PeerId[]): PeerId[] {
  const seen = new Set<string>();
  const claim = (view: PeerView): boolean => {
    const marks = [view.peer, `account ${view.account ?? view.peer}`, `group ${book.netgroup(view)}`];
    if (marks.some((mark) => seen.has(mark))) return false;
    for (const mark of marks) seen.add(mark);
    return true;
  };
  for (const peer of taken) {
    seen.add(peer);
    const view = book.view(peer);
    if (view === undefined) continue;
    seen.add(`account ${view.account ?? view.peer}`);
    seen.add(`group ${book.netgroup(view)}`);
  }
  return ranked.filter(claim).map((view) => view.peer);
}

function relaxed(
  count: number,
  ranked: readonly PeerId[],
  taken: readonly PeerId[],
): { places: readonly PeerId[]; spares: readonly PeerId[] } {
  if (ranked.length === 0) return { places: [], spares: [] };
  const load = new Map(ranked.map((peer) => [peer, 0]));
  for (const peer of taken) if (load.has(peer)) load.set(peer, load.get(peer)! + 1);
  const next = (): PeerId => {
    let best = ranked[0]!;
    for (const peer of ranked) if (load.get(peer)! < load.get(best)!) best = peer;
    load.set(best, load.get(best)! + 1);
    return best;
  };
  const places = Array.from({ length: count }, next);
  // Another host may stand in for a slow one, though it then holds one shard more.
  return { places, spares: Array.from({ length: Math.min(count, ranked.length) }, next) };
}
