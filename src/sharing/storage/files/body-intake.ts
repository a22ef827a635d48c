/**
 * What all bodies that are being written may hold in memory. A client that sends ten parts side by side fills ten
 * slabs at once, while two are on their way to hosts: beyond a bound a body waits before it reads on, so that its
 * client waits too. It never waits for long without a sign: clients give up a socket that takes nothing for a minute.
 */
import type { Clock } from "#base/lib/clock.ts";

/** Bytes of plaintext of all bodies together: of two slabs on their way; the eldest may fill one more. */
const MOST_HELD = 16 << 20;
/** What any body may hold whatever the others do: nobody waits to send a small file. */
const ALWAYS_HELD = 64 * 1024;
/** Milliseconds after which a body that found no room stores what it has, as a shorter slab, or reads a little. */
const PATIENCE = 10_000;

export class BodyIntake {
  readonly #clock: Clock;
  /** Bytes that each holds, the eldest first. */
  readonly #held = new Map<symbol, number>();
  #total = 0;
  #freed = Promise.withResolvers<void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Bytes held by all bodies. */
  get heldBytes(): number {
    return this.#total;
  }

  /** A body that begins. */
  enter(): IntakeShare {
    const share = Symbol();
    this.#held.set(share, 0);
    return {
      hold: (bytes) => this.#change(share, bytes),
      free: (bytes) => this.#change(share, -bytes),
      room: () => this.#room(share),
      leave: () => {
        this.#change(share, -(this.#held.get(share) ?? 0));
        this.#held.delete(share);
        this.#wake();
      },
    };
  }

  #change(share: symbol, bytes: number): void {
    const held = this.#held.get(share);
    if (held === undefined) return;
    this.#held.set(share, held + bytes);
    this.#total += bytes;
    if (bytes < 0) this.#wake();
  }

  #wake(): void {
    this.#freed.resolve();
    this.#freed = Promise.withResolvers<void>();
  }

  async #room(share: symbol): Promise<boolean> {
    if (this.#mayGrow(share)) return true;
    const late = Promise.withResolvers<"late">();
    const stop = this.#clock.after(PATIENCE, () => late.resolve("late"));
    try {
      while (!this.#mayGrow(share)) {
        if ((await Promise.race([this.#freed.promise, late.promise])) === "late") return false;
      }
      return true;
    } finally {
      stop();
    }
  }

  /** The eldest always may: one of them comes to its end, whatever all hold. */
  #mayGrow(share: symbol): boolean {
    if (this.#total < MOST_HELD || (this.#held.get(share) ?? 0) < ALWAYS_HELD) return true;
    const [eldest] = this.#held.keys();
    return share === eldest;
  }
}

/** One body's part in it. */
export interface IntakeShare {
  /** Bytes came in. */
  hold(bytes: number): void;
  /** Bytes are at their hosts. */
  free(bytes: number): void;
  /**
   * Waits until more may be read; false when that takes long: what has come should be stored as it is where that is
   * worth a slab, and a little be read.
   */
  room(): Promise<boolean>;
  /** The body has ended, one way or another. */
  leave(): void;
}
