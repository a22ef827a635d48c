/**
 * What providers tell of the tasks they have from us: each attempt under way waits here for its end. Silence for too
 * long, or a connection that goes, ends it as well.
 */
import type { Clock } from "#base/lib/clock.ts";
import type { PeerId } from "#sharing/mesh/mesh.ts";
import type { TaskState } from "../compute-protocol.ts";
import type { TaskId } from "../core/task.ts";

export type AttemptEnd = TaskState | { readonly state: "silent"; readonly reason: string };

interface Waiting {
  readonly provider: PeerId;
  readonly resolve: (end: AttemptEnd) => void;
  readonly moved: (state: TaskState) => void;
  silence: () => void;
}

/** Three heartbeats of the provider, and some. */
const SILENCE = 20_000;

export class Inbox {
  readonly #clock: Clock;
  readonly #waiting = new Map<string, Set<Waiting>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Waits until a provider has done a task or failed. @param moved hears of the states on the way. */
  wait(
    provider: PeerId,
    task: TaskId,
    signal: AbortSignal,
    moved: (state: TaskState) => void,
  ): Promise<AttemptEnd> {
    return new Promise((resolve) => {
      const key = `${provider} ${task}`;
      const all = this.#waiting.get(key) ?? new Set();
      const waiting: Waiting = {
        provider,
        moved,
        silence: () => {},
        resolve: (end) => {
          waiting.silence();
          signal.removeEventListener("abort", aborted);
          all.delete(waiting);
          if (all.size === 0) this.#waiting.delete(key);
          resolve(end);
        },
      };
      const aborted = (): void => waiting.resolve({ state: "silent", reason: "given up" });
      all.add(waiting);
      this.#waiting.set(key, all);
      this.#listen(waiting);
      if (signal.aborted) aborted();
      else signal.addEventListener("abort", aborted, { once: true });
    });
  }

  /** Whether anybody waits for this task of this provider. */
  awaits(provider: PeerId, task: TaskId): boolean {
    return this.#waiting.has(`${provider} ${task}`);
  }

  /** Takes a state that a provider told; false when nobody waits for it. */
  take(provider: PeerId, state: TaskState): boolean {
    const all = this.#waiting.get(`${provider} ${state.task}`);
    if (all === undefined) return false;
    for (const waiting of [...all]) {
      if (state.state === "done" || state.state === "failed") waiting.resolve(state);
      else {
        this.#listen(waiting);
        waiting.moved(state);
      }
    }
    return true;
  }

  /** The provider can not be reached any more. */
  lost(provider: PeerId, reason: string): void {
    for (const all of [...this.#waiting.values()]) {
      for (const waiting of [...all]) {
        if (waiting.provider === provider) waiting.resolve({ state: "silent", reason });
      }
    }
  }

  #listen(waiting: Waiting): void {
    waiting.silence();
    waiting.silence = this.#clock.after(SILENCE, () =>
      waiting.resolve({ state: "silent", reason: `not heard of for ${SILENCE / 1000} s` }),
    );
  }
}
