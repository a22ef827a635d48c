/**
 * The circles this account belongs to, who else does, and the invitations that are open. An account of a circle of ours
 * is a friend. Kept in one file, on disk before anything of it is answered.
 */

import { join } from "node:path";
import { z } from "zod";
import { sha256 } from "#base/crypto/sha256.ts";
import { equalBytes, toHex } from "#base/lib/bytes.ts";
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
import { accountIdOf, type SigningKey } from "./identity.ts";
import type { AccountId } from "./mesh.ts";
import { accept, type Outcome, refuse } from "./protocol.ts";
import { accountIdText, bytesOf, integer } from "./schema.ts";

/** Most members of one circle, and circles, that are kept. */
const MAX_MEMBERS = 1000;
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
});
type OpenInvitation = z.infer<typeof invitationState>;

const fileSchema = z.strictObject({
  version: z.literal(1),
  memberships: z.array(signedSchema),
  invitations: z.array(invitationState),
  /** Accounts trusted by hand. */
  friends: z.array(accountIdText),
  /** Accounts forgotten by hand: no circle makes them friends again. */
  forgotten: z.array(accountIdText),
});

export interface KnownCircle extends Circle {
  readonly id: string;
  /** By account, ours among them. */
  readonly members: ReadonlyMap<AccountId, Signed>;
}

interface HeldCircle extends KnownCircle {
  readonly members: Map<AccountId, Signed>;
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
    this.#invitations = parsed.data.invitations;
    for (const account of parsed.data.friends) this.#friends.add(account);
    for (const account of parsed.data.forgotten) this.#forgotten.add(account);
  }

  #save(): Promise<void> {
    return this.#writing.run(() => {
      const memberships = [...this.#circles.values()].flatMap((circle) => [...circle.members.values()]);
      const state = {
        version: 1,
        memberships,
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
    return this.all().filter(
      (circle) => circle.members.has(account) || accountIdOf(circle.founder) === account,
    );
  }

  /** Circles that we are in. */
  all(): readonly KnownCircle[] {
    return [...this.#circles.values()].filter((circle) => circle.members.has(this.#self));
  }

  circle(circle: Circle): KnownCircle | undefined {
    return this.all().find(({ id }) => id === circleId(circle));
  }

  ownCertificate(circle: KnownCircle): Signed {
    return circle.members.get(this.#self)!;
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
    if (membership === undefined) return false;
    const id = circleId(membership);
    let circle = this.#circles.get(id);
    if (circle === undefined) {
      if (this.#circles.size >= MAX_KEPT_CIRCLES) return false;
      circle = { id, founder: membership.founder, nonce: membership.nonce, members: new Map() };
      this.#circles.set(id, circle);
    }
    const member = accountIdOf(membership.member);
    if (circle.members.has(member) || circle.members.size >= MAX_MEMBERS) return false;
    circle.members.set(member, signed);
    return true;
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
    const hash = toHex(sha256(secret));
    const now = unixTime(this.#clock);
    const invitation = this.#invitations.find((one) => one.circle === id && toHex(one.secretHash) === hash);
    if (invitation === undefined) return refuse("not-found", "no such invitation");
    // Who was forgotten still has the secret: only a new word of ours lets them in again.
    if (this.#forgotten.has(account))
      return refuse("not-allowed", "this account is not trusted here any more");
    const held = this.#circles.get(id)!;
    if (!invitation.usedBy.includes(account)) {
      if (invitation.expires <= now) return refuse("expired", "the invitation has expired");
      if (invitation.usedBy.length >= invitation.uses) {
        return refuse("expired", "the invitation was used as often as it may");
      }
      if (!held.members.has(account) && held.members.size >= MAX_MEMBERS) {
        return refuse("full", "the circle is full");
      }
      invitation.usedBy.push(account);
    }
    if (!held.members.has(account)) {
      const member = Uint8Array.from(Buffer.from(account, "hex"));
      this.#note(certifyMember(this.#account, held.nonce, member, now));
    }
    await this.#save();
    return accept(held.members.get(account)!);
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
