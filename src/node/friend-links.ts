/**
 * Connects the ledger with those of our friends, with the permission `noban` on both sides: blocks and payments pass
 * between friends without the delay that hides from strangers who sent what. Of two that can both be reached the one
 * with the smaller peer id dials; the other only when nothing comes. What is known of friends comes from the sharing
 * process, so no more than a few are believed, and an address is only ever dialled.
 */
import { BlockList, isIP } from "node:net";
import { equalBytes } from "#base/lib/bytes.ts";
import type { Clock } from "#base/lib/clock.ts";
import type { PeerControl } from "#ledger/peers/peer-control.ts";
import type { PeerId, PeerView } from "#sharing/mesh/mesh.ts";
import { decodeLedgerOffer } from "./ledger-offer.ts";

/** Friends whose ledgers are connected at most. */
const MAX_FRIENDS = 32;
/** Milliseconds between two looks at who is gone. */
const ROUND = 5000;

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

/** Milliseconds until the first: by then the friend has heard of us too, and knows whom it hears from. */
const FIRST_ROUND = 300;
/** Rounds after which the one with the larger peer id dials as well. */
const PATIENCE = 3;

interface Friend {
  /** `host:port`. */
  readonly address: string;
  readonly host: string;
  rounds: number;
}

export interface FriendDependencies {
  readonly peers: Pick<PeerControl, "connectFriend" | "setFriendHosts" | "peers">;
  readonly clock: Clock;
  /** Of our network. */
  readonly magic: Uint8Array;
}

export class FriendLinks {
  /** Our peer id in the mesh, and whether friends can dial us. */
  self: { readonly peer: PeerId; readonly reachable: boolean } | undefined;
  readonly #parts: FriendDependencies;
  readonly #friends = new Map<PeerId, Friend>();
  #cancel: (() => void) | undefined;
  #stopped = false;

  constructor(parts: FriendDependencies) {
    this.#parts = parts;
  }

  /** Takes note of a peer of the mesh: a friend that offers its ledger is connected from now on, another no longer. */
  seen(view: PeerView): void {
    if (view.standing !== "friend") {
      if (this.#friends.delete(view.peer)) this.#trust();
      return;
    }
    const place = this.#placeOf(view);
    const known = this.#friends.get(view.peer);
    if (place === undefined || known?.address === place.address) return;
    if (known === undefined && this.#friends.size >= MAX_FRIENDS) return;
    this.#friends.set(view.peer, { ...place, rounds: 0 });
    this.#trust();
    this.#schedule(FIRST_ROUND);
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
  }

  #trust(): void {
    this.#parts.peers.setFriendHosts(new Set([...this.#friends.values()].map(({ host }) => host)));
  }

  #placeOf({ offers, ip }: PeerView): { address: string; host: string } | undefined {
    const bytes = offers["ledger"];
    const offer = bytes === undefined ? undefined : decodeLedgerOffer(bytes);
    if (offer === undefined || !equalBytes(offer.magic, this.#parts.magic)) return undefined;
    const host = offer.host === "0.0.0.0" || offer.host === "::" ? ip : offer.host;
    if (host === undefined || isIP(host) === 0) return undefined;
    // What it says of itself must be where it is: else it could have us trust, or dial, whom it likes.
    if (host !== ip && !(isLoopback(host) && ip !== undefined && isLoopback(ip))) return undefined;
    return { host, address: isIP(host) === 6 ? `[${host}]:${offer.port}` : `${host}:${offer.port}` };
  }

  #schedule(delay: number): void {
    if (this.#cancel !== undefined || this.#stopped) return;
    this.#cancel = this.#parts.clock.after(delay, () => {
      this.#cancel = undefined;
      this.#round();
      if (this.#friends.size > 0) this.#schedule(ROUND);
    });
  }

  #round(): void {
    const connections = this.#parts.peers.peers();
    for (const [peer, friend] of this.#friends) {
      friend.rounds++;
      if (connections.some(({ addr }) => addr === friend.address)) continue;
      if (this.#waits(peer, friend)) continue;
      // On one machine nobody can tell whose connection it is.
      const comes = connections.some(({ addr, inbound }) => inbound && hostOf(addr) === friend.host);
      if (comes && !this.#dialsFirst(peer)) continue;
      void this.#parts.peers.connectFriend(friend.address);
    }
  }

  #dialsFirst(peer: PeerId): boolean {
    return this.self === undefined || !this.self.reachable || this.self.peer < peer;
  }

  #waits(peer: PeerId, friend: Friend): boolean {
    return !this.#dialsFirst(peer) && friend.rounds <= PATIENCE;
  }
}

function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(":")).replace(/^\[|\]$/g, "");
}

function isLoopback(host: string): boolean {
  return loopback.check(host, isIP(host) === 6 ? "ipv6" : "ipv4");
}
