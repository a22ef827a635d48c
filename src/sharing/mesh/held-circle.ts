/** One circle as it is known here: its members, and whom its founder removed. */
import { equalBytes } from "#base/lib/bytes.ts";
import { type Circle, circleId, type Membership, type Signed } from "./certificates.ts";
import { accountIdOf } from "./identity.ts";
import type { AccountId } from "./mesh.ts";
import type { RemovalList } from "./removal-list.ts";

/** Most members of one circle that are kept. */
export const MAX_MEMBERS = 1000;

/** A member's certificate, and when it was issued: seconds since 1970. */
export interface Member {
  readonly signed: Signed;
  readonly issued: number;
}

export interface KnownCircle extends Circle {
  readonly id: string;
  /** By account, ours among them; nobody whose membership is void. */
  readonly members: ReadonlyMap<AccountId, Member>;
  /** The newest list that was heard of. */
  readonly removals: RemovalList | undefined;
}

export class HeldCircle implements KnownCircle {
  readonly id: string;
  readonly founder: Uint8Array;
  readonly nonce: Uint8Array;
  readonly members = new Map<AccountId, Member>();
  #removals: RemovalList | undefined;

  constructor({ founder, nonce }: Circle) {
    this.id = circleId({ founder, nonce });
    this.founder = founder;
    this.nonce = nonce;
  }

  get removals(): RemovalList | undefined {
    return this.#removals;
  }

  get isFull(): boolean {
    return this.members.size >= MAX_MEMBERS;
  }

  isFoundedBy(account: Uint8Array): boolean {
    return equalBytes(this.founder, account);
  }

  /** When memberships of an account became void; undefined when none did. */
  removedAt(account: AccountId): number | undefined {
    return this.#removals?.removed.get(account);
  }

  /** Takes up a membership of this circle; false when it is void, known, or one too many. */
  note(signed: Signed, membership: Membership): boolean {
    const member = accountIdOf(membership.member);
    const { issued } = membership;
    if (issued <= (this.removedAt(member) ?? -1)) return false;
    const held = this.members.get(member);
    if (held === undefined ? this.isFull : held.issued >= issued) return false;
    this.members.set(member, { signed, issued });
    return true;
  }

  /** Takes up a list of this circle in the place of the last one. */
  take(list: RemovalList): void {
    this.#removals = list;
    for (const [account, before] of list.removed) {
      const member = this.members.get(account);
      if (member !== undefined && member.issued <= before) this.members.delete(account);
    }
  }
}
