/** Tells requesters how their tasks stand: each change at once, everything now and then. */
import type { Clock } from "#base/lib/clock.ts";
import type { Logger } from "#base/lib/logger.ts";
import type { Mesh } from "#sharing/mesh/mesh.ts";
import { COMPUTE_PROTOCOL, PROGRESS_TASKS } from "../compute-protocol.ts";
import type { Client, HostedTask, HostedTasks } from "./hosted-task.ts";

export interface TellerParts {
  readonly mesh: Mesh;
  readonly clock: Clock;
  readonly log: Logger;
  readonly tasks: HostedTasks;
  /** The requester does not know this one, or no longer wants it. */
  readonly forget: (task: HostedTask) => void;
}

const PROGRESS_TIMEOUT = 10_000;

export class ProgressTeller {
  readonly #parts: TellerParts;

  constructor(parts: TellerParts) {
    this.#parts = parts;
  }

  /** One message at a time; what changes meanwhile goes with the next. */
  tell(task: HostedTask): void {
    const client = this.#parts.tasks.client(task.requester);
    if (client === undefined) return;
    client.untold.add(task);
    this.#begin(client);
  }

  #begin(client: Client): void {
    if (client.isBeingTold) return;
    client.isBeingTold = true;
    queueMicrotask(() => {
      this.#tellAll(client)
        .catch((error: Error) => {
          this.#parts.log.error(`compute: ${error.stack ?? error.message}`);
          return false;
        })
        .then((told) => {
          client.isBeingTold = false;
          if (told && client.untold.size > 0) this.#begin(client);
        });
    });
  }

  /** False when the requester can not be reached; the next beat tells it all. */
  async #tellAll(client: Client): Promise<boolean> {
    for (;;) {
      const batch = [...client.untold].slice(0, PROGRESS_TASKS);
      if (batch.length === 0) return true;
      for (const task of batch) client.untold.delete(task);
      if (!(await this.#send(client, batch))) return false;
    }
  }

  async #send(client: Client, batch: readonly HostedTask[]): Promise<boolean> {
    const { clock, forget, mesh } = this.#parts;
    const { progress } = COMPUTE_PROTOCOL.methods;
    const request = { tasks: batch.map(({ state }) => state) };
    const options = { timeoutMs: PROGRESS_TIMEOUT };
    const answer = await mesh.call(client.peer, COMPUTE_PROTOCOL, progress, request, options);
    if (!answer.ok) return false;
    client.heard = clock.monotonic();
    // Those that were told of: the same task may have been given anew meanwhile.
    const unknown = new Set(answer.value.unknown);
    for (const task of batch) if (unknown.has(task.id)) forget(task);
    return true;
  }
}
