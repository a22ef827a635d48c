/**
 * Addresses of nodes that we heard of, and of nodes that we were connected to (Core's addrman). Each address has
 * few places it can take, fixed by a secret key, its group and the group of who told us, so that nobody can fill
 * the book with his own. The book is bounded: 1,024 buckets of 64 for new addresses, 256 of 64 for tried ones.
 */
import type { Random } from "#base/lib/random.ts";
import type { AddressEntry } from "#protocol/wire/messages/addresses.ts";
import type { AddressKind, NetAddress, NodeEndpoint } from "#protocol/wire/net-address.ts";
import { type BookPlace, BucketTable } from "./bucket-table.ts";
import { BUCKET_SIZE, KnownAddress, NEW_BUCKETS, TRIED_BUCKETS } from "./known-address.ts";

/** Most new buckets that one address may take. */
const MAX_REFERENCES = 8;
/** Seconds after a success during which a tried address is not replaced. */
const REPLACEMENT_TIME = 4 * 60 * 60;
/** Tried addresses that are being tested against a newcomer. */
const MAX_COLLISIONS = 10;
/** Seconds after which a test that could not be made is decided for the newcomer. */
const TEST_WINDOW = 40 * 60;

export interface PickedAddress {
  readonly endpoint: NodeEndpoint;
  readonly services: bigint;
  /** Seconds since 1970. */
  readonly lastTry: number;
}

export class AddressBook {
  readonly key: Uint8Array;
  readonly #random: Random;
  /** Seconds since 1970. */
  readonly #now: () => number;
  readonly #byKey = new Map<string, KnownAddress>();
  /** In random order, as far as picks have mixed it. */
  readonly #list: KnownAddress[] = [];
  readonly #new = new BucketTable(NEW_BUCKETS);
  readonly #tried = new BucketTable(TRIED_BUCKETS);
  readonly #collisions = new Set<KnownAddress>();
  readonly #counts = new Map<AddressKind, { new: number; tried: number }>();
  #newCount = 0;
  #triedCount = 0;
  /** Seconds since 1970 of the last success of any; 1 so that a first attempt counts. */
  #lastGood = 1;

  constructor(options: { random: Random; now: () => number; key?: Uint8Array }) {
    this.#random = options.random;
    this.#now = options.now;
    this.key = options.key ?? options.random.fill(new Uint8Array(32));
  }

  get newCount(): number {
    return this.#newCount;
  }

  get triedCount(): number {
    return this.#triedCount;
  }

  /** Addresses of one kind, or of all. */
  size(kind?: AddressKind, table?: "new" | "tried"): number {
    const counts = kind === undefined ? this.#totals() : (this.#counts.get(kind) ?? { new: 0, tried: 0 });
    return table === undefined ? counts.new + counts.tried : counts[table];
  }

  get(endpoint: NodeEndpoint): KnownAddress | undefined {
    return this.#byKey.get(keyOf(endpoint));
  }

