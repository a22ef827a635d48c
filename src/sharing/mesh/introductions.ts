/**
 * How strangers become friends and friends find each other: invitations taken up, memberships shown, and the members of
 * a circle told to one another, so that whoever joins meets them all.
 */
import { sha256 } from "#base/crypto/sha256.ts";
import { equalBytes } from "#base/lib/bytes.ts";
import { type Clock, unixTime } from "#base/lib/clock.ts";
import {
  type Invitation,
  invitationLink,
  isInvitationLink,
  openDeviceCertificate,
  parseInvitationLink,
} from "./certificates.ts";
import type { Circles, ShownInvitation } from "./circles.ts";
import type { KnownCircle } from "./held-circle.ts";
import { accountIdOf, peerIdOf, type SigningKey } from "./identity.ts";
import { type InvitationProof, invitationProof } from "./invitation-proof.ts";
import type { AccountId, Handlers, PeerId } from "./mesh.ts";
import { MAX_CIRCLES, MEMBER_PAGE, MESH_PROTOCOL, type MemberEntry } from "./mesh-protocol.ts";
import { checkAddresses, parsePeerAddress } from "./multiaddrs.ts";
import type { PeerBook } from "./peer-book.ts";
import { accept, type MethodSpec, type Outcome, refuse } from "./protocol.ts";

/** Most pages of members that are asked for at a time. */
const MAX_PAGES = 20;
const MAX_DEVICES = 8;
/** Most addresses of a peer that are kept, and how many of its own stay before those that others tell. */
const MAX_ADDRESSES = 8;
const OWN_ADDRESSES = 4;
/** Seconds of the longest invitation: 30 days. */
export const MAX_INVITATION_SECONDS = 30 * 86_400;

const METHODS = MESH_PROTOCOL.methods;

/** What introductions need of the mesh. */
export interface IntroducingMesh {
  addresses(): readonly string[];
  call<Q, A>(peer: PeerId, method: MethodSpec<Q, A>, request: Q): Promise<Outcome<A>>;
  /** Resolves to why not. */
  connect(peer: PeerId): Promise<string | undefined>;
  /** Keeps a peer connected from now on. */
  wanted(peer: PeerId): void;
  isConnected(peer: PeerId): boolean;
  /** The account of a connected peer. */
  accountOf(peer: PeerId): AccountId | undefined;
  trustChanged(): void;
}

export interface IntroductionParts {
  readonly self: PeerId;
  readonly account: SigningKey;
  /** Public key of this device. */
  readonly device: Uint8Array;
  readonly circles: Circles;
  readonly book: PeerBook;
  readonly clock: Clock;
  readonly mesh: IntroducingMesh;
}

type IntroductionHandlers = Pick<Handlers<typeof MESH_PROTOCOL>, "join" | "circles" | "members">;

export class Introductions {
  readonly #parts: IntroductionParts;
  readonly handlers: IntroductionHandlers;
  /** Invitations that are being taken up, by the founder's peer. */
  readonly #accepting = new Map<PeerId, Invitation>();

  constructor(parts: IntroductionParts) {
    this.#parts = parts;
    this.handlers = this.#makeHandlers();
  }

  async invite(uses: number, seconds: number): Promise<{ readonly link: string; readonly expires: number }> {
    const { circles, mesh, device, account } = this.#parts;
    const addresses = mesh.addresses();
    if (addresses.length === 0) throw new Error("an invitation needs an address to listen on");
    const length = Math.min(seconds, MAX_INVITATION_SECONDS);
    const invitation = await circles.invite({ addresses, device }, uses, length);
    return { link: invitationLink(account, invitation), expires: invitation.expires };
  }

  /** Joins the circle of an invitation. @returns the founder's peer */
  async accept(link: string): Promise<Outcome<PeerId>> {
    const { circles, mesh, book, clock, account } = this.#parts;
    const invitation = parseInvitationLink(link);
    if (invitation === undefined) return refuse("bad-request", "this is no invitation, or a damaged one");
    if (invitation.expires <= unixTime(clock)) return refuse("expired", "the invitation has expired");
    if (equalBytes(invitation.founder, account.publicKey)) {
      return refuse("conflict", "this invitation is our own");
    }
    const peer = peerIdOf(invitation.device);
    this.#noteAddresses(peer, checkAddresses(invitation.addresses));
    this.#accepting.set(peer, invitation);
    const met = await this.#reach(peer);
    this.#accepting.delete(peer);
    if (!met.ok) return met;
    if (mesh.accountOf(peer) !== accountIdOf(invitation.founder)) {
      return refuse("not-allowed", "another account answers at the invitation's address");
    }
    const { founder, nonce, secret } = invitation;
    const joined = await mesh.call(peer, METHODS.join, { founder, nonce, secret });
    if (!joined.ok) return joined;
    await circles.learn([joined.value.membership], true);
    if (circles.circle({ founder, nonce }) === undefined) {
      return refuse("not-allowed", "the founder's certificate is not good");
    }
    await circles.befriend(accountIdOf(founder));
    mesh.trustChanged();
    await this.meet(peer);
    book.note(peer, {}, true);
    return accept(peer);
  }

  /** What a hello to a peer says of the invitation that is being taken up there. */
  proofFor(peer: PeerId): InvitationProof | undefined {
    const invitation = this.#accepting.get(peer);
    if (invitation === undefined) return undefined;
    const { founder, nonce, secret, device } = invitation;
    const parties = { caller: this.#parts.device, answerer: device };
    return { founder, nonce, proof: invitationProof(sha256(secret), parties) };
  }

  /** The invitation of ours that the caller's device, of this account, holds, if it would let it in. */
  invitationOf(
    { founder, nonce, proof }: InvitationProof,
    caller: Uint8Array,
    account: AccountId,
  ): ShownInvitation | undefined {
    const parties = { caller, answerer: this.#parts.device };
    return this.#parts.circles.invitationOf({ founder, nonce }, account, (secretHash) => {
      return equalBytes(invitationProof(secretHash, parties), proof);
    });
  }

