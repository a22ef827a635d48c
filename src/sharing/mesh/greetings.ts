/**
 * Hellos and updates: who a peer is, what it offers, which circles it is in, told when a connection opens and whenever
 * it changes; and what follows when both sides know each other.
 */
import type { Connection } from "@libp2p/interface";
import type { Logger } from "#base/lib/logger.ts";
import { textOf } from "./calls.ts";
import { encodeCbor } from "./cbor.ts";
import { openDeviceCertificate, type Signed } from "./certificates.ts";
import { accountIdOf, peerIdOf } from "./identity.ts";
import type { Introductions } from "./introductions.ts";
import type { KnownPeers } from "./known-peers.ts";
import type { Handlers, PeerId } from "./mesh.ts";
import { type Hello, MAX_CIRCLES, MAX_OFFER_BYTES, MAX_OFFERS, MESH_PROTOCOL } from "./mesh-protocol.ts";
import { checkAddresses } from "./multiaddrs.ts";
import type { PeerLink } from "./peer-link.ts";
import { accept, type MethodSpec, type Outcome, refuse } from "./protocol.ts";
import type { RemovalNews } from "./removal-news.ts";
import type { RequestPipe } from "./request-pipe.ts";
import { checkReply } from "./services.ts";

const METHODS = MESH_PROTOCOL.methods;

/** Places besides those of strangers, for who shows an invitation and is about to take it up. */
const GUESTS = 20;

type News = Pick<Hello, "name" | "addresses" | "offers" | "removals">;

export interface GreetingsParts {
  readonly name: string;
  /** The account's, of this device. */
  readonly certificate: Signed;
  readonly maxStrangers: number;
  readonly peers: KnownPeers;
  readonly introductions: Introductions;
  readonly removals: RemovalNews;
  readonly logger: Logger;
  /** Where we listen. */
  listening(): readonly string[];
  /** Opens our stream of the mesh's own protocol. */
  open(link: PeerLink, connection: Connection): Promise<RequestPipe>;
  call<Q, A>(peer: PeerId, method: MethodSpec<Q, A>, request: Q): Promise<Outcome<A>>;
  /** Both sides know each other from now on. */
  met(link: PeerLink): void;
  isClosed(): boolean;
}

export class Greetings {
  readonly #parts: GreetingsParts;
  readonly handlers: Pick<Handlers<typeof MESH_PROTOCOL>, "hello" | "update" | "ping">;
  #offers: Readonly<Record<string, Uint8Array>> = {};
  #isQueued = false;

  constructor(parts: GreetingsParts) {
    this.#parts = parts;
    this.handlers = this.#makeHandlers();
  }