  /**
   * Adds addresses that `source` told us. `penalty` seconds are taken off their times, as what a peer says of
   * others may be old. True when one of them got a place.
   */
  add(entries: readonly AddressEntry[], source: NetAddress, penalty = 0): boolean {
    let added = false;
    for (const entry of entries) if (this.#addOne(entry, source, penalty)) added = true;
    return added;
  }

  /** We were connected to it: it is to be among the tried. False when it stays where it is. */
  good(endpoint: NodeEndpoint, testBeforeEvict = true): boolean {
    const now = this.#now();
    this.#lastGood = now;
    const known = this.get(endpoint);
    if (known === undefined) return false;
    known.lastSuccess = now;
    known.lastTry = now;
    known.attempts = 0;
    // The time is left alone: it would tell others whom we are connected to.
    if (known.tried || known.references === 0) return false;
    if (testBeforeEvict && this.#tried.get(this.#triedPlace(known)) !== undefined) {
      if (this.#collisions.size < MAX_COLLISIONS) this.#collisions.add(known);
      return false;
    }
    this.#makeTried(known);
    return true;
  }

  /** We try to connect to it now. */
  attempt(endpoint: NodeEndpoint, countFailure: boolean): void {
    const known = this.get(endpoint);
    if (known === undefined) return;
    const now = this.#now();
    known.lastTry = now;
    if (countFailure && known.lastCountedTry < this.#lastGood) {
      known.lastCountedTry = now;
      known.attempts++;
    }
  }

  /** A connection to it ended, so it was there until now. */
  connected(endpoint: NodeEndpoint): void {
    const known = this.get(endpoint);
    const now = this.#now();
    if (known !== undefined && now - known.time > 20 * 60) known.time = now;
  }

  setServices(endpoint: NodeEndpoint, services: bigint): void {
    const known = this.get(endpoint);
    if (known !== undefined) known.services = services;
  }

  /** A random address, tried and new ones equally likely; only of `kinds` where there are any. */
  select(newOnly: boolean, kinds: ReadonlySet<AddressKind> = new Set()): PickedAddress | undefined {
    const counts = kinds.size === 0 ? this.#totals() : this.#totals(kinds);
    if (counts.new + counts.tried === 0 || (newOnly && counts.new === 0)) return undefined;
    const tried = !newOnly && counts.tried > 0 && (counts.new === 0 || this.#random.below(2) === 1);
    const table = tried ? this.#tried : this.#new;
    for (let factor = 1; ; ) {
      const bucket = this.#random.below(table.buckets);
      const known = table.firstIn(bucket, this.#random.below(BUCKET_SIZE), kinds);
      if (known === undefined) continue;
      if (this.#random.below(1 << 30) < factor * known.chance(this.#now()) * (1 << 30)) return picked(known);
      factor *= 1.2;
    }
  }

  /** Addresses for others, at random: at most `max` and `percent` of all (0: no limit), none that is terrible. */
  addresses(
    max: number,
    percent: number,
    options: { kind?: AddressKind; filtered?: boolean } = {},
  ): AddressEntry[] {
    const { kind, filtered = true } = options;
    let wanted = this.#list.length;
    if (percent !== 0) wanted = Math.floor((Math.min(percent, 100) * wanted) / 100);
    if (max !== 0) wanted = Math.min(wanted, max);
    const now = this.#now();
    const entries: AddressEntry[] = [];
    for (let i = 0; i < this.#list.length && entries.length < wanted; i++) {
      this.#swap(i, i + this.#random.below(this.#list.length - i));
      const known = this.#list[i]!;
      if (kind !== undefined && known.endpoint.address.network !== kind) continue;
      if (filtered && known.isTerrible(now)) continue;
      entries.push({ time: known.time, services: known.services, endpoint: known.endpoint });
    }
    return entries;
  }

  /** Decides which of the collisions of {@link good} are over. */
  resolveCollisions(): void {
    const now = this.#now();
    for (const known of [...this.#collisions]) {
      if (this.#collisionIsOver(known, now)) this.#collisions.delete(known);
    }
  }

  /** A tried address to test, as a newcomer wants its place. */
  selectTriedCollision(): PickedAddress | undefined {
    if (this.#collisions.size === 0) return undefined;
    const known = [...this.#collisions][this.#random.below(this.#collisions.size)]!;
    const old = this.#isHeld(known) ? this.#tried.get(this.#triedPlace(known)) : undefined;
    if (old === undefined) {
      this.#collisions.delete(known);
      return undefined;
    }
    return picked(old);
  }

  /** Every place that is taken, the new ones first. */
  places(table: "new" | "tried"): Iterable<BookPlace> {
    return table === "new" ? this.#new : this.#tried;
  }

  /** For loading: puts a tried address into its place; false when that is taken or the address void. */
  restoreTried(known: KnownAddress): boolean {
    const place = this.#triedPlace(known);
    if (!known.endpoint.address.valid || this.#tried.get(place) !== undefined) return false;
    if (this.#byKey.has(keyOf(known.endpoint))) return false;
    this.#create(known);
    known.tried = true;
    this.#tried.set(place, known);
    this.#count(known, "tried", 1);
    return true;
  }

  /** For loading: puts a new address into a bucket, the one of its source where `bucket` is undefined or taken. */
  restoreNew(known: KnownAddress, bucket?: number): void {
    const { endpoint } = known;
    if (!endpoint.address.valid || known.references >= MAX_REFERENCES) return;
    const other = this.#byKey.get(keyOf(endpoint));
    if (other !== undefined && other !== known) return;
    let place = bucket === undefined ? undefined : this.#newPlace(known, bucket);
    if (place === undefined || this.#new.get(place) !== undefined)
      place = this.#newPlace(known, known.newBucket(this.key));
    if (this.#new.get(place) !== undefined) return;
    if (other === undefined) {
      this.#create(known);
      this.#count(known, "new", 1);
    }
    known.references++;
    this.#new.set(place, known);
  }

  #totals(kinds?: ReadonlySet<AddressKind>): { new: number; tried: number } {
    if (kinds === undefined) return { new: this.#newCount, tried: this.#triedCount };
    const totals = { new: 0, tried: 0 };
    for (const kind of kinds) {
      totals.new += this.#counts.get(kind)?.new ?? 0;
      totals.tried += this.#counts.get(kind)?.tried ?? 0;
    }
    return totals;
  }

  #count(known: KnownAddress, table: "new" | "tried", by: 1 | -1): void {
    const { kind } = known.endpoint.address;
    const counts = this.#counts.get(kind) ?? { new: 0, tried: 0 };
    counts[table] += by;
    this.#counts.set(kind, counts);
    if (table === "new") this.#newCount += by;
    else this.#triedCount += by;
  }

  #newPlace(known: KnownAddress, bucket: number): number {
    return bucket * BUCKET_SIZE + known.bucketPosition(this.key, true, bucket);
  }

  #triedPlace(known: KnownAddress): number {
    const bucket = known.triedBucket(this.key);
    return bucket * BUCKET_SIZE + known.bucketPosition(this.key, false, bucket);
  }

  #isHeld(known: KnownAddress): boolean {
    return this.#byKey.get(keyOf(known.endpoint)) === known;
  }

  #create(known: KnownAddress): void {
    known.position = this.#list.length;
    this.#list.push(known);
    this.#byKey.set(keyOf(known.endpoint), known);
  }

  #delete(known: KnownAddress): void {
    this.#swap(known.position, this.#list.length - 1);
    this.#list.pop();
    this.#byKey.delete(keyOf(known.endpoint));
    this.#count(known, "new", -1);
  }

  #swap(a: number, b: number): void {
    const left = this.#list[a]!;
    const right = this.#list[b]!;
    this.#list[a] = right;
    this.#list[b] = left;
    right.position = a;
    left.position = b;
  }

  #clearNew(place: number): void {
    const known = this.#new.get(place);
    if (known === undefined) return;
    this.#new.set(place, undefined);
    known.references--;
    if (known.references === 0) this.#delete(known);
  }

  #addOne(entry: AddressEntry, source: NetAddress, sourcePenalty: number): boolean {
    const { endpoint } = entry;
    if (!endpoint.address.routable) return false;
    // What a node says of itself is as fresh as it says.
    const penalty = endpoint.address.equals(source) ? 0 : sourcePenalty;
    let known = this.get(endpoint);
    if (known !== undefined) {
      if (!this.#refresh(known, entry, penalty)) return false;
    } else {
      known = new KnownAddress(endpoint, source, entry.services, Math.max(0, entry.time - penalty));
      this.#create(known);
      this.#count(known, "new", 1);
    }
    const place = this.#newPlace(known, known.newBucket(this.key, source));
    const holder = this.#new.get(place);
    if (holder === known) return false;
    const yields = holder === undefined || this.#yieldsTo(holder, known);
    if (yields) {
      this.#clearNew(place);
      known.references++;
      this.#new.set(place, known);
    } else if (known.references === 0) {
      this.#delete(known);
    }
    return yields;
  }

  /** Takes over what is newer of a known address; false when it needs no further place. */
  #refresh(known: KnownAddress, entry: AddressEntry, penalty: number): boolean {
    const online = this.#now() - entry.time < 24 * 60 * 60;
    const interval = online ? 60 * 60 : 24 * 60 * 60;
    if (known.time < entry.time - interval - penalty) known.time = Math.max(0, entry.time - penalty);
    known.services |= entry.services;
    if (entry.time <= known.time || known.tried || known.references === MAX_REFERENCES) return false;
    // Each place more is twice as hard to get.
    return known.references === 0 || this.#random.below(2 ** known.references) === 0;
  }

  #yieldsTo(holder: KnownAddress, known: KnownAddress): boolean {
    return holder.isTerrible(this.#now()) || (holder.references > 1 && known.references === 0);
  }

  #makeTried(known: KnownAddress): void {
    this.#removeFromNew(known);
    this.#count(known, "new", -1);
    const place = this.#triedPlace(known);
    const old = this.#tried.get(place);
    if (old !== undefined) this.#backToNew(old, place);
    this.#tried.set(place, known);
    known.tried = true;
    this.#count(known, "tried", 1);
  }

  #removeFromNew(known: KnownAddress): void {
    const start = known.newBucket(this.key);
    for (let n = 0; n < NEW_BUCKETS && known.references > 0; n++) {
      const place = this.#newPlace(known, (start + n) % NEW_BUCKETS);
      if (this.#new.get(place) !== known) continue;
      this.#new.set(place, undefined);
      known.references--;
    }
  }

  #backToNew(old: KnownAddress, triedPlace: number): void {
    this.#tried.set(triedPlace, undefined);
    old.tried = false;
    this.#count(old, "tried", -1);
    const place = this.#newPlace(old, old.newBucket(this.key));
    this.#clearNew(place);
    old.references = 1;
    this.#new.set(place, old);
    this.#count(old, "new", 1);
  }

  #collisionIsOver(known: KnownAddress, now: number): boolean {
    if (!this.#isHeld(known) || !known.endpoint.address.valid) return true;
    const old = this.#tried.get(this.#triedPlace(known));
    if (old === undefined) {
      this.good(known.endpoint, false);
      return true;
    }
    // The old one works.
    if (now - old.lastSuccess < REPLACEMENT_TIME) return true;
    if (now - old.lastTry < REPLACEMENT_TIME) {
      // It was tested: give it a minute to answer.
      if (now - old.lastTry <= 60) return false;
    } else if (now - known.lastSuccess <= TEST_WINDOW) {
      return false;
    }
    this.good(known.endpoint, false);
    return true;
  }
}

function keyOf(endpoint: NodeEndpoint): string {
  return `${endpoint.address.kind} ${String.fromCharCode(...endpoint.key())}`;
}

function picked(known: KnownAddress): PickedAddress {
  return { endpoint: known.endpoint, services: known.services, lastTry: known.lastTry };
}
