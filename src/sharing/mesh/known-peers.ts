/**
 * Every peer that is known, and how far it is trusted: the links that are open or wanted, the book of those met before,
 * circles, scores and bans, and the views of all that the rest of the program sees.
 */
import type { Clock } from "#base/lib/clock.ts";
import { Signal } from "#base/lib/events.ts";
import type { Logger } from "#base/lib/logger.ts";
import { textOf } from "./calls.ts";
import type { Circles } from "./circles.ts";
import { BAN_SECONDS, Conduct } from "./conduct.ts";
import type { AccountId, PeerChange, PeerId, PeerView, Standing } from "./mesh.ts";
import { ipOf } from "./multiaddrs.ts";
import type { PeerBook } from "./peer-book.ts";
import { PeerLink } from "./peer-link.ts";

export interface KnownPeersParts {
  readonly circles: Circles;
  readonly book: PeerBook;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class KnownPeers {
  readonly changed = new Signal<PeerChange>();
  readonly circles: Circles;
  readonly book: PeerBook;
  readonly #conduct: Conduct;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #links = new Map<PeerId, PeerLink>();

  constructor({ circles, book, clock, logger }: KnownPeersParts) {
    this.circles = circles;
    this.book = book;
    this.#clock = clock;
    this.#logger = logger;
    this.#conduct = new Conduct({ clock }, book.loadedBans);
    book.bans = () => this.#conduct.bans();
    for (const { peer, account } of book.entries()) {
      if (account !== undefined && circles.isFriend(account)) this.link(peer);
    }
  }

  links(): IterableIterator<PeerLink> {
    return this.#links.values();
  }

  /** The link of a peer that is connected, or wanted. */
  linkOf(peer: PeerId): PeerLink | undefined {
    return this.#links.get(peer);
  }

  /** The same, made where there is none. */
  link(peer: PeerId): PeerLink {
    let link = this.#links.get(peer);
    if (link === undefined) {
      link = new PeerLink(peer, { clock: this.#clock });
      const entry = this.book.get(peer);
      link.account = entry?.account;
      link.name = entry?.name ?? "";
      link.addresses = entry?.addresses ?? [];
      link.ip = entry?.ip;
      link.standing = this.standingOf(peer, link.account);
      this.#links.set(peer, link);
    }
    return link;
  }

  /** Forgets a link; what is worth knowing is in the book. */
  drop(link: PeerLink): void {
    if (this.#links.get(link.peer) === link) this.#links.delete(link.peer);
  }

  isCurrent(link: PeerLink): boolean {
    return this.#links.get(link.peer) === link;
  }

  standingOf(peer: PeerId, account: AccountId | undefined): Standing {
    if (this.#conduct.isBanned(peer)) return "banned";
    return account !== undefined && this.circles.isFriend(account) ? "friend" : "stranger";
  }

  /** Why an account is no friend any more. */
  whyStranger(account: AccountId | undefined): string | undefined {
    return account === undefined ? undefined : this.circles.whyRemoved(account);
  }

  connectedStrangers(): number {
    let strangers = 0;
    for (const { ready, standing } of this.#links.values()) if (ready && standing === "stranger") strangers++;
    return strangers;
  }

  views(): readonly PeerView[] {
    const known = new Set([...this.#links.keys(), ...this.book.entries().map(({ peer }) => peer)]);
    return [...known].map((peer) => this.view(peer)).filter((view) => view !== undefined);
  }

  view(peer: PeerId): PeerView | undefined {
    const link = this.#links.get(peer);
    const entry = this.book.get(peer);
    if (link === undefined && entry === undefined) return undefined;
    const addresses = entry?.addresses ?? link?.addresses ?? [];
    const account = link?.account ?? entry?.account;
    const standing = this.standingOf(peer, account);
    const standingReason = standing === "stranger" ? this.whyStranger(account) : undefined;
    return {
      peer,
      account,
      name: link?.name || (entry?.name ?? ""),
      standing,
      ...(standingReason === undefined ? {} : { standingReason }),
      connected: link?.ready ?? false,
      addresses: addresses.map((address) => `${address}/p2p/${peer}`),
      ip: link?.ip ?? entry?.ip ?? addresses.map(ipOf).find((ip) => ip !== undefined),
      latencyMs: link?.latencyMs,
      bytesSent: link?.bytesSent ?? 0,
      bytesReceived: link?.bytesReceived ?? 0,
      offers: link?.offers ?? {},
    };
  }

  /** Tells those who listen what changed about a peer. */
  tell(kind: PeerChange["kind"], peer: PeerId, reason?: string): void {
    const view = this.view(peer);
    if (view === undefined) return;
    const change = { kind, view, ...(reason === undefined ? {} : { reason }) };
    this.changed.emit(change).catch((error: unknown) => {
      this.#logger.error(`mesh: ${error instanceof Error ? error.stack : String(error)}`);
    });
  }

  /** Whether a peer id, or an `ip:<address>`, is banned. */
  isBanned(subject: string): boolean {
    return this.#conduct.isBanned(subject);
  }

  misbehaved(peer: PeerId, reason: string, score?: number): void {
    this.#logger.debug("net", () => `mesh: ${peer} misbehaved: ${reason}`);
    if (!this.#conduct.misbehaved(peer, score)) return;
    const link = this.#links.get(peer);
    if (link?.ip !== undefined && this.#mayBanAddress(link)) {
      this.#conduct.ban(`ip:${link.ip}`, reason, BAN_SECONDS);
    }
    this.ban(peer, reason, BAN_SECONDS);
  }

  ban(peer: PeerId, reason: string, seconds: number): void {
    const wasBanned = this.#conduct.isBanned(peer);
    const link = this.#links.get(peer);
    this.#conduct.ban(peer, reason, seconds);
    this.book.save().catch((error: unknown) => this.#logger.error(`mesh: ${textOf(error)}`));
    if (link !== undefined) {
      link.standing = "banned";
      link.disconnect(`banned: ${reason}`);
    }
    if (!wasBanned) this.tell("banned", peer, reason);
  }

  /** Ends a peer's ban, and that of the address it came from. */
  async unban(peer: PeerId): Promise<boolean> {
    const ip = this.#links.get(peer)?.ip;
    if (ip !== undefined) this.#conduct.unban(`ip:${ip}`);
    const was = this.#conduct.unban(peer);
    await this.book.save();
    return was;
  }

  /** Drops a peer: its addresses, and the trust in its account. False when it was not known. */
  async forget(peer: PeerId): Promise<boolean> {
    const view = this.view(peer);
    if (view === undefined) return false;
    if (view.account !== undefined) await this.circles.forget(view.account);
    this.#links.get(peer)?.disconnect("forgotten");
    this.#links.delete(peer);
    this.book.remove(peer);
    await this.book.save();
    return true;
  }

  /** A new identity costs nothing, an address does; but not the address of this machine, nor one that a friend has. */
  #mayBanAddress(offender: PeerLink): boolean {
    if (offender.ip === "127.0.0.1" || offender.ip === "::1") return false;
    return ![...this.#links.values()].some(
      (link) => link !== offender && link.ip === offender.ip && link.standing === "friend",
    );
  }
}
