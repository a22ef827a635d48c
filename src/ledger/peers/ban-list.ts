/** Subnets that are banned by the user (banlist.json), and addresses discouraged for what they sent (Core: banman.cpp). */

import { DecodeError } from "#base/lib/decode-error.ts";
import { Signal } from "#base/lib/events.ts";
import type { Random } from "#base/lib/random.ts";
import type { NetAddress } from "#protocol/wire/net-address.ts";
import type { BanEntry } from "./peer-info.ts";
import { RollingFilter } from "./rolling-filter.ts";
import { parseSubnet, type Subnet, subnetContains, subnetText } from "./subnet.ts";

interface Ban {
  readonly subnet: Subnet;
  readonly created: number;
  readonly until: number;
}

/** banlist.json's own version of an entry. */
const ENTRY_VERSION = 1;

export class BanList {
  readonly #bans = new Map<string, Ban>();
  readonly #discouraged: RollingFilter;
  /** Seconds since 1970. */
  readonly #now: () => number;
  /** The bans are not those that were last saved. */
  readonly changed = new Signal<undefined>();

  constructor(options: { random: Random; now: () => number }) {
    this.#now = options.now;
    this.#discouraged = new RollingFilter(50_000, 0.000001, options.random);
  }

  isBanned(address: NetAddress): boolean {
    const now = this.#now();
    for (const { subnet, until } of this.#bans.values()) {
      if (now < until && subnetContains(subnet, address)) return true;
    }
    return false;
  }

  isSubnetBanned(subnet: Subnet): boolean {
    const ban = this.#bans.get(subnetText(subnet));
    return ban !== undefined && this.#now() < ban.until;
  }

  /** Until when, in seconds since 1970. A ban that lasts longer already stays. */
  async ban(subnet: Subnet, until: number): Promise<void> {
    const key = subnetText(subnet);
    const known = this.#bans.get(key);
    if (known !== undefined && known.until >= until) return;
    this.#bans.set(key, { subnet, created: this.#now(), until });
    await this.changed.emit(undefined);
  }

  /** False when it was not banned. */
  async unban(subnet: Subnet): Promise<boolean> {
    if (!this.#bans.delete(subnetText(subnet))) return false;
    await this.changed.emit(undefined);
    return true;
  }

  async clear(): Promise<void> {
    this.#bans.clear();
    await this.changed.emit(undefined);
  }

  /** Those that hold now, in order of their subnets. */
  entries(): BanEntry[] {
    this.#sweep();
    return [...this.#bans.values()]
      .map(({ subnet, created, until }) => ({
        address: subnetText(subnet),
        banCreated: created,
        bannedUntil: until,
      }))
      .sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0));
  }

  /** Such peers are the first to give up their place, and we do not connect to them. Forgotten by a restart. */
  discourage(address: NetAddress): void {
    this.#discouraged.insert(address.bytes);
  }

  isDiscouraged(address: NetAddress): boolean {
    return this.#discouraged.has(address.bytes);
  }

  /** The text of banlist.json. */
  encode(): string {
    const nets = this.entries().map(({ address, banCreated, bannedUntil }) => ({
      version: ENTRY_VERSION,
      ban_created: banCreated,
      banned_until: bannedUntil,
      address,
    }));
    return `${JSON.stringify({ banned_nets: nets }, null, 4)}\n`;
  }

  /** Reads banlist.json; entries of other versions, or that are none, are passed over. @throws DecodeError */
  load(text: string): void {
    for (const entry of bannedNets(text)) {
      if (entry["version"] !== ENTRY_VERSION) continue;
      const { ban_created: created, banned_until: until, address } = entry;
      if (typeof created !== "number" || typeof until !== "number" || typeof address !== "string") {
        throw new DecodeError("banlist.json: an entry without ban_created, banned_until or address");
      }
      const subnet = parseSubnet(address);
      if (subnet !== undefined) this.#bans.set(subnetText(subnet), { subnet, created, until });
    }
    this.#sweep();
  }

  #sweep(): void {
    const now = this.#now();
    for (const [key, { until }] of this.#bans) if (now > until) this.#bans.delete(key);
  }
}

function bannedNets(text: string): Record<string, unknown>[] {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new DecodeError(`banlist.json: ${String(error)}`);
  }
  const nets = (json as { banned_nets?: unknown } | null)?.banned_nets;
  if (!Array.isArray(nets)) throw new DecodeError("banlist.json: banned_nets is no list");
  return nets.filter(
    (entry): entry is Record<string, unknown> => typeof entry === "object" && entry !== null,
  );
}
