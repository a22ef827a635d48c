/** Addresses of nodes, between us and our peers: how many we take, which we pass on, what we tell of ourselves. */
import type { Random } from "#base/lib/random.ts";
import type { AddressEntry } from "#protocol/wire/messages/addresses.ts";
import { MAX_ADDRESSES } from "#protocol/wire/messages/addresses.ts";
import { type AddressKind, NodeEndpoint } from "#protocol/wire/net-address.ts";
import { mayHaveUsefulAddresses } from "#protocol/wire/services.ts";
import type { PeerContext } from "./context.ts";
import { LocalScore } from "./local-addresses.ts";
import type { Peer } from "./peer.ts";
import { Permission } from "./permissions.ts";
import { exponentialDelay, shuffle } from "./random-draws.ts";
import { RollingFilter } from "./rolling-filter.ts";
import { SaltedHash } from "./salted-hash.ts";

/** Addresses that a peer may send a second, and that it may have saved up. */
const MAX_RATE = 0.1;
const MAX_TOKENS = MAX_ADDRESSES;
/** Share of the book that one answer may hold, in percent. */
const MAX_PERCENT = 23;
/** Messages with more addresses than this are answers, not announcements: nothing of them is passed on. */
const MAX_TO_RELAY = 10;
/** Seconds within which an address must have been seen to be passed on, and by which it may be ahead. */
const FRESH = 10 * 60;
/** What stands for a time that cannot be: five days ago, in seconds. */
const UNKNOWN_AGE = 5 * 24 * 60 * 60;
/** Seconds that are taken off the times that peers tell. */
const PENALTY = 2 * 60 * 60;
const SEND_INTERVAL = 30_000;
const LOCAL_INTERVAL = 24 * 60 * 60_000;
/** Seconds for which the same peers get an address. */
const ROTATION = 24 * 60 * 60;
/** Milliseconds for which one answer to getaddr is given to all, so that asking often does not read out the book. */
const CACHE_TIME = 21 * 60 * 60_000;
const CACHE_SPREAD = 6 * 60 * 60_000;

interface CachedAnswer {
  readonly entries: readonly AddressEntry[];
  readonly expires: number;
}

export class AddressGossip {
  readonly #context: PeerContext;
  readonly #random: Random;
  readonly #salt: SaltedHash;
  readonly #reachable: ReadonlySet<AddressKind>;
  readonly #answers = new Map<string, CachedAnswer>();

  constructor(context: PeerContext, reachable: ReadonlySet<AddressKind>) {
    this.#context = context;
    this.#random = context.random;
    this.#salt = new SaltedHash(context.random);
    this.#reachable = reachable;
  }

