/** Who is dialled, and when: peers that are asked something, and friends, for as long as it takes. */
import type { Libp2p } from "@libp2p/interface";
import { multiaddr } from "@multiformats/multiaddr";
import type { Clock } from "#base/lib/clock.ts";
import type { Random } from "#base/lib/random.ts";
import { textOf } from "./calls.ts";
import type { KnownPeers } from "./known-peers.ts";
import type { PeerId } from "./mesh.ts";
import { checkAddresses } from "./multiaddrs.ts";
import { HANDSHAKE_MS, type PeerLink } from "./peer-link.ts";

/** Redialling a friend: after a second, then twice as long each time, two minutes at most. */
const REDIAL_MS = 1000;
const MAX_REDIAL_MS = 120_000;
/** So many friends are asked where one is that can not be reached, and no more often than this. */
const ASK_FRIENDS = 3;
const ASK_MS = 5_000;

export interface DiallerParts {
  readonly peers: KnownPeers;
  readonly clock: Clock;
  readonly random: Random;
  /** Asks a friend whom it knows. */
  meet(link: PeerLink): void;
}

export class Dialler {
  readonly #parts: DiallerParts;
  #node: Libp2p | undefined;
  /** When friends were last asked where others are, by the monotonic clock. */
  #askedAround: number | undefined;

  constructor(parts: DiallerParts) {
    this.#parts = parts;
  }

  /** Dials by this node from now on. */
  start(node: Libp2p): void {
    this.#node = node;
  }

  stop(): void {
    this.#node = undefined;
    for (const link of this.#parts.peers.links()) link.cancelRedial?.();
  }

  /** Connects and exchanges hellos, once at a time. Resolves to why not. */
  connect(link: PeerLink): Promise<string | undefined> {
    if (link.ready) return Promise.resolve(undefined);
    link.connecting ??= this.#dial(link).finally(() => {
      link.connecting = undefined;
    });
    return link.connecting;
  }

  async #dial(link: PeerLink): Promise<string | undefined> {
    const { peers } = this.#parts;
    if (this.#node === undefined) return "shutting down";
    if (peers.isBanned(link.peer)) return "banned";
    if (link.connections.size === 0) {
      const addresses = peers.book.get(link.peer)?.addresses ?? [];
      if (addresses.length === 0) return "no address is known";
      try {
        const targets = addresses.map((address) => multiaddr(`${address}/p2p/${link.peer}`));
        await this.#node.dial(targets, { signal: AbortSignal.timeout(HANDSHAKE_MS) });
      } catch (error) {
        link.failures++;
        return textOf(error);
      }
    }
    if (!(await link.whenReady())) {
      link.failures++;
      return "no hello was exchanged";
    }
    return undefined;
  }

  /** Keeps a friend connected: dials now, and again after each failure or loss. */
  want(link: PeerLink): void {
    const { peers, clock, random } = this.#parts;
    if (this.#node === undefined || link.ready || link.cancelRedial !== undefined) return;
    if (peers.isBanned(link.peer)) return;
    const backoff = Math.min(MAX_REDIAL_MS, REDIAL_MS * 2 ** Math.min(16, link.failures - 1));
    const delay = link.failures === 0 ? 0 : backoff * (0.75 + random.below(1000) / 2000);
    link.cancelRedial = clock.after(delay, () => {
      link.cancelRedial = undefined;
      void this.connect(link).then((failed) => {
        if (failed === undefined || !peers.isCurrent(link) || link.standing !== "friend") return;
        this.want(link);
        this.#askAround();
      });
    });
  }

  /** A friend is not where it was: those who are here may know where it is now. */
  #askAround(): void {
    const { peers, clock, random } = this.#parts;
    const now = clock.monotonic();
    if (this.#askedAround !== undefined && now - this.#askedAround < ASK_MS) return;
    this.#askedAround = now;
    const here = [...peers.links()].filter(({ ready, standing }) => ready && standing === "friend");
    for (let i = 0; i < ASK_FRIENDS && here.length > 0; i++) {
      const [link] = here.splice(random.below(here.length), 1);
      this.#parts.meet(link!);
    }
  }

  /** A peer was found on this network: it is dialled where it says to be. */
  async found(peer: PeerId, addresses: readonly string[]): Promise<void> {
    const { peers } = this.#parts;
    const checked = checkAddresses(addresses);
    if (checked.length === 0 || peers.isBanned(peer)) return;
    peers.book.note(peer, { addresses: checked });
    const link = peers.link(peer);
    if (link.connections.size > 0) return;
    const failed = await this.connect(link);
    // Anyone on the network can announce any number of peers: of those that are not there the book keeps the address.
    if (failed !== undefined && link.connections.size === 0 && link.standing !== "friend") peers.drop(link);
  }
}