  /** Sets or withdraws an offer, and tells everyone. @throws Error when it is too much: a bug of the caller */
  offer(service: string, value: Uint8Array | undefined): void {
    const offers = { ...this.#offers };
    if (value === undefined) delete offers[service];
    else offers[service] = value.slice();
    if (Object.keys(offers).length > MAX_OFFERS || (value?.length ?? 0) > MAX_OFFER_BYTES) {
      throw new Error(`the offer ${service} is too much`);
    }
    this.#offers = offers;
    if (this.#isQueued) return;
    this.#isQueued = true;
    queueMicrotask(() => {
      this.#isQueued = false;
      this.tellAll();
    });
  }

  /** Tells every connected peer what may have changed. */
  tellAll(): void {
    for (const link of this.#parts.peers.links()) if (link.ready) this.#tell(link);
  }

  #tell(link: PeerLink): void {
    void this.#parts.call(link.peer, METHODS.update, this.#newsFor(link));
  }

  #newsFor(link: PeerLink): News {
    const { name, listening, removals } = this.#parts;
    return {
      name,
      addresses: [...listening()],
      offers: { ...this.#offers },
      removals: removals.toldTo(link.account),
    };
  }

  #helloFor(link: PeerLink): Hello {
    const { certificate, peers, introductions } = this.#parts;
    const shared = link.account === undefined ? [] : peers.circles.shared(link.account);
    const circles = shared.slice(0, MAX_CIRCLES).map((circle) => peers.circles.ownCertificate(circle));
    const invited = introductions.proofFor(link.peer);
    return { ...this.#newsFor(link), certificate, circles, ...(invited === undefined ? {} : { invited }) };
  }

  /** Says hello on a connection that we opened; one that is not answered well is ended. */
  async greet(link: PeerLink, connection: Connection): Promise<void> {
    try {
      const pipe = await this.#parts.open(link, connection);
      const outcome = await new Promise<Outcome<unknown>>((resolve) => {
        pipe.ask("hello", encodeCbor(this.#helloFor(link)), resolve);
      });
      const reply = outcome.ok ? checkReply(METHODS.hello, outcome.value) : outcome;
      const problem = reply.ok ? await this.#take(link, reply.value) : reply.refusal.text;
      if (problem !== undefined) connection.abort(new Error(problem));
      else this.#becomeReady(link);
    } catch (error) {
      connection.abort(error instanceof Error ? error : new Error("no hello"));
    }
  }

  /** Says hello on an open connection: who was a stranger at the first one has not seen our memberships. */
  async #greetAnew(link: PeerLink): Promise<void> {
    const reply = await this.#parts.call(link.peer, METHODS.hello, this.#helloFor(link));
    const problem = reply.ok ? await this.#take(link, reply.value) : undefined;
    if (problem === undefined) await this.#parts.introductions.meet(link.peer);
    else link.disconnect(problem);
  }

  /** Checks and notes what a hello says; why it is refused, if so. */
  async #take(link: PeerLink, hello: Hello): Promise<string | undefined> {
    const { introductions, peers } = this.#parts;
    const { circles, book } = peers;
    const certificate = openDeviceCertificate(hello.certificate);
    if (certificate === undefined || peerIdOf(certificate.device) !== link.peer) {
      return "the certificate is not of this device";
    }
    link.account = accountIdOf(certificate.account);
    if (await circles.learn(hello.circles)) this.trustChanged();
    const { account, ip } = link;
    const { invited } = hello;
    link.invitation = invited && introductions.invitationOf(invited, certificate.device, account);
    const found = { account, certificate: hello.certificate, ...(ip === undefined ? {} : { ip }) };
    book.note(link.peer, found, true);
    this.#takeNews(link, hello);
    return undefined;
  }

  #takeNews(link: PeerLink, news: News): void {
    link.name = news.name;
    link.offers = { ...news.offers };
    const addresses = checkAddresses(news.addresses);
    if (addresses.length > 0) link.addresses = addresses;
    const found = { name: news.name, ...(addresses.length > 0 ? { addresses } : {}) };
    this.#parts.peers.book.note(link.peer, found);
    this.#parts.removals.heard(link.peer, news.removals);
  }

  #becomeReady(link: PeerLink): void {
    const { peers, removals, maxStrangers } = this.#parts;
    if (link.connections.size === 0 || link.ready) return;
    link.standing = peers.standingOf(link.peer, link.account);
    const places = maxStrangers + (this.#isGuest(link) ? GUESTS : 0);
    if (link.standing === "stranger" && peers.connectedStrangers() >= places) {
      link.disconnect("too many strangers are connected");
      return;
    }
    link.failures = 0;
    link.setReady(true);
    peers.tell("connected", link.peer);
    this.#parts.met(link);
    if (link.standing === "friend") this.meet(link);
    // Who dialled did not know yet whom it would meet.
    if (removals.toldTo(link.account).length > 0) this.#tell(link);
  }

  /** Whether it may take up the invitation that it showed: no more do at a time than can come in by it. */
  #isGuest({ invitation }: PeerLink): boolean {
    if (invitation === undefined) return false;
    let others = 0;
    for (const link of this.#parts.peers.links()) {
      const isWaiting = link.ready && link.standing === "stranger";
      if (isWaiting && link.invitation?.id === invitation.id) others++;
    }
    return others < invitation.usesLeft;
  }

  /** Asks a friend for the members of our circles. */
  meet(link: PeerLink): void {
    this.#run(this.#parts.introductions.meet(link.peer));
  }

  /** A disk that fails while members are noted is no reason for the process to end. */
  #run(action: Promise<void>): void {
    const { logger, isClosed } = this.#parts;
    action.catch((error: unknown) => {
      if (!isClosed()) logger.error(`mesh: ${textOf(error)}`);
    });
  }

  /** Standings may have changed: who listens is told, and new friends are met. */
  trustChanged(): void {
    const { peers } = this.#parts;
    for (const link of peers.links()) {
      const standing = peers.standingOf(link.peer, link.account);
      if (standing === link.standing) continue;
      link.standing = standing;
      if (!link.ready) continue;
      peers.tell("changed", link.peer, standing === "stranger" ? peers.whyStranger(link.account) : undefined);
      if (standing === "friend") this.#run(this.#greetAnew(link));
    }
  }

  #makeHandlers(): Greetings["handlers"] {
    const { peers, logger } = this.#parts;
    return {
      hello: async (hello, { peer }) => {
        const link = peers.link(peer);
        if (!link.hellos.take()) return refuse("limit", "too many hellos");
        const problem = await this.#take(link, hello);
        if (problem !== undefined) return refuse("not-allowed", problem);
        // The reply leaves first: what we ask next then finds the other side ready.
        setImmediate(() => {
          try {
            this.#becomeReady(link);
          } catch (error) {
            logger.error(`mesh: ${error instanceof Error ? error.stack : String(error)}`);
          }
        });
        return accept(this.#helloFor(link));
      },
      update: async (news, { peer }) => {
        this.#takeNews(peers.link(peer), news);
        peers.tell("changed", peer);
        return accept({});
      },
      ping: async () => accept({}),
    };
  }
}
