/**
 * Children that are ready when a task comes. Who escaped from the engine would own its process; so a child that has run
 * an owner's module runs that owner's modules alone, and is killed when another owner needs its place. What an escape
 * can reach is then what its own owner sent. Fresh children are started ahead, so a first task need not wait for one.
 */
import type { Clock } from "#base/lib/clock.ts";
import { failRun, type RunOutcome, type RunTask, type TaskRunner } from "../../core/task-runner.ts";
import { WasmChild } from "./wasm-child.ts";

export interface WasmPoolOptions {
  /** Tasks that run at a time; urgent ones come on top. */
  readonly lanes: number;
  /** Children kept ready that have run nothing, once the pool is warm. */
  readonly spares?: number;
  /** Milliseconds after which an idle child is ended. Default 60,000. */
  readonly idleMs?: number;
}

interface Waiting {
  readonly start: () => void;
}

export class WasmPool implements TaskRunner {
  readonly #options: Required<WasmPoolOptions>;
  readonly #clock: Clock;
  readonly #children = new Set<WasmChild>();
  readonly #waiting: Waiting[] = [];
  readonly #idleTimers = new Map<WasmChild, () => void>();
  readonly #taken = new Set<WasmChild>();
  #running = 0;
  #warm = false;
  #closed = false;

  constructor(options: WasmPoolOptions, dependencies: { readonly clock: Clock }) {
    this.#options = { spares: 1, idleMs: 60_000, ...options };
    this.#clock = dependencies.clock;
  }

  /** Starts the spare children, and keeps that many from now on. */
  warm(): void {
    this.#warm = true;
    this.#fillSpares();
  }

  /** Resolves when every child that was started is there to take a task. */
  async ready(): Promise<void> {
    await Promise.all([...this.#children].map((child) => child.ready));
  }

  /** Children alive, for tests and status. */
  get processes(): readonly number[] {
    return [...this.#children].flatMap((child) => child.pid ?? []);
  }

  async run(task: RunTask, signal: AbortSignal): Promise<RunOutcome> {
    if (task.urgent !== true && !(await this.#lane(signal))) return failRun("cancelled", "cancelled");
    try {
      if (this.#closed || signal.aborted) return failRun("cancelled", "cancelled");
      const child = this.#take(task);
      if (child === undefined) return failRun("crashed", "no process could be started");
      try {
        return await child.run(task, signal);
      } finally {
        this.#putBack(child);
      }
    } finally {
      if (task.urgent !== true) this.#leaveLane();
    }
  }

  /** Kills everything that runs or waits. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const stop of this.#idleTimers.values()) stop();
    for (const { start } of this.#waiting.splice(0)) start();
    await Promise.all([...this.#children].map((child) => child.kill()));
    this.#children.clear();
  }

  /** Waits for a free lane; false when it was given up before. */
  #lane(signal: AbortSignal): Promise<boolean> {
    if (this.#running < this.#options.lanes) {
      this.#running++;
      return Promise.resolve(true);
    }
    return new Promise((resolve) => {
      const waiting: Waiting = {
        start: () => {
          signal.removeEventListener("abort", giveUp);
          this.#running++;
          resolve(true);
        },
      };
      const giveUp = (): void => {
        const at = this.#waiting.indexOf(waiting);
        if (at >= 0) this.#waiting.splice(at, 1);
        resolve(false);
      };
      if (signal.aborted) return resolve(false);
      signal.addEventListener("abort", giveUp, { once: true });
      this.#waiting.push(waiting);
    });
  }

  #leaveLane(): void {
    this.#running--;
    this.#waiting.shift()?.start();
  }

  /** An idle child of the same owner, one with code and inputs before others; else a fresh one, if the system gives one. */
  #take(task: RunTask): WasmChild | undefined {
    const idle = [...this.#children].filter((child) => child.usable && !this.#taken.has(child));
    const own = task.fresh === true ? [] : idle.filter((child) => child.owner === task.owner);
    const fresh = idle.find((child) => child.owner === undefined);
    const holder =
      own.find((one) => one.holds(task)) ?? own.find((one) => one.code === task.code.id) ?? own[0];
    const child = holder ?? fresh ?? this.#start();
    if (child === undefined) return undefined;
    this.#idleTimers.get(child)?.();
    this.#idleTimers.delete(child);
    this.#taken.add(child);
    child.owner = task.owner;
    this.#makeRoom(task.owner);
    if (this.#warm) this.#fillSpares();
    return child;
  }

  /** Other owners' idle children give way beyond as many as there are lanes. */
  #makeRoom(owner: string): void {
    const idle = [...this.#children].filter((child) => !this.#taken.has(child) && child.owner !== undefined);
    const others = idle.filter((child) => child.owner !== owner);
    for (const child of others.slice(0, Math.max(0, idle.length - this.#options.lanes))) this.#drop(child);
  }

  #putBack(child: WasmChild): void {
    this.#taken.delete(child);
    if (!child.usable || this.#closed) {
      this.#drop(child);
      if (this.#warm) this.#fillSpares();
      return;
    }
    this.#idleTimers.set(
      child,
      this.#clock.after(this.#options.idleMs, () => this.#drop(child)),
    );
  }

  #drop(child: WasmChild): void {
    this.#idleTimers.get(child)?.();
    this.#idleTimers.delete(child);
    this.#children.delete(child);
    void child.kill();
  }

  /** Undefined where the system has no processes, memory or descriptors left: that is no end of this process. */
  #start(): WasmChild | undefined {
    const child = WasmChild.start(this.#clock);
    if (child !== undefined) this.#children.add(child);
    return child;
  }

  #fillSpares(): void {
    if (this.#closed) return;
    for (const child of this.#children) if (child.gone) this.#children.delete(child);
    let fresh = [...this.#children].filter((child) => child.usable && child.owner === undefined).length;
    for (; fresh < this.#options.spares; fresh++) if (this.#start() === undefined) return;
  }
}
