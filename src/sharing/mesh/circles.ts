/**
 * The circles this account belongs to, who else does, who was removed, and the invitations that are open. An account of
 * a circle of ours is a friend. Kept in one file, on disk before anything of it is answered.
 */

import { join } from "node:path";
import { z } from "zod";
import { sha256 } from "#base/crypto/sha256.ts";
import { equalBytes, hex, toHex } from "#base/lib/bytes.ts";
import { type Clock, unixTime } from "#base/lib/clock.ts";
import { decodedOrUndefined } from "#base/lib/decode-error.ts";
import { Mutex } from "#base/lib/mutex.ts";
import type { Random } from "#base/lib/random.ts";
import type { FileSystem } from "#base/store/file-system.ts";
import { readIfThere, writeAtomically } from "#base/store/write-atomically.ts";
import { decodeCbor, encodeCbor } from "./cbor.ts";
import {
  type Circle,
  certifyMember,
  circleId,
  type Invitation,
  type Membership,
  openMembership,
  type Signed,
  signedSchema,
} from "./certificates.ts";
import { HeldCircle, type KnownCircle } from "./held-circle.ts";
import { accountIdOf, type SigningKey } from "./identity.ts";
import type { AccountId } from "./mesh.ts";
import { accept, type Outcome, refuse } from "./protocol.ts";
import {
  isCovered,
  isNewer,
  MAX_REMOVED,
  openRemovals,
  type RemovalList,
  signedRemovalsSchema,
  signRemovals,
  unionOf,
} from "./removal-list.ts";
import { accountIdText, bytesOf, integer } from "./schema.ts";

/** Most circles that are kept. */
const MAX_KEPT_CIRCLES = 64;
/** Most invitations open at a time. */
const MAX_INVITATIONS = 100;
const MAX_FILE = 16 * 1024 * 1024;

const invitationState = z.strictObject({
  circle: z.string(),
  /** SHA-256 of the secret: the file alone lets nobody in. */
  secretHash: bytesOf(32),
  uses: integer(1),
  expires: integer(0),
  /** Who took it up. */
  usedBy: z.array(accountIdText),
  /** Who was removed since it was made, and may know its secret. */
  notFor: z.array(accountIdText).optional(),
});
type OpenInvitation = z.infer<typeof invitationState>;

const fileSchema = z.strictObject({
  version: z.literal(1),
  memberships: z.array(signedSchema),
  /** The newest of each circle. */
  removals: z.array(signedRemovalsSchema).optional(),
  invitations: z.array(invitationState),
  /** Accounts trusted by hand. */
  friends: z.array(accountIdText),
  /** Accounts forgotten by hand: no circle makes them friends again. */
  forgotten: z.array(accountIdText),
});

/** An open invitation that somebody showed, without its secret. */
export interface ShownInvitation {
  readonly id: string;
  readonly usesLeft: number;
}

export class Circles {
  readonly #path: string;
  readonly #account: SigningKey;
  readonly #self: AccountId;
  readonly #files: FileSystem;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #circles = new Map<string, HeldCircle>();
  #invitations: OpenInvitation[] = [];
  readonly #friends = new Set<AccountId>();
  readonly #forgotten = new Set<AccountId>();
  readonly #writing = new Mutex();

  private constructor(options: CirclesOptions, dependencies: CirclesDependencies) {
    this.#path = join(options.directory, "circles");
    this.#account = options.account;
    this.#self = accountIdOf(options.account.publicKey);
    this.#files = dependencies.files;
    this.#clock = dependencies.clock;
    this.#random = dependencies.random;
  }

  /** @throws Error when the file is there and not readable: friends are never dropped in silence. */
  static async open(options: CirclesOptions, dependencies: CirclesDependencies): Promise<Circles> {
    const circles = new Circles(options, dependencies);
    await dependencies.files.makeDirectory(options.directory);
    const bytes = await readIfThere(dependencies.files, circles.#path, MAX_FILE);
    if (bytes !== undefined) circles.#load(bytes);
    return circles;
  }

  #load(bytes: Uint8Array): void {
    const parsed = fileSchema.safeParse(decodedOrUndefined(() => decodeCbor(bytes, 1_000_000)));
    if (!parsed.success) throw new Error(`${this.#path} is damaged: restore it or remove it`);
    for (const signed of parsed.data.memberships) this.#note(signed);
    for (const signed of parsed.data.removals ?? []) {
      const list = openRemovals(signed);
      if (list !== undefined) this.#circleOf(list.circle)?.take(list);
    }
    this.#invitations = parsed.data.invitations;
    for (const account of parsed.data.friends) this.#friends.add(account);
    for (const account of parsed.data.forgotten) this.#forgotten.add(account);
  }