  /** From now on addresses pass between us; false with peers that must not be told from them. */
  enable(peer: Peer): boolean {
    if (peer.type === "block-relay-only") return false;
    peer.addresses.known ??= new RollingFilter(5000, 0.001, this.#random);
    return true;
  }

  /** An `addr` or `addrv2` message. */
  received(peer: Peer, entries: AddressEntry[]): void {
    const { book, bans, log } = this.#context;
    const state = peer.addresses;
    const now = this.#context.seconds();
    this.#refill(peer);
    const fresh: AddressEntry[] = [];
    let processed = 0;
    let limited = 0;
    for (const entry of shuffle([...entries], this.#random)) {
      if (state.tokens >= 1) {
        state.tokens--;
      } else if (!peer.has(Permission.ADDR)) {
        limited++;
        continue;
      }
      if (!mayHaveUsefulAddresses(entry.services) && !this.#context.view.hasDesirableServices(entry.services))
        continue;
      const time = entry.time <= 100_000_000 || entry.time > now + FRESH ? now - UNKNOWN_AGE : entry.time;
      state.known!.insert(entry.endpoint.key());
      const { address } = entry.endpoint;
      if (bans.isDiscouraged(address) || bans.isBanned(address)) continue;
      processed++;
      const dated = { ...entry, time };
      const reachable = this.isReachable(entry.endpoint);
      const announcement = !state.getaddrSent && entries.length <= MAX_TO_RELAY;
      if (time > now - FRESH && announcement && address.routable) this.#passOn(peer, dated, reachable);
      if (reachable) fresh.push(dated);
    }
    state.processed += processed;
    state.rateLimited += limited;
    log.debug(
      "net",
      () =>
        `Received addr: ${entries.length} addresses (${processed} processed, ${limited} rate-limited) from peer=${peer.id}`,
    );
    book.add(fresh, peer.endpoint.address, PENALTY);
    if (entries.length < MAX_ADDRESSES) state.getaddrSent = false;
    // One alone is the peer's own.
    if (peer.type === "addr-fetch" && entries.length > 1) {
      this.#context.disconnect(peer, "addrfetch connection completed");
    }
  }

  /** A `getaddr` message. Only peers that came to us get an answer, and only once. */
  answer(peer: Peer): void {
    const { log } = this.#context;
    if (!peer.inbound) {
      log.debug("net", () => `Ignoring "getaddr" from ${peer.type} connection. peer=${peer.id}`);
      return;
    }
    this.enable(peer);
    if (peer.addresses.getaddrReceived) {
      log.debug("net", () => `Ignoring repeated "getaddr". peer=${peer.id}`);
      return;
    }
    peer.addresses.getaddrReceived = true;
    peer.addresses.toSend = [];
    const entries = peer.has(Permission.ADDR) ? this.#fromBook() : this.#cachedAnswer(peer);
    for (const entry of entries) this.#push(peer, entry);
  }

  /** In a peer's turn: our own address now and then, and what waits to be passed on. */
  maybeSend(peer: Peer): void {
    const state = peer.addresses;
    if (state.known === undefined) return;
    const now = this.#context.now();
    const { options, chain } = this.#context;
    if (options.listen && !chain.isInitialBlockDownload() && state.nextLocalSend < now) {
      // It shall go out even if the peer has heard it before.
      if (state.nextLocalSend !== 0) state.known.reset();
      const local = this.#localFor(peer);
      if (local !== undefined) {
        this.#push(peer, { time: this.#context.seconds(), services: peer.ourServices, endpoint: local });
      }
      state.nextLocalSend = now + exponentialDelay(LOCAL_INTERVAL, this.#random);
    }
    if (now <= state.nextSend) return;
    state.nextSend = now + exponentialDelay(SEND_INTERVAL, this.#random);
    const entries = state.toSend.filter(({ endpoint }) => {
      const key = endpoint.key();
      if (state.known!.has(key)) return false;
      state.known!.insert(key);
      return true;
    });
    state.toSend = [];
    if (entries.length > 0) this.#context.send(peer, peer.wantsAddrV2 ? "addrv2" : "addr", entries);
  }

  isReachable(endpoint: NodeEndpoint): boolean {
    const { network } = endpoint.address;
    return network !== "not_publicly_routable" && this.#reachable.has(network);
  }

  get reachable(): ReadonlySet<AddressKind> {
    return this.#reachable;
  }

  /** Lets the peer send what the time since its last addresses is worth. */
  #refill(peer: Peer): void {
    const state = peer.addresses;
    const now = this.#context.now();
    if (state.tokens < MAX_TOKENS) {
      const seconds = Math.max(0, now - state.tokensAt) / 1000;
      state.tokens = Math.min(state.tokens + seconds * MAX_RATE, MAX_TOKENS);
    }
    state.tokensAt = now;
  }

  #push(peer: Peer, entry: AddressEntry): void {
    const { known, toSend } = peer.addresses;
    const { address } = entry.endpoint;
    if (known === undefined || !address.valid || known.has(entry.endpoint.key()) || !fits(peer, entry))
      return;
    if (toSend.length < MAX_ADDRESSES) toSend.push(entry);
    else toSend[this.#random.below(toSend.length)] = entry;
  }

  /** Passes an address on to one or two peers, the same ones for a day: it spreads at the same rate whoever repeats it. */
  #passOn(from: Peer, entry: AddressEntry, reachable: boolean): void {
    const key = entry.endpoint.key();
    const own = this.#salt.number(key, 0);
    const period = Math.floor((this.#context.seconds() + (own % ROTATION)) / ROTATION);
    const count = reachable || own % 2 === 1 ? 2 : 1;
    const candidates = [...this.#context.peers.values()]
      .filter((peer) => peer !== from && peer.addresses.known !== undefined && fits(peer, entry))
      .map((peer) => ({ peer, rank: this.#salt.number(key, period, peer.id) }))
      .sort((a, b) => b.rank - a.rank);
    for (const { peer } of candidates.slice(0, count)) this.#push(peer, entry);
  }

  #fromBook(): AddressEntry[] {
    const { book, bans } = this.#context;
    const entries = book.addresses(MAX_ADDRESSES, MAX_PERCENT);
    return entries.filter(
      ({ endpoint: { address } }) => !bans.isDiscouraged(address) && !bans.isBanned(address),
    );
  }

  /** One answer for all peers of one network and one address of ours. */
  #cachedAnswer(peer: Peer): readonly AddressEntry[] {
    const { host, port } = peer.connection.socket.local;
    const id = `${peer.network} ${host} ${peer.inboundOnion ? port : 0}`;
    const now = this.#context.now();
    let answer = this.#answers.get(id);
    if (answer === undefined || answer.expires < now) {
      answer = { entries: this.#fromBook(), expires: now + CACHE_TIME + this.#random.below(CACHE_SPREAD) };
      this.#answers.set(id, answer);
    }
    return answer.entries;
  }

  /** Our address to tell a peer: sometimes the one that it sees us under, in case it knows better. */
  #localFor(peer: Peer): NodeEndpoint | undefined {
    const { locals, options } = this.#context;
    let local = locals.bestFor(peer.endpoint.address);
    const seen = peer.addrLocal;
    const usable =
      options.discover && peer.endpoint.address.routable && seen !== undefined && this.isReachable(seen);
    if (usable) {
      const odds = local !== undefined && locals.scoreOf(local.address) > LocalScore.MANUAL ? 8 : 2;
      if (local === undefined || this.#random.below(odds) === 0) {
        // An outbound peer cannot see the port that we listen on.
        const port = peer.inbound
          ? seen.port
          : (local?.port ?? options.port ?? this.#context.network.p2pPort);
        local = new NodeEndpoint(seen.address, port);
      }
    }
    return local?.address.routable ? local : undefined;
  }
}

/** Whether the peer can be sent such an address: Tor's and I2P's only fit into addrv2. */
function fits(peer: Peer, entry: AddressEntry): boolean {
  return peer.wantsAddrV2 || entry.endpoint.address.fitsLegacy;
}