  /** Adds a peer by link or address and trusts its account. */
  async add(text: string): Promise<Outcome<PeerId>> {
    if (isInvitationLink(text)) return this.accept(text);
    const { circles, mesh } = this.#parts;
    const target = parsePeerAddress(text);
    if (target === undefined) {
      return refuse("bad-request", "neither an invitation nor an address such as /ip4/…/tcp/…/p2p/…");
    }
    if (target.peer === this.#parts.self) return refuse("conflict", "this is our own address");
    this.#noteAddresses(target.peer, [target.address]);
    const met = await this.#reach(target.peer);
    if (!met.ok) return met;
    const account = mesh.accountOf(target.peer);
    if (account === undefined) return refuse("unavailable", "the peer did not say who it is");
    await circles.befriend(account);
    // Who comes back with the words alone learns here which circles the account is in.
    const told = await mesh.call(target.peer, METHODS.circles, {});
    if (told.ok) await circles.learn(told.value.memberships, true);
    mesh.trustChanged();
    // Not only those that it is known to be in: who it is in a circle we just learnt of is not known yet.
    for (const circle of circles.all()) await this.#learnMembers(target.peer, circle);
    return accept(target.peer);
  }

  async #reach(peer: PeerId): Promise<Outcome<PeerId>> {
    const failed = await this.#parts.mesh.connect(peer);
    return failed === undefined
      ? accept(peer)
      : { ok: false, refusal: { code: "unreachable", text: failed } };
  }

  #noteAddresses(peer: PeerId, found: readonly string[]): void {
    const known = this.#parts.book.get(peer)?.addresses ?? [];
    const addresses = [...new Set([...found, ...known])].slice(0, MAX_DEVICES);
    if (addresses.length > 0) this.#parts.book.note(peer, { addresses });
  }

  /** Asks a friend for the members of the circles we share, and meets those who are new. */
  async meet(peer: PeerId): Promise<void> {
    const { circles, mesh } = this.#parts;
    const account = mesh.accountOf(peer);
    if (account === undefined) return;
    for (const circle of circles.shared(account)) await this.#learnMembers(peer, circle);
  }

  async #learnMembers(peer: PeerId, { founder, nonce }: KnownCircle): Promise<void> {
    const { circles, mesh } = this.#parts;
    for (let page = 0; page < MAX_PAGES; page++) {
      const request = { founder, nonce, from: page * MEMBER_PAGE };
      const told = await mesh.call(peer, METHODS.members, request);
      if (!told.ok) return;
      const isNew = await circles.learn(told.value.members.map(({ membership }) => membership));
      for (const member of told.value.members) this.#noteMember(member);
      if (isNew) mesh.trustChanged();
      if (!told.value.more) return;
    }
  }

  /** Devices of a member: addresses are kept, and it is dialled. */
  #noteMember(member: MemberEntry): void {
    const { circles, book, mesh, self } = this.#parts;
    for (const device of member.devices) {
      const certificate = openDeviceCertificate(device.certificate);
      if (certificate === undefined) continue;
      const peer = peerIdOf(certificate.device);
      const account = accountIdOf(certificate.account);
      if (peer === self || !circles.isFriend(account)) continue;
      const known = book.get(peer)?.addresses ?? [];
      if (known.length === 0 || !mesh.isConnected(peer)) {
        // What a peer said of itself counts more than what others say of it; but it may have moved since.
        const told = checkAddresses(device.addresses);
        const all = [...known.slice(0, OWN_ADDRESSES), ...told, ...known.slice(OWN_ADDRESSES)];
        const addresses = [...new Set(all)].slice(0, MAX_ADDRESSES);
        book.note(peer, { account, certificate: device.certificate, addresses });
      }
      mesh.wanted(peer);
    }
  }

  #makeHandlers(): IntroductionHandlers {
    const { circles, mesh } = this.#parts;
    return {
      join: async (request, { account }) => {
        if (account === "") return refuse("not-allowed", "say hello first");
        const admitted = await circles.admit(request, request.secret, account);
        if (!admitted.ok) return admitted;
        // After the answer: who joined then knows us for a friend when we ask.
        setImmediate(() => mesh.trustChanged());
        return accept({ membership: admitted.value });
      },
      circles: async (_request, { account }) => {
        const shared = circles.shared(account).slice(0, MAX_CIRCLES);
        const certificates = shared.map((circle) => circle.members.get(account)?.signed);
        return accept({ memberships: certificates.filter((one) => one !== undefined) });
      },
      members: async ({ from, ...of }, { account, standing }) => {
        const circle = circles.circle(of);
        if (circle === undefined || standing !== "friend" || !circles.shared(account).includes(circle)) {
          return refuse("not-allowed", "not of this circle");
        }
        const all = [...circle.members.entries()];
        const page = all.slice(from, from + MEMBER_PAGE);
        return accept({
          members: page.map(([member, { signed }]) => ({
            membership: signed,
            devices: this.#devicesOf(member),
          })),
          more: all.length > from + MEMBER_PAGE,
        });
      },
    };
  }

  #devicesOf(account: AccountId): MemberEntry["devices"] {
    return this.#parts.book
      .entries()
      .filter((entry) => entry.account === account && entry.certificate !== undefined)
      .sort((a, b) => b.seen - a.seen)
      .slice(0, 2)
      .map(({ certificate, addresses }) => ({ certificate: certificate!, addresses: addresses.slice(0, 8) }));
  }
}
