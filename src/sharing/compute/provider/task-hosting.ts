/**
 * Other peers' tasks on their way through this machine: fetched, queued, run on a free lane, committed to, and kept until
 * their verdict; whoever they are for hears of each step.
 */
import type { Clock } from "#base/lib/clock.ts";
import type { Logger } from "#base/lib/logger.ts";
import type { ContentFetcher, ContentStore } from "#sharing/content/content.ts";
import type { Mesh, PeerId, RequestContext } from "#sharing/mesh/mesh.ts";
import type { TaskState } from "../compute-protocol.ts";
import { commitTo } from "../core/commitment.ts";
import type { ContentRef, TaskId, TaskSpec } from "../core/task.ts";
import { failRun, type RunFailureCode, type RunOutcome, type TaskRunner } from "../core/task-runner.ts";
import { type HostedTask, HostedTasks, isOpen } from "./hosted-task.ts";
import { ProgressTeller } from "./progress-teller.ts";
import { type CachedResult, ResultCache } from "./result-cache.ts";
import { TaskContents } from "./task-contents.ts";
import { Turns } from "./turns.ts";

export interface HostingOptions {
  readonly lanes: number;
  /** Results kept. */
  readonly cacheBytes: number;
}

export interface HostingParts {
  readonly mesh: Mesh;
  readonly store: ContentStore;
  readonly fetcher: ContentFetcher;
  readonly runner: TaskRunner;
  readonly clock: Clock;
  readonly log: Logger;
  /** Whether tasks may begin to run. */
  readonly isOn: () => boolean;
  /** A task has a result. */
  readonly ran: () => void;
  /** What runs or is done changed. */
  readonly changed: () => void;
}

/** Milliseconds between two progress messages to who has tasks here, and how long one may stay unheard. */
const HEARTBEAT = 5_000;
const ABANDONED = 60_000;
/** How long a result waits for its verdict. */
const KEPT = 600_000;

export class TaskHosting {
  readonly tasks = new HostedTasks();
  readonly #options: HostingOptions;
  readonly #parts: HostingParts;
  readonly #contents: TaskContents;
  readonly #cache: ResultCache;
  readonly #teller: ProgressTeller;
  /** Ready to run; the requesters take turns. */
  readonly #ready = new Turns<PeerId, HostedTask>();
  #running = 0;
  #stopBeat: (() => void) | undefined;

  constructor(options: HostingOptions, parts: HostingParts) {
    this.#options = options;
    this.#parts = parts;
    this.#contents = new TaskContents(parts.store, parts.fetcher);
    this.#cache = new ResultCache(options.cacheBytes);
    this.#teller = new ProgressTeller({ ...parts, tasks: this.tasks, forget: (task) => this.forget(task) });
  }

  /** Tasks that run now. */
  get running(): number {
    return this.#running;
  }

  /** Tasks that wait for a lane. */
  get waiting(): number {
    return this.#ready.size;
  }

  /** Whether what is known of a task is worth telling: it is under way, or its result is here. */
  isGood(task: HostedTask): boolean {
    return isOpen(task) || this.resultOf(task) !== undefined;
  }

  /** The result of a task that is done, unless it had to make room. */
  resultOf(task: HostedTask | undefined): CachedResult | undefined {
    return task?.state.state === "done" ? this.#cache.get(task.id) : undefined;
  }

