/** Keeps the sharing process running: starts it, tells how it is, and starts it again when it ends by itself. */
import type { Clock } from "#base/lib/clock.ts";
import { Signal } from "#base/lib/events.ts";
import type { Logger } from "#base/lib/logger.ts";
import type { SharingControl } from "#doors/api/sharing-control.ts";
import { BoundedLog, onOneLine } from "./bounded-log.ts";
import { linkedControl } from "./link/control-link.ts";
import type { LinkLimits } from "./link/link-limits.ts";
import type { ServedMethods } from "./link/served-calls.ts";
import { Link } from "./link.ts";
import { type SharingStart, sharingStarted } from "./sharing-start.ts";
import type { SharingChild } from "./spawn-sharing.ts";

/** How the sharing process is. */
export type SupervisedState =
  | { readonly state: "running"; readonly pid: number; readonly control: SharingControl }
  | { readonly state: "starting" | "off"; readonly reason: string };

export interface SupervisorDependencies {
  readonly clock: Clock;
  readonly log: Logger;
  /** What the child brings about goes to the log that it is given. */
  readonly spawn: (log: BoundedLog) => SharingChild;
  /** What it is told at its start; the reason why it can not start now instead of it. */
  readonly start: () => SharingStart | string;
  /** What it may ask of this process; made anew for each one. */
  readonly methods: () => ServedMethods;
  /** Called when the process that was given the last {@link methods} is gone. */
  readonly gone?: () => void;
  readonly limits?: Partial<LinkLimits>;
}

/** Milliseconds until the first new start; doubled for each that fails, up to the longest. */
const FIRST_DELAY = 250;
const LONGEST_DELAY = 30_000;
/** Who ran so long, ms, has started well: the delays begin anew. */
const PROVEN = 60_000;
/** Longest that a start may take, and a stop, ms. */
const START_PATIENCE = 60_000;
const STOP_PATIENCE = 10_000;
/** Characters of why it ended that are told. */
const MAX_REASON = 500;

interface Process {
  readonly child: SharingChild;
  readonly link: Link;
  readonly startedAt: number;
}

export class Supervisor {
  /** Tells of every change of {@link state}. */
  readonly changed = new Signal<SupervisedState>();
  readonly #parts: SupervisorDependencies;
  /** One for all that are started: who begins anew gets no new room in the log. */
  readonly #childLog: BoundedLog;
  #state: SupervisedState = { state: "off", reason: "it was not started" };
  #process: Process | undefined;
  #delay = FIRST_DELAY;
  #restarts = 0;
  #cancelRestart: (() => void) | undefined;
  #wanted = false;
  /** Calls of {@link stop} under way: what ends meanwhile was asked to, and the last of them starts what is wanted. */
  #stopping = 0;
  #ended: Promise<void> = Promise.resolve();

  constructor(parts: SupervisorDependencies) {
    this.#parts = parts;
    this.#childLog = new BoundedLog(parts.log, parts.clock);
  }

  get state(): SupervisedState {
    return this.#state;
  }

  /** How often it was started again since it ended by itself. */
  get restarts(): number {
    return this.#restarts;
  }

  /** Starts it, or tells why not; again when what it needs has come (an unlocked wallet). */
  start(): void {
    this.#wanted = true;
    if (this.#stopping > 0 || this.#process !== undefined || this.#cancelRestart !== undefined) return;
    this.#launch();
  }

  /** Ends it and waits until it has ended. */
  async stop(reason = "it was stopped"): Promise<void> {
    this.#wanted = false;
    this.#cancelRestart?.();
    this.#cancelRestart = undefined;
    this.#stopping++;
    await this.#end();
    this.#stopping--;
    if (this.#stopping > 0) return;
    this.#set({ state: "off", reason });
    // Somebody wanted it again meanwhile.
    if (this.#wanted) this.#launch();
  }

  async #end(): Promise<void> {
    const { child, link } = this.#process ?? {};
    if (child !== undefined && link !== undefined) {
      // Asked in order first: it writes down what it holds. The link's end ends it too.
      const asked = link.call("stop", null, AbortSignal.timeout(STOP_PATIENCE));
      const late = this.#after(STOP_PATIENCE);
      await Promise.race([child.ended, asked.then(() => child.ended), late.promise]);
      late.cancel();
      child.kill("SIGKILL");
    }
    await this.#ended;
  }

  #launch(): void {
    try {
      const start = this.#parts.start();
      if (typeof start === "string") {
        this.#set({ state: "off", reason: start });
        return;
      }
      this.#set({ state: "starting", reason: this.#restarts === 0 ? "it starts" : "it starts again" });
      this.#run(this.#parts.spawn(this.#childLog), start);
    } catch (error) {
      // The system has no processes, descriptors or disk left: the ledger goes on, and this is tried again.
      this.#again(`it could not be started: ${(error as Error).message}`);
    }
  }

  #run(child: SharingChild, start: SharingStart): void {
    const log = this.#childLog;
    const { clock } = this.#parts;
    const link = new Link(child.pipe, this.#parts.methods(), { clock, log }, this.#parts.limits);
    const running: Process = { child, link, startedAt: clock.monotonic() };
    this.#process = running;
    const why = Promise.race([link.closed, child.ended]);
    // Whoever broke the link has no business any more.
    void link.closed.then(() => child.kill("SIGKILL"));
    void child.ended.then((how) => link.close(how));
    this.#ended = Promise.all([why, child.ended]).then(([reason, how]) => this.#over(running, reason, how));
    void this.#introduce(running, start);
  }

  async #introduce(running: Process, start: SharingStart): Promise<void> {
    const { child, link } = running;
    const outcome = await link.call("start", start, AbortSignal.timeout(START_PATIENCE));
    if (this.#process !== running || link.isClosed) return;
    const reply = sharingStarted.safeParse(outcome.ok ? outcome.value : undefined);
    if (!reply.success) {
      link.close(outcome.ok ? "it answered its start with nonsense" : outcome.text);
    } else if (!reply.data.ok) {
      link.close(reply.data.reason);
    } else {
      this.#parts.log.info(`The sharing process runs (${child.pid})`);
      this.#set({ state: "running", pid: child.pid, control: linkedControl(link) });
    }
  }

  #over(running: Process, reason: string, how: string): void {
    if (this.#process !== running) return;
    this.#process = undefined;
    this.#parts.gone?.();
    if (!this.#wanted || this.#stopping > 0) return;
    const { clock } = this.#parts;
    if (clock.monotonic() - running.startedAt >= PROVEN) this.#delay = FIRST_DELAY;
    this.#again(reason === how ? reason : `${reason}; ${how}`);
  }

  /** Starts it again after a while. */
  #again(why: string): void {
    const { clock, log } = this.#parts;
    const text = onOneLine(why, MAX_REASON);
    log.warn(`The sharing process ended: ${text}. It starts again in ${this.#delay / 1000} s.`);
    this.#set({ state: "starting", reason: `it ended (${text}) and starts again` });
    this.#cancelRestart = clock.after(this.#delay, () => {
      this.#cancelRestart = undefined;
      this.#restarts++;
      this.#launch();
    });
    this.#delay = Math.min(LONGEST_DELAY, this.#delay * 2);
  }

  #set(state: SupervisedState): void {
    this.#state = state;
    void this.changed.emit(state);
  }

  #after(delay: number): { promise: Promise<void>; cancel: () => void } {
    const { promise, resolve } = Promise.withResolvers<void>();
    return { promise, cancel: this.#parts.clock.after(delay, resolve) };
  }
}
