/** What one job's journal says of its tasks: each thing that happens is on disk before it counts, and is read back. */
import type { Mesh, PeerId } from "#sharing/mesh/mesh.ts";
import type { JobFolder, JournalRecord } from "./job-store.ts";
import type { JobState } from "./job-view.ts";
import type { TaskRun } from "./task-run.ts";

export interface JournalParts {
  readonly files: JobFolder;
  readonly tasks: readonly TaskRun[];
  readonly mesh: Mesh;
  /** What this machine is called where it did a task itself. */
  readonly selfName: string;
}

/** How a job ended. */
export interface JobEnd {
  readonly state: JobState & ("done" | "failed" | "cancelled");
  readonly reason: string | undefined;
  /** Milliseconds since 1970. */
  readonly time: number;
}

const REASON = 300;

export class JobJournal {
  readonly #parts: JournalParts;
  #spentMsat = 0;
  #closed = false;

  constructor(parts: JournalParts) {
    this.#parts = parts;
  }

  /** Msat of the tasks that are verified. */
  get spentMsat(): number {
    return this.#spentMsat;
  }

  /** Brings the tasks to where the journal ends. How the job ended, where it has. */
  replay(): JobEnd | undefined {
    const { files, tasks } = this.#parts;
    let end: JobEnd | undefined;
    for (const record of files.history) {
      if (record.type === "attempt") {
        tasks[record.task]?.attempts.push({ provider: record.provider, outcome: record.outcome });
      } else if (record.type === "verified") this.#replayVerified(record);
      else if (record.type === "lost") tasks[record.task]!.state = "lost";
      else if (record.type === "ended") {
        const { state, time, reason } = record;
        end = { state, time, reason: reason === "" ? undefined : reason };
      }
    }
    return end;
  }

  #replayVerified(record: JournalRecord & { type: "verified" }): void {
    const task = this.#parts.tasks[record.task]!;
    task.state = "verified";
    task.provider = { peer: record.provider, name: this.nameOf(record.provider) };
    task.milliseconds = record.milliseconds;
    this.#spentMsat += record.msat;
  }

  nameOf(peer: PeerId): string {
    const { mesh, selfName } = this.#parts;
    return peer === mesh.self ? selfName : (mesh.view(peer)?.name ?? "");
  }

  /** Results that were found right just before the last end of the process, and not receipted. */
  get leftOvers(): readonly (JournalRecord & { type: "settling" })[] {
    const { files, tasks } = this.#parts;
    return files.history.filter(
      (record) => record.type === "settling" && !tasks[record.task]!.ended,
    ) as never;
  }

  /** Nothing is written any more: what this process still hears of the job counts for nothing. */
  close(): Promise<void> {
    this.#closed = true;
    return this.#parts.files.close();
  }

  #append(record: JournalRecord): Promise<void> {
    return this.#closed ? Promise.resolve() : this.#parts.files.append(record);
  }

  /** What came of an attempt. */
  note(task: TaskRun, provider: PeerId, outcome: string): Promise<void> {
    const kept = outcome.slice(0, REASON);
    task.attempts.push({ provider, outcome: kept });
    return this.#append({ type: "attempt", task: task.index, provider, outcome: kept });
  }

  lost(task: TaskRun, reason: string): Promise<void> {
    task.state = "lost";
    return this.#append({ type: "lost", task: task.index, reason: reason.slice(0, REASON) });
  }

  cheat(provider: PeerId, reason: string): Promise<void> {
    return this.#append({ type: "cheat", provider, reason: reason.slice(0, REASON) });
  }

  /** A receipt is asked for now: a restart asks again, which is one receipt. */
  settling(record: Omit<JournalRecord & { type: "settling" }, "type">): Promise<void> {
    return this.#append({ type: "settling", ...record });
  }

  /** On disk first, then known. */
  async verified(
    task: TaskRun,
    provider: { readonly peer: PeerId; readonly name: string },
    milliseconds: number,
    msat: number,
  ): Promise<void> {
    const { index } = task;
    const { peer, name } = provider;
    await this.#append({ type: "verified", task: index, provider: peer, milliseconds, msat });
    this.#spentMsat += msat;
    task.state = "verified";
    task.held = [];
    task.provider = { peer, name };
    task.milliseconds = milliseconds;
  }

  ended({ state, reason, time }: JobEnd): Promise<void> {
    return this.#append({ type: "ended", state, reason: (reason ?? "").slice(0, 1000), time });
  }
}