  #save(): Promise<void> {
    return this.#writing.run(() => {
      const circles = [...this.#circles.values()];
      const state = {
        version: 1,
        memberships: circles.flatMap(({ members }) => [...members.values()].map(({ signed }) => signed)),
        removals: circles.flatMap(({ removals }) => (removals === undefined ? [] : [removals.signed])),
        invitations: this.#invitations,
        friends: [...this.#friends],
        forgotten: [...this.#forgotten],
      };
      return writeAtomically(this.#files, this.#path, encodeCbor(state));
    });
  }

  /** Whether an account is a friend: ours, trusted by hand, or of a circle that we are in too. */
  isFriend(account: AccountId): boolean {
    if (account === this.#self || this.#friends.has(account)) return true;
    return !this.#forgotten.has(account) && this.shared(account).length > 0;
  }

  /** Circles that an account and ours are both in. */
  shared(account: AccountId): readonly KnownCircle[] {
    return this.all().filter((circle) => isIn(circle, account));
  }

  /** Circles that we are in. */
  all(): readonly KnownCircle[] {
    return [...this.#circles.values()].filter((circle) => circle.members.has(this.#self));
  }

  circle(circle: Circle): KnownCircle | undefined {
    return this.byId(circleId(circle));
  }

  /** A circle that we are in. */
  byId(id: string): KnownCircle | undefined {
    const circle = this.#circles.get(id);
    return circle?.members.has(this.#self) === true ? circle : undefined;
  }

  ownCertificate(circle: KnownCircle): Signed {
    return circle.members.get(this.#self)!.signed;
  }

  /** Why an account that shared a circle with us is no friend any more; undefined for any other. */
  whyRemoved(account: AccountId): string | undefined {
    for (const circle of this.#circles.values()) {
      const areWeIn = circle.members.has(this.#self);
      if (areWeIn && circle.removedAt(account) !== undefined && !isIn(circle, account)) {
        return "the founder removed it from the circle";
      }
      if (!areWeIn && circle.removedAt(this.#self) !== undefined && isIn(circle, account)) {
        return "the founder removed us from the circle";
      }
    }
    return undefined;
  }

  /** Takes up memberships that others showed: of circles of ours, or, with `adopt`, our own in any. True when new. */
  async learn(certificates: readonly Signed[], adopt = false): Promise<boolean> {
    let isNew = false;
    for (const signed of certificates) {
      const membership = openMembership(signed);
      if (membership === undefined) continue;
      const isOurs = accountIdOf(membership.member) === this.#self;
      const wanted = isOurs
        ? adopt || this.#isFoundedByUs(membership)
        : this.circle(membership) !== undefined;
      if (wanted && this.#note(signed, membership)) isNew = true;
    }
    if (isNew) await this.#save();
    return isNew;
  }

  #isFoundedByUs(membership: Membership): boolean {
    return equalBytes(membership.founder, this.#account.publicKey);
  }

  #note(signed: Signed, membership = openMembership(signed)): boolean {
    return membership !== undefined && this.#circleOf(membership)?.note(signed, membership) === true;
  }

  /** The circle, begun where it is not known yet; undefined when it would be one too many. */
  #circleOf(of: Circle): HeldCircle | undefined {
    const id = circleId(of);
    let circle = this.#circles.get(id);
    if (circle === undefined && this.#circles.size < MAX_KEPT_CIRCLES) {
      circle = new HeldCircle(of);
      this.#circles.set(id, circle);
    }
    return circle;
  }

  /** Takes up a founder's list of removals for a circle of ours. True when it changed what we hold; on disk then. */
  async learnRemovals(list: RemovalList): Promise<boolean> {
    const circle = this.#circles.get(circleId(list.circle));
    if (circle === undefined || !circle.members.has(this.#self)) return false;
    const next = circle.isFoundedBy(this.#account.publicKey) ? this.#merged(circle, list) : list;
    if (!isNewer(next, circle.removals)) return false;
    circle.take(next);
    await this.#save();
    return true;
  }

  /** As founder: a list of ours that another device of ours signed, or that we forgot with a disk, and what we hold. */
  #merged(circle: HeldCircle, list: RemovalList): RemovalList {
    const held = circle.removals;
    if (held === undefined || isCovered(held.removed, list.removed)) return list;
    if (isCovered(list.removed, held.removed) && isNewer(held, list)) return held;
    const union = unionOf(held.removed, list.removed);
    if (union.size > MAX_REMOVED) return list;
    return signRemovals(this.#account, circle.nonce, Math.max(held.version, list.version) + 1, union);
  }

  /** As founder: removes an account from the circle we founded. On disk before it is told. */
  async remove(account: AccountId): Promise<Outcome<KnownCircle>> {
    if (account === this.#self) return refuse("conflict", "this is our own account");
    const circle = [...this.#circles.values()].find(
      (one) => one.isFoundedBy(this.#account.publicKey) && one.members.has(account),
    );
    const member = circle?.members.get(account);
    if (circle === undefined || member === undefined) {
      return refuse("not-found", "not a member of a circle that we founded: only its founder can remove it");
    }
    const before = Math.max(unixTime(this.#clock), member.issued);
    const removed = unionOf(circle.removals?.removed ?? new Map(), new Map([[account, before]]));
    if (removed.size > MAX_REMOVED) {
      return refuse("full", `${MAX_REMOVED} accounts were removed from this circle, it can forget no more`);
    }
    const version = (circle.removals?.version ?? 0) + 1;
    circle.take(signRemovals(this.#account, circle.nonce, version, removed));
    this.#friends.delete(account);
    // It knows the secret that it came with, and whoever it is tomorrow would come back with it.
    this.#invitations = this.#invitations
      .filter(({ usedBy }) => !usedBy.includes(account))
      .map((one) => ({ ...one, notFor: [...(one.notFor ?? []), account] }));
    await this.#save();
    return accept(circle);
  }

  /** A new invitation into the circle that our account founded; the circle is made with the first one. */
  async invite(
    place: { readonly addresses: readonly string[]; readonly device: Uint8Array },
    uses: number,
    seconds: number,
  ): Promise<Invitation> {
    const now = unixTime(this.#clock);
    const circle = this.#ownCircle(now);
    const secret = this.#random.fill(new Uint8Array(16));
    const expires = now + seconds;
    this.#invitations = this.#invitations.filter((one) => one.expires > now).slice(-(MAX_INVITATIONS - 1));
    this.#invitations.push({ circle: circle.id, secretHash: sha256(secret), uses, expires, usedBy: [] });
    await this.#save();
    const { founder, nonce } = circle;
    return { addresses: [...place.addresses], device: place.device, founder, nonce, secret, uses, expires };
  }

  #ownCircle(now: number): KnownCircle {
    const own = this.all().find((circle) => equalBytes(circle.founder, this.#account.publicKey));
    if (own !== undefined) return own;
    const nonce = this.#random.fill(new Uint8Array(16));
    this.#note(certifyMember(this.#account, nonce, this.#account.publicKey, now));
    return this.#ownCircle(now);
  }

  /** As founder: lets an account in that holds an invitation's secret. Twice is once. */
  async admit(circle: Circle, secret: Uint8Array, account: AccountId): Promise<Outcome<Signed>> {
    const id = circleId(circle);
    const hash = sha256(secret);
    const invitation = this.#invitations.find((one) => one.circle === id && equalBytes(one.secretHash, hash));
    if (invitation === undefined) return refuse("not-found", "no such invitation");
    const now = unixTime(this.#clock);
    const held = this.#circles.get(id)!;
    const refused = this.#whyNot(invitation, held, account, now);
    if (refused !== undefined) return refused;
    if (!invitation.usedBy.includes(account)) invitation.usedBy.push(account);
    if (!held.members.has(account)) {
      const issued = Math.max(now, (held.removedAt(account) ?? 0) + 1);
      this.#note(certifyMember(this.#account, held.nonce, hex(account), issued));
    }
    await this.#save();
    return accept(held.members.get(account)!.signed);
  }

  /** As founder: the invitation that would let an account in, by the secret that it proves to hold. */
  invitationOf(
    circle: Circle,
    account: AccountId,
    holds: (secretHash: Uint8Array) => boolean,
  ): ShownInvitation | undefined {
    const id = circleId(circle);
    const invitation = this.#invitations.find((one) => one.circle === id && holds(one.secretHash));
    if (invitation === undefined) return undefined;
    const now = unixTime(this.#clock);
    if (this.#whyNot(invitation, this.#circles.get(id)!, account, now) !== undefined) return undefined;
    return { id: toHex(invitation.secretHash), usesLeft: invitation.uses - invitation.usedBy.length };
  }

  /** Why an invitation does not let an account in. */
  #whyNot(invitation: OpenInvitation, circle: HeldCircle, account: AccountId, now: number) {
    // Who was forgotten still has the secret: only a new word of ours lets them in again.
    if (this.#forgotten.has(account)) {
      return refuse("not-allowed", "this account is not trusted here any more");
    }
    if (invitation.notFor?.includes(account) === true) {
      return refuse("not-allowed", "this account was removed from the circle: ask for a new invitation");
    }
    if (invitation.usedBy.includes(account)) return undefined;
    if (invitation.expires <= now) return refuse("expired", "the invitation has expired");
    if (invitation.usedBy.length >= invitation.uses) {
      return refuse("expired", "the invitation was used as often as it may");
    }
    return !circle.members.has(account) && circle.isFull ? refuse("full", "the circle is full") : undefined;
  }

  /** Trusts an account by hand. */
  async befriend(account: AccountId): Promise<void> {
    this.#friends.add(account);
    this.#forgotten.delete(account);
    await this.#save();
  }

  /** Takes trust back; a circle does not give it again. */
  async forget(account: AccountId): Promise<void> {
    this.#friends.delete(account);
    this.#forgotten.add(account);
    await this.#save();
  }
}

/** Whether an account is in a circle: a member whose membership is not void, or its founder. */
export function isIn(circle: KnownCircle, account: AccountId): boolean {
  return circle.members.has(account) || accountIdOf(circle.founder) === account;
}

export interface CirclesOptions {
  /** Where the file is kept. */
  readonly directory: string;
  readonly account: SigningKey;
}

export interface CirclesDependencies {
  readonly files: FileSystem;
  readonly clock: Clock;
  readonly random: Random;
}
