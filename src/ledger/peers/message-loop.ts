import { setImmediate } from "node:timers/promises";
import type { Clock } from "#base/lib/clock.ts";
import type { ChainHealth } from "./chain-health.ts";
import type { PeerContext } from "./context.ts";
import type { Peer } from "./peer.ts";
import { inactivity, punish, receiveTurn, sendTurn } from "./peer-turn.ts";
import { shuffle } from "./random-draws.ts";

/** Milliseconds after which every peer has a turn even if nothing came in: timers are looked at this often. */
const TICK = 100;
/** Milliseconds of work after which others (sockets, RPC) are let in. */
const SLICE = 5;

/**
 * Gives peers their turns, one message each, in random order so that nobody gains by many connections in a row.
 * One loop for all: while a message is handled, no other is.
 */
export class MessageLoop {
  readonly #context: PeerContext;
  readonly #health: ChainHealth;
  readonly #clock: Clock;
  /** `gone`: a peer's connection is over. */
  readonly #events: { gone(peer: Peer): void };
  #stopped = false;
  #running: Promise<void> | undefined;
  #awake: (() => void) | undefined;
  #everyoneDue = true;
  /** Something came in since the round began. */
  #news = false;
  #nextTick = 0;
  #sliceStart = 0;

  constructor(context: PeerContext, health: ChainHealth, events: { gone(peer: Peer): void }) {
    this.#context = context;
    this.#health = health;
    this.#clock = context.clock;
    this.#events = events;
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Resolves when the message at hand is done. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#awake?.();
    await this.#running;
  }

  /** Something came in. */
  wake(): void {
    this.#news = true;
    this.#awake?.();
  }

  /** There is something to send to many. */
  wakeAll(): void {
    this.#everyoneDue = true;
    this.#awake?.();
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const more = await this.#round();
      if (!more && !this.#news && !this.#everyoneDue) await this.#sleep();
    }
  }

  async #round(): Promise<boolean> {
    const now = this.#clock.monotonic();
    const tick = now >= this.#nextTick;
    if (tick) this.#nextTick = now + TICK;
    const everyone = tick || this.#everyoneDue;
    this.#everyoneDue = false;
    this.#news = false;
    let more = false;
    for (const peer of shuffle([...this.#context.peers.values()], this.#context.random)) {
      if (this.#stopped) return false;
      if (await this.#turn(peer, everyone)) more = true;
    }
    await this.#letOthersIn();
    return more;
  }

  async #turn(peer: Peer, everyone: boolean): Promise<boolean> {
    let more = false;
    const busy =
      peer.connection.queued > 0 || peer.requests.length > 0 || this.#context.download.hasWork(peer.id);
    try {
      if (peer.disconnecting === undefined) more = await receiveTurn(this.#context, peer);
      punish(this.#context, peer);
      if (busy || everyone) sendTurn(this.#context, peer, this.#health);
      if (everyone) this.#checkInactivity(peer);
    } catch (error) {
      // A bug, or a disk that failed: not this peer's fault, but it may be the one that can bring it about again.
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.#context.log.error(`Handling a message of peer=${peer.id} failed: ${text}`);
      this.#context.disconnect(peer, "internal error");
    }
    if (busy) await this.#letOthersIn();
    if (peer.disconnecting === undefined) return more;
    this.#events.gone(peer);
    return false;
  }

  #checkInactivity(peer: Peer): void {
    if (peer.disconnecting !== undefined) return;
    const why = inactivity(this.#context, peer);
    if (why !== undefined) this.#context.disconnect(peer, why);
  }

  async #letOthersIn(): Promise<void> {
    if (this.#clock.monotonic() - this.#sliceStart < SLICE) return;
    await setImmediate();
    this.#sliceStart = this.#clock.monotonic();
  }

  async #sleep(): Promise<void> {
    await new Promise<void>((resolve) => {
      const cancel = this.#clock.after(TICK, () => this.#awake?.());
      this.#awake = () => {
        this.#awake = undefined;
        cancel();
        resolve();
      };
      if (this.#stopped) this.#awake();
    });
    this.#sliceStart = this.#clock.monotonic();
  }
}
