import type { Clock } from "#base/lib/clock.ts";
import type { Logger } from "#base/lib/logger.ts";
import type { EventHub } from "#doors/api/event-hub.ts";
import type { SharingControl } from "#doors/api/sharing-control.ts";
import { BoundedLog } from "./bounded-log.ts";
import type { FriendLinks } from "./friend-links.ts";

export interface FollowerParts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly events: Pick<EventHub, "emit"> | undefined;
  readonly friends: Pick<FriendLinks, "seen" | "self"> | undefined;
  /** Whether friends can reach our ledger. */
  readonly reachable: () => boolean;
}

/** Milliseconds from the end of events that broke off to the next try. */
const FOLLOW_AGAIN = 5000;
/** Lines about events that broke off, at once and a minute. */
const EVENT_LINES = { burst: 20, aMinute: 1, characters: 500 };

/** Passes on what a running sharing process tells: its events, whom it knows, where its S3 door is. */
export class SharingFollower {
  readonly #parts: FollowerParts;
  readonly #log: BoundedLog;
  #following: AbortController | undefined;
  #s3: string | undefined;

  constructor(parts: FollowerParts) {
    this.#parts = parts;
    this.#log = new BoundedLog(parts.log, parts.clock, EVENT_LINES);
  }

  /** Where the S3 door listens. */
  get s3Origin(): string | undefined {
    return this.#s3;
  }

  /** From now on this one is followed, and none that came before. */
  follow(control: SharingControl): void {
    this.stop();
    this.#following = new AbortController();
    void this.#follow(control, this.#following.signal);
  }

  stop(): void {
    this.#following?.abort();
    this.#following = undefined;
    this.#s3 = undefined;
  }

  /** Whoever is there when the events begin is met too. Events that break off while the process runs begin anew. */
  async #follow(control: SharingControl, signal: AbortSignal): Promise<void> {
    // Ends with this try: what still runs of it must tell nothing beside the next.
    const trial = new AbortController();
    const both = AbortSignal.any([signal, trial.signal]);
    const why = await Promise.all([this.#tell(control, both), this.#meet(control, both)]).then(
      () => "they ended",
      (error: Error) => error.message,
    );
    trial.abort();
    if (signal.aborted) return;
    this.#log.warn(`sharing: its events broke off: ${why}`);
    const cancel = this.#parts.clock.after(FOLLOW_AGAIN, () => void this.#follow(control, signal));
    signal.addEventListener("abort", cancel, { once: true });
  }

  async #tell(control: SharingControl, signal: AbortSignal): Promise<void> {
    for await (const event of control.events(signal)) {
      if (signal.aborted) return;
      if (event.type === "peer") this.#parts.friends?.seen(event.view);
      this.#parts.events?.emit(event);
    }
  }

  async #meet(control: SharingControl, signal: AbortSignal): Promise<void> {
    const status = await control.status();
    if (signal.aborted) return;
    this.#s3 = status.s3;
    const { friends, reachable } = this.#parts;
    if (friends === undefined) return;
    friends.self = { peer: status.peer, reachable: reachable() };
    for (const view of await control.peers()) friends.seen(view);
  }
}
