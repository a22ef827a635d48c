/** Another peer's tasks on this machine, by requester: their states, and who is to hear of them. */
import type { PeerId } from "#sharing/mesh/mesh.ts";
import type { TaskState } from "../compute-protocol.ts";
import type { TaskId, TaskSpec } from "../core/task.ts";

/** A task of one requester. */
export interface HostedTask {
  readonly id: TaskId;
  readonly requester: PeerId;
  readonly owner: string;
  readonly controller: AbortController;
  /** Undefined once it has ended: what is remembered of thousands is to be small. */
  spec: TaskSpec | undefined;
  state: TaskState;
  /** When it was done or failed, by the monotonic clock. */
  ended: number | undefined;
}

export function isOpen(task: HostedTask): boolean {
  return task.ended === undefined;
}

/** Somebody who has tasks here. Who has none is not remembered. */
export interface Client {
  readonly peer: PeerId;
  readonly tasks: Map<TaskId, HostedTask>;
  /** What it has not been told yet. */
  readonly untold: Set<HostedTask>;
  /** When it last said anything, or took a message of ours; by the monotonic clock. */
  heard: number;
  isBeingTold: boolean;
}

/** Tasks of one requester that are remembered, ended ones among them. */
export const MAX_KEPT_EACH = 512;
/** Those of all requesters; beyond it the first that ended is forgotten. */
export const MAX_KEPT = 4096;

export class HostedTasks {
  readonly #clients = new Map<PeerId, Client>();
  /** In the order they came. */
  readonly #all = new Set<HostedTask>();

  get size(): number {
    return this.#all.size;
  }

  clients(): readonly Client[] {
    return [...this.#clients.values()];
  }

  client(peer: PeerId): Client | undefined {
    return this.#clients.get(peer);
  }

  get(requester: PeerId, id: TaskId): HostedTask | undefined {
    return this.#clients.get(requester)?.tasks.get(id);
  }

  /** Tasks under way, of one requester or of all. */
  open(requester?: PeerId): HostedTask[] {
    const tasks = requester === undefined ? this.#all : (this.#clients.get(requester)?.tasks.values() ?? []);
    return [...tasks].filter(isOpen);
  }

  /** The first that ended, where more are remembered than may be. */
  get surplus(): HostedTask | undefined {
    if (this.#all.size < MAX_KEPT) return undefined;
    return [...this.#all].find((task) => !isOpen(task));
  }

  add(task: HostedTask, now: number): void {
    const { requester: peer } = task;
    const client = this.#clients.get(peer) ?? {
      peer,
      tasks: new Map(),
      untold: new Set(),
      heard: now,
      isBeingTold: false,
    };
    this.#clients.set(peer, client);
    client.tasks.set(task.id, task);
    this.#all.add(task);
  }

  remove(task: HostedTask): void {
    const client = this.#clients.get(task.requester);
    client?.untold.delete(task);
    if (client?.tasks.get(task.id) === task) client.tasks.delete(task.id);
    if (client?.tasks.size === 0) this.#clients.delete(task.requester);
    this.#all.delete(task);
  }
}
