/** A kind of job together with one job's settings, so that who runs jobs need not know what the settings are. */

import type { Random } from "#base/lib/random.ts";
import type {
  Challenge,
  ContentSink,
  Evidence,
  FinishedTask,
  JobFile,
  JobKind,
  OutputFile,
  PlannedTask,
  Rerun,
  SplitResult,
  Verdict,
} from "./job-kind.ts";
import type { JobKindName } from "./job-shape.ts";

export interface BoundKind {
  readonly name: JobKindName;
  readonly reuses: boolean;
  split(files: readonly JobFile[], contents: ContentSink): Promise<SplitResult>;
  malformed(task: PlannedTask, output: Uint8Array, leafCount: number): string | undefined;
  challenge(task: PlannedTask, random: Random): Challenge | undefined;
  verify(task: PlannedTask, evidence: Evidence, challenge: Challenge, rerun: Rerun): Promise<Verdict>;
  preview(task: PlannedTask, output: Uint8Array): Uint8Array | undefined;
  assemble(tasks: readonly FinishedTask[]): AsyncIterable<OutputFile>;
}

/** Binds settings as they were kept or given; undefined when they do not fit the kind. */
export type KindBinder = (settings: unknown) => BoundKind | undefined;

export function kindBinder<S>(kind: JobKind<S>): KindBinder {
  return (given) => {
    const parsed = kind.settings.safeParse(given);
    if (!parsed.success) return undefined;
    const settings = parsed.data;
    return {
      name: kind.name,
      reuses: kind.reuses,
      split: (files, contents) => kind.split(settings, files, contents),
      malformed: (task, output, leafCount) => kind.malformed(settings, task, output, leafCount),
      challenge: (task, random) => kind.challenge(settings, task, random),
      verify: (task, evidence, challenge, rerun) => kind.verify(settings, task, evidence, challenge, rerun),
      preview: (task, output) => kind.preview?.(settings, task, output),
      assemble: (tasks) => kind.assemble(settings, tasks),
    };
  };
}
