/**
 * Shards that lie on hosts though no record names them there, and go: of writes that were never acknowledged, of
 * deleted slabs, of hosts that lost their place. Repair may put a shard back on a host where it is still to be dropped;
 * so a drop looks at the records once more when it is sent, and never meets a shard that is on its way.
 */
import { toHex } from "#base/lib/bytes.ts";
import type { PeerId } from "#sharing/mesh/mesh.ts";
import type { HostBook } from "./host-book.ts";
import type { HostClient } from "./host-client.ts";
import type { PendingDrop, SlabBook } from "./slab-book.ts";

/** One shard at one host. */
export interface PlacedShard {
  readonly root: Uint8Array;
  readonly host: PeerId;
}

export interface PendingDropsParts {
  readonly book: SlabBook;
  readonly hosts: HostBook;
  readonly client: HostClient;
}

export class PendingDrops {
  readonly #parts: PendingDropsParts;
  /** Entries whose shards are being stored, or whose slab is not in the book yet; how often each is held. */
  readonly #held = new Map<string, number>();
  /** Shards that are being put where they may be dropped; how often each is. */
  readonly #guarded = new Map<string, number>();
  /** How often a guard was lifted: what was read from the book before is old then. */
  #lifted = 0;
  /** Entries of this run: what became of their slabs is known here. */
  readonly #own = new Set<string>();
  #mayClearEarlier = false;
  readonly #dropping = new Set<{ readonly shards: ReadonlySet<string>; readonly ended: Promise<unknown> }>();

  constructor(parts: PendingDropsParts) {
    this.#parts = parts;
  }

  /** Keeps {@link clear} away from an entry until it was released as often. */
  hold(id: string): void {
    this.#own.add(id);
    this.#held.set(id, (this.#held.get(id) ?? 0) + 1);
  }

  release(id: string): void {
    takeOne(this.#held, id);
  }

  /** Writes down what is to go, to be asked of the hosts until they confirm. */
  async add(entry: PendingDrop): Promise<void> {
    this.#own.add(entry.id);
    await this.#parts.book.keepPending(entry);
  }

  /**
   * What an earlier run left may go too: the log at the hosts was read, and whatever it names is in the book. Until
   * then it stays, as that run may have died after the hosts had a write in their log, and before this machine had it.
   */
  clearEarlier(): void {
    this.#mayClearEarlier = true;
  }

  /**
   * Keeps {@link clear} away from shards at hosts, whatever entry names them; resolves when no drop of them is under
   * way any more. To be lifted once the book says where they are.
   */
  async guard(shards: readonly PlacedShard[]): Promise<() => void> {
    const keys = shards.map(keyOf);
    for (const key of keys) this.#guarded.set(key, (this.#guarded.get(key) ?? 0) + 1);
    const met = [...this.#dropping].filter((drop) => keys.some((key) => drop.shards.has(key)));
    await Promise.allSettled(met.map(({ ended }) => ended));
    return () => {
      this.#lifted++;
      for (const key of keys) takeOne(this.#guarded, key);
    };
  }

  /** Drops whatever is pending, at the hosts that can be reached. */
  async clear(): Promise<void> {
    const { book, hosts } = this.#parts;
    const entries = (await book.pending()).filter(
      ({ id }) => !this.#held.has(id) && (this.#mayClearEarlier || this.#own.has(id)),
    );
    const byHost = new Map<PeerId, PendingDrop[]>();
    for (const entry of entries) {
      for (const host of new Set(entry.shards.map((shard) => shard.host))) {
        const own = byHost.get(host);
        // Thousands wait after a long write, at each host.
        if (own === undefined) byHost.set(host, [entry]);
        else own.push(entry);
      }
    }
    const left = new Map(entries.map(({ id }) => [id, 0]));
    await Promise.all(
      [...byHost].map(async ([host, own]) => {
        const state = hosts.state(host);
        const open =
          state === "dead" || state === "cheat"
            ? []
            : state === "ready"
              ? await this.#clearAt(host, own)
              : (await this.#surplus(host, own)).map(({ entry }) => entry);
        for (const { id } of open) left.set(id, left.get(id)! + 1);
      }),
    );
    for (const [id, count] of left) {
      if (count > 0) continue;
      await book.forgetPending(id);
      this.#own.delete(id);
    }
  }

  /** @returns the entries that this host still has something of */
  async #clearAt(host: PeerId, entries: readonly PendingDrop[]): Promise<readonly PendingDrop[]> {
    const surplus = await this.#surplus(host, entries);
    // From here to the request nothing is awaited: what is guarded now is guarded when it leaves.
    const free = surplus.filter(({ root }) => !this.#guarded.has(keyOf({ root, host })));
    const open = new Set(surplus.filter((one) => !free.includes(one)).map(({ entry }) => entry));
    if (free.length === 0) return [...open];
    const roots = free.map(({ root }) => root);
    const request = this.#parts.client.drop(host, roots);
    const drop = { shards: new Set(roots.map((root) => keyOf({ root, host }))), ended: request };
    this.#dropping.add(drop);
    const isDone = await request.finally(() => this.#dropping.delete(drop));
    if (!isDone) for (const { entry } of free) open.add(entry);
    return [...open];
  }

  /** What these entries name at this host and no record does, read while no guard was lifted. */
  async #surplus(
    host: PeerId,
    entries: readonly PendingDrop[],
  ): Promise<readonly { readonly entry: PendingDrop; readonly root: Uint8Array }[]> {
    for (;;) {
      const before = this.#lifted;
      const surplus: { entry: PendingDrop; root: Uint8Array }[] = [];
      for (const entry of entries) {
        const slab = await this.#parts.book.get(entry.slab);
        const kept = new Set(slab?.shards.filter((shard) => shard.host === host).map(keyOf));
        for (const shard of entry.shards) {
          if (shard.host === host && !kept.has(keyOf(shard))) surplus.push({ entry, root: shard.root });
        }
      }
      if (before === this.#lifted) return surplus;
    }
  }
}

function keyOf({ root, host }: PlacedShard): string {
  return `${host} ${toHex(root)}`;
}

function takeOne(counts: Map<string, number>, key: string): void {
  const count = counts.get(key) ?? 0;
  if (count > 1) counts.set(key, count - 1);
  else counts.delete(key);
}
