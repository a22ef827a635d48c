/** A job as people and programs see it, from what is on disk of it. */
import type { PeerId } from "#sharing/mesh/mesh.ts";
import type { PlannedTask } from "../core/job-kind.ts";
import { replayJournal } from "./job-journal.ts";
import type { JobRecord, JournalRecord } from "./job-store.ts";
import type { JobState, JobView } from "./job-view.ts";
import { TaskRun } from "./task-run.ts";

export interface JobStand {
  readonly state: JobState;
  readonly finished: number | undefined;
  readonly reason: string | undefined;
}

/** The view of a job whose tasks stand as they do. @param folder the job's */
export function viewOf(
  id: string,
  { kind, title, created }: JobRecord,
  tasks: readonly TaskRun[],
  folder: string,
  { state, finished, reason }: JobStand,
): JobView {
  return {
    id,
    kind,
    title,
    state,
    created,
    tasks: tasks.map((task) => task.view()),
    counts: { total: tasks.length, verified: tasks.filter(({ state }) => state === "verified").length },
    outputs: folder,
    ...(finished === undefined ? {} : { finished }),
    ...(reason === undefined ? {} : { reason }),
  };
}

/**
 * The view of a job that does not run.
 * @param nameOf what a provider is called whose name is not in the journal
 * @param why it does not go on, where it has not ended
 */
export function storedView(
  id: string,
  { record, journal }: { readonly record: JobRecord; readonly journal: readonly JournalRecord[] },
  folder: string,
  nameOf: (peer: PeerId) => string,
  why: string,
): JobView {
  const tasks = record.tasks.map((task, index) => new TaskRun(index, task as PlannedTask));
  const end = replayJournal(journal, tasks, nameOf);
  return viewOf(id, record, tasks, folder, {
    state: end?.state ?? "waiting",
    finished: end?.time,
    reason: end === undefined ? why : end.reason,
  });
}

/** The view of a folder whose record nobody can read: all that can be done with it is to remove it. */
export function unreadableView(id: string, folder: string, reason: string): JobView {
  const counts = { total: 0, verified: 0 };
  return {
    ...{ id, kind: "unknown", title: id, state: "failed", created: 0, tasks: [], counts },
    outputs: folder,
    reason: `its record cannot be read: ${reason}`.slice(0, 1000),
  };
}
