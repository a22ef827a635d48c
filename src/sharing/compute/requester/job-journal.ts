/** What one job's journal says of its tasks: each thing that happens is on disk before it counts, and is read back. */
import type { PeerId } from "#sharing/mesh/mesh.ts";
import { type JobFolder, type JournalRecord, MAX_NAME } from "./job-store.ts";
import type { JobState } from "./job-view.ts";
import type { TaskRun } from "./task-run.ts";

export interface JournalParts {
  readonly files: JobFolder;
  readonly tasks: readonly TaskRun[];
  /** What a provider is called. */
  readonly nameOf: (peer: PeerId) => string;
}

/** How a job ended. */
export interface JobEnd {
  readonly state: JobState & ("done" | "failed" | "cancelled");
  readonly reason: string | undefined;
  /** Milliseconds since 1970. */
  readonly time: number;
}

const REASON = 300;

/**
 * Brings tasks to where a journal ends. How the job ended, where it has.
 * @param nameOf what a provider is called whose name is not in the journal
 */
export function replayJournal(
  history: readonly JournalRecord[],
  tasks: readonly TaskRun[],
  nameOf: (peer: PeerId) => string,
): JobEnd | undefined {
  let end: JobEnd | undefined;
  for (const record of history) {
    if (record.type === "attempt") {
      tasks[record.task]?.attempts.push({ provider: record.provider, outcome: record.outcome });
    } else if (record.type === "verified") {
      const { provider: peer, name = nameOf(peer), milliseconds } = record;
      Object.assign(tasks[record.task]!, { state: "verified", provider: { peer, name }, milliseconds });
    } else if (record.type === "lost") tasks[record.task]!.state = "lost";
    else if (record.type === "ended") {
      const { state, time, reason } = record;
      end = { state, time, reason: reason === "" ? undefined : reason };
    }
  }
  return end;
}

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
    const { files, nameOf, tasks } = this.#parts;
    for (const record of files.history) if (record.type === "verified") this.#spentMsat += record.msat;
    return replayJournal(files.history, tasks, nameOf);
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
    const kept = name.slice(0, MAX_NAME);
    await this.#append({ type: "verified", task: index, provider: peer, name: kept, milliseconds, msat });
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
