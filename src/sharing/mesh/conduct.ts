/**
 * Who misbehaved and who is banned. A score counts up with each offence and fades; at the limit the peer is banned for
 * a day. Bans are by peer id and by IP address, each with its end.
 */
import type { Clock } from "#base/lib/clock.ts";
import type { PeerId } from "./mesh.ts";

/** Score at which a peer is banned. */
export const BAN_SCORE = 100;
/** Score of an offence that names none. */
export const DEFAULT_SCORE = 20;
/** Seconds of a ban that names none: a day. */
export const BAN_SECONDS = 86_400;
/** A score of one point is forgotten after this many milliseconds. */
const FADE_MS = 60_000;
/** Most bans and scores held; the oldest go first. */
const MAX_ENTRIES = 10_000;

export interface Ban {
  /** A peer id, or `ip:<address>`. */
  readonly subject: string;
  readonly reason: string;
  /** Milliseconds since 1970. */
  readonly until: number;
}

interface Score {
  points: number;
  /** When `points` was right. */
  at: number;
}

export class Conduct {
  readonly #clock: Clock;
  readonly #bans = new Map<string, Ban>();
  readonly #scores = new Map<PeerId, Score>();

  constructor(dependencies: { readonly clock: Clock }, bans: readonly Ban[] = []) {
    this.#clock = dependencies.clock;
    for (const ban of bans) this.#bans.set(ban.subject, ban);
  }

  /** Adds to a peer's score; true when it reached the limit. */
  misbehaved(peer: PeerId, points = DEFAULT_SCORE): boolean {
    const now = this.#clock.now();
    const old = this.#scores.get(peer);
    const faded = Math.floor(Math.max(0, now - (old?.at ?? now)) / FADE_MS);
    const left = Math.max(0, (old?.points ?? 0) - faded);
    this.#scores.delete(peer);
    this.#scores.set(peer, { points: left + points, at: now });
    dropOldest(this.#scores);
    return left + points >= BAN_SCORE;
  }

  /** Bans a peer id or `ip:<address>`; a ban that lasts longer already stays. */
  ban(subject: string, reason: string, seconds = BAN_SECONDS): void {
    const until = this.#clock.now() + seconds * 1000;
    const known = this.banOf(subject);
    if (known !== undefined && known.until >= until) return;
    this.#bans.delete(subject);
    this.#bans.set(subject, { subject, reason, until });
    this.#scores.delete(subject);
    dropOldest(this.#bans);
  }

  unban(subject: string): boolean {
    this.#scores.delete(subject);
    return this.#bans.delete(subject);
  }

  /** The ban that holds now. */
  banOf(subject: string): Ban | undefined {
    const ban = this.#bans.get(subject);
    if (ban === undefined) return undefined;
    if (ban.until > this.#clock.now()) return ban;
    this.#bans.delete(subject);
    return undefined;
  }

  isBanned(subject: string): boolean {
    return this.banOf(subject) !== undefined;
  }

  /** Bans that hold now. */
  bans(): readonly Ban[] {
    return [...this.#bans.keys()].map((subject) => this.banOf(subject)).filter((ban) => ban !== undefined);
  }
}

function dropOldest(map: Map<string, unknown>): void {
  if (map.size <= MAX_ENTRIES) return;
  const first = map.keys().next().value;
  if (first !== undefined) map.delete(first);
}