  /** Takes a task that this provider has room for; its state. */
  take(id: TaskId, spec: TaskSpec, from: RequestContext): TaskState {
    const task: HostedTask = {
      id,
      spec,
      requester: from.peer,
      owner: from.account,
      controller: new AbortController(),
      state: { task: id, state: "fetching" },
      ended: undefined,
    };
    this.forget(this.tasks.surplus);
    this.tasks.add(task, this.#parts.clock.monotonic());
    this.#contents.pin(spec);
    this.#beat();
    const result = this.#cache.get(id);
    if (result !== undefined) this.#commit(task, result);
    else this.#begin(task, spec);
    return task.state;
  }

  /** Ends all that is under way, and tells why. */
  failAll(reason: string): void {
    for (const task of this.tasks.open()) {
      this.#fail(task, "cancelled", reason);
      task.controller.abort();
    }
  }

  close(): void {
    this.#stopBeat?.();
  }

  #begin(task: HostedTask, spec: TaskSpec): void {
    this.#contents
      .fetchAll(spec, task.requester)
      .then((reason) => {
        if (!isOpen(task)) return;
        if (reason !== undefined) return this.#fail(task, "no-input", reason);
        this.#ready.push(task.requester, task);
        this.#move(task, { task: task.id, state: "queued" });
        this.#fillLanes();
      })
      .catch((error: Error) => this.#fail(task, "no-input", error.message));
  }

  #fillLanes(): void {
    while (this.#parts.isOn() && this.#running < this.#options.lanes) {
      const task = this.#ready.next(isOpen);
      if (task === undefined) return;
      this.#running++;
      this.#move(task, { task: task.id, state: "running" });
      this.#parts.changed();
      this.#run(task)
        .catch((error: Error) => {
          this.#parts.log.error(`compute: task ${task.id}: ${error.stack ?? error.message}`);
          this.#fail(task, "crashed", "internal");
        })
        .finally(() => {
          this.#running--;
          this.#parts.changed();
          this.#fillLanes();
        });
    }
  }

  async #run(task: HostedTask): Promise<void> {
    // The same task of another requester may have ended meanwhile.
    const known = this.#cache.get(task.id);
    if (known !== undefined) return this.#commit(task, known);
    const outcome = await this.#execute(task);
    if (!isOpen(task)) return;
    if (outcome.ok) this.#commit(task, this.#cache.put(task.id, outcome.value));
    else this.#fail(task, outcome.failure.code, outcome.failure.text);
  }

  #execute({ spec, owner, controller }: HostedTask): Promise<RunOutcome> {
    if (spec === undefined || controller.signal.aborted) {
      return Promise.resolve(failRun("cancelled", "cancelled"));
    }
    const content = ({ id, length }: ContentRef) => ({ id, bytes: () => this.#parts.store.read(id, length) });
    const { params, seed, limits } = spec;
    const [code, inputs] = [content(spec.code), spec.inputs.map(content)];
    return this.#parts.runner.run({ owner, code, inputs, params, seed, limits }, controller.signal);
  }

  #commit(task: HostedTask, result: CachedResult): void {
    this.#parts.ran();
    const { leafLength, output, tree } = result;
    const commitment = { ...commitTo(this.#parts.mesh.self, task.id, output, tree), leafLength };
    this.#end(task, { task: task.id, state: "done", commitment });
  }

  #fail(task: HostedTask, code: RunFailureCode, text: string): void {
    this.#end(task, { task: task.id, state: "failed", failure: { code, text: text.slice(0, 200) } });
  }

  #end(task: HostedTask, state: TaskState): void {
    if (!isOpen(task)) return;
    this.#close(task);
    this.#move(task, state);
    this.#parts.changed();
  }

  /** It is over: nothing of it is needed any more but its state. */
  #close(task: HostedTask): void {
    task.ended = this.#parts.clock.monotonic();
    if (task.spec !== undefined) this.#contents.unpin(task.spec);
    task.spec = undefined;
    this.#ready.remove(task.requester, task);
  }

  #move(task: HostedTask, state: TaskState): void {
    task.state = state;
    this.#teller.tell(task);
  }

  /** Removes a task; what runs of it is killed. */
  forget(task: HostedTask | undefined): void {
    if (task === undefined) return;
    if (isOpen(task)) {
      this.#close(task);
      task.state = { task: task.id, state: "failed", failure: { code: "cancelled", text: "cancelled" } };
    }
    task.controller.abort();
    this.tasks.remove(task);
  }

  /** Tells every requester all of its tasks now and then, and lets go of those that are gone; as long as there are any. */
  #beat(): void {
    this.#stopBeat ??= this.#parts.clock.after(HEARTBEAT, () => {
      this.#stopBeat = undefined;
      const now = this.#parts.clock.monotonic();
      for (const { heard, tasks } of this.tasks.clients()) {
        for (const task of [...tasks.values()]) {
          const isKept = task.ended === undefined || now - task.ended <= KEPT;
          if (isKept && now - heard <= ABANDONED) this.#teller.tell(task);
          else this.forget(task);
        }
      }
      if (this.tasks.size > 0) this.#beat();
    });
  }
}
