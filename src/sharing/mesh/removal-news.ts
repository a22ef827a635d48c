/**
 * How members of a circle tell each other whom its founder removed: hello and update name the newest list that one
 * has, and who has an older one asks for it. Who was removed is told too, and can see that it was the founder's word.
 */
import { hex, toHex } from "#base/lib/bytes.ts";
import type { Clock } from "#base/lib/clock.ts";
import type { Logger } from "#base/lib/logger.ts";
import { circleId } from "./certificates.ts";
import { type Circles, isIn } from "./circles.ts";
import type { KnownCircle } from "./held-circle.ts";
import type { AccountId, Handlers, PeerId } from "./mesh.ts";
import { MAX_CIRCLES, MESH_PROTOCOL, type ToldRemovals } from "./mesh-protocol.ts";
import { accept, type MethodSpec, type Outcome, refuse } from "./protocol.ts";
import type { RateLimit } from "./rate-limit.ts";
import { isNewer, openRemovals } from "./removal-list.ts";

/** What the news need of the mesh. */
export interface TellingMesh {
  call<Q, A>(peer: PeerId, method: MethodSpec<Q, A>, request: Q): Promise<Outcome<A>>;
  /** The account of a peer. */
  accountOf(peer: PeerId): AccountId | undefined;
  /** How often a peer is asked for lists; undefined when it is gone. */
  removalsRate(peer: PeerId): RateLimit | undefined;
  misbehaved(peer: PeerId, reason: string, score: number): void;
  /** Standings may have changed. */
  trustChanged(): void;
  /** Tells every connected peer anew what {@link RemovalNews.toldTo} says. */
  tellAll(): void;
}

export interface RemovalNewsParts {
  readonly circles: Circles;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly mesh: TellingMesh;
}

export class RemovalNews {
  readonly #parts: RemovalNewsParts;
  readonly handlers: Pick<Handlers<typeof MESH_PROTOCOL>, "removals">;
  /** What peers said last that was not looked at yet. */
  readonly #said = new Map<PeerId, readonly ToldRemovals[]>();
  readonly #asking = new Set<PeerId>();

  constructor(parts: RemovalNewsParts) {
    this.#parts = parts;
    this.handlers = {
      removals: async (of, { account }) => {
        const circle = parts.circles.circle(of);
        if (circle === undefined || !isToldOf(circle, account)) {
          return refuse("not-allowed", "not of this circle");
        }
        return circle.removals === undefined
          ? refuse("not-found", "nobody was removed from this circle")
          : accept({ list: circle.removals.signed });
      },
    };
  }

  /** The newest lists of circles that an account is in, or was. */
  toldTo(account: AccountId | undefined): ToldRemovals[] {
    if (account === undefined) return [];
    const lists = this.#parts.circles
      .all()
      .flatMap((circle) =>
        circle.removals !== undefined && isToldOf(circle, account) ? [circle.removals] : [],
      );
    return lists
      .slice(0, MAX_CIRCLES)
      .map(({ circle, version, digest }) => ({ circle: hex(circleId(circle)), version, digest }));
  }

  /** A peer said which lists it has: those that are newer than ours are asked for, one after another. */
  heard(peer: PeerId, said: readonly ToldRemovals[]): void {
    if (said.length === 0) return;
    this.#said.set(peer, said);
    if (this.#asking.has(peer)) return;
    this.#asking.add(peer);
    this.#askFor(peer).catch((error: unknown) => {
      this.#parts.logger.error(`mesh: ${error instanceof Error ? error.stack : String(error)}`);
    });
  }

  async #askFor(peer: PeerId): Promise<void> {
    try {
      for (let said = this.#said.get(peer); said !== undefined; said = this.#said.get(peer)) {
        this.#said.delete(peer);
        for (const one of said) await this.#ask(peer, one);
      }
    } finally {
      this.#said.delete(peer);
      this.#asking.delete(peer);
    }
  }

  async #ask(peer: PeerId, said: ToldRemovals): Promise<void> {
    const { circles, mesh } = this.#parts;
    const circle = circles.byId(toHex(said.circle));
    const account = mesh.accountOf(peer);
    if (circle === undefined || account === undefined || !isIn(circle, account)) return;
    if (!isNewer(said, circle.removals) || !(await this.#turnOf(peer))) return;
    const { founder, nonce } = circle;
    const told = await mesh.call(peer, MESH_PROTOCOL.methods.removals, { founder, nonce });
    if (!told.ok) return;
    const list = openRemovals(told.value.list);
    if (list === undefined || circleId(list.circle) !== circle.id) {
      mesh.misbehaved(peer, "sent a list of removals that the founder did not sign", 50);
    } else if (isNewer(said, list)) {
      mesh.misbehaved(peer, "named a list of removals that it does not have", 50);
    } else if (await circles.learnRemovals(list)) this.#spread(circle);
  }

  /** Waits until a peer may be asked again; false when it is gone. */
  async #turnOf(peer: PeerId): Promise<boolean> {
    const { clock, mesh } = this.#parts;
    const wait = mesh.removalsRate(peer)?.wait() ?? 0;
    if (wait > 0) await new Promise<void>((resolve) => clock.after(wait, resolve));
    const rate = mesh.removalsRate(peer);
    rate?.spend();
    return rate !== undefined;
  }

  /** As founder: removes an account, and tells everyone. */
  async remove(account: AccountId): Promise<Outcome<KnownCircle>> {
    const removed = await this.#parts.circles.remove(account);
    if (removed.ok) this.#spread(removed.value);
    return removed;
  }

  #spread(circle: KnownCircle): void {
    const { circles, mesh, logger } = this.#parts;
    if (circles.byId(circle.id) === undefined) {
      logger.warn(
        `mesh: the founder ${toHex(circle.founder)} removed this account from the circle ${circle.id}`,
      );
    }
    mesh.trustChanged();
    mesh.tellAll();
  }
}

/** Who may know whom a founder removed: members, and those it removed. */
function isToldOf(circle: KnownCircle, account: AccountId): boolean {
  return isIn(circle, account) || circle.removals?.removed.has(account) === true;
}
