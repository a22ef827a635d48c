/**
 * Has jobs done by others and by this machine: takes a job, splits it, keeps it on disk, and runs it to its end, over
 * any number of restarts.
 */
import { basename } from "node:path";
import { toHex } from "#base/lib/bytes.ts";
import type { Clock } from "#base/lib/clock.ts";
import { Signal } from "#base/lib/events.ts";
import type { Logger } from "#base/lib/logger.ts";
import type { Random } from "#base/lib/random.ts";
import type { Disk } from "#base/store/disk.ts";
import { errorCode } from "#base/store/disk-error.ts";
import type { ContentId, ContentStore } from "#sharing/content/content.ts";
import type { Deals } from "#sharing/deals/deal.ts";
import { decodeCbor, encodeCbor } from "#sharing/mesh/cbor.ts";
import type { Mesh, PeerId, RequestContext } from "#sharing/mesh/mesh.ts";
import { accept, type Outcome } from "#sharing/mesh/protocol.ts";
import type { TaskState } from "../compute-protocol.ts";
import { ContentPins } from "../content-pins.ts";
import type { BoundKind, KindBinder } from "../core/bound-kind.ts";
import type { JobFile, JobPlan } from "../core/job-kind.ts";
import type { JobKindName } from "../core/job-shape.ts";
import { type ContentRef, TASK_MAXIMA, type TaskId } from "../core/task.ts";
import type { TaskRunner } from "../core/task-runner.ts";
import { Inbox } from "./inbox.ts";
import { JobArchive } from "./job-archive.ts";
import { JobRun } from "./job-run.ts";
import { type JobRecord, JobStore } from "./job-store.ts";
import type { JobEvent, JobQuery, JobView } from "./job-view.ts";
import { Lanes } from "./lanes.ts";
import { namesIn, SelfWorker } from "./self-worker.ts";
import { TrackRecords } from "./track-record.ts";

export interface RequesterOptions {
  /** Tasks that this machine does at a time for its own jobs; 0: it checks, and works only when nobody else does. */
  readonly lanes: number;
  /** Checks at a time. Default 1: each takes milliseconds, and each lane a process that holds the inputs. */
  readonly checks?: number;
  readonly arch: string;
}

export interface RequesterParts {
  readonly mesh: Mesh;
  readonly deals: Deals;
  readonly store: ContentStore;
  readonly runner: TaskRunner;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly disk: Disk;
  /** `sharing/jobs`. */
  readonly folder: string;
  readonly kinds: Readonly<Record<JobKindName, KindBinder>>;
}

/** What bounds a job beside its tasks' limits. */
export interface JobOptions {
  /** Millisatoshi for the whole job, and for one task; 0 unless told: friends alone. */
  readonly budgetMsat?: number;
  readonly taskMsat?: number;
  /** Seconds after which the job fails. */
  readonly deadlineSeconds?: number;
}

export type JobResult<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly reason: string };

export class Requester {
  /** Jobs, tasks and cheats as they happen. */
  readonly events = new Signal<JobEvent>();
  readonly #options: Required<RequesterOptions>;
  readonly #parts: RequesterParts;
  /** Jobs under way; what has ended is in the archive. */
  readonly #jobs = new Map<string, JobRun>();
  /** When each of them has ended and is put away. */
  readonly #endings = new Map<string, Promise<void>>();
  readonly #store: JobStore;
  readonly #archive: JobArchive;
  readonly #inbox: Inbox;
  readonly #pins: ContentPins;
  readonly #records: TrackRecords;
  readonly #self: SelfWorker;
  readonly #checks: Lanes;
  readonly #stopFollowing: () => void;

  private constructor(
    options: RequesterOptions,
    parts: RequesterParts,
    { records, store, archive }: { records: TrackRecords; store: JobStore; archive: JobArchive },
  ) {
    this.#options = { checks: 1, ...options };
    this.#parts = parts;
    this.#records = records;
    this.#store = store;
    this.#archive = archive;
    this.#inbox = new Inbox(parts.clock);
    this.#pins = new ContentPins(parts.store);
    this.#self = new SelfWorker({ ...parts, ...options });
    this.#checks = new Lanes(this.#options.checks);
    this.#stopFollowing = parts.mesh.changed.on(({ kind, view, reason }) => {
      if (kind === "disconnected" || kind === "banned") this.#inbox.lost(view.peer, reason ?? "disconnected");
      for (const job of this.#jobs.values()) job.wake();
    });
  }

  /** Opens the jobs on disk; those that have not ended go on. Serving the protocol is {@link serveCompute}'s. */
  static async open(options: RequesterOptions, parts: RequesterParts): Promise<Requester> {
    await parts.disk.files.makeDirectory(parts.folder);
    const records = await TrackRecords.open(parts.disk, parts.folder);
    const { disk, log } = parts;
    const store = new JobStore(disk, parts.folder);
    const { archive, unread } = await JobArchive.open({ disk, log, store, nameOf: namesIn(parts.mesh) });
    const requester = new Requester(options, parts, { records, store, archive });
    for (const id of unread) {
      await requester.#reopen(id).catch(async (error: Error) => {
        if (errorCode(error) !== undefined) throw error;
        // One damaged job must not keep the others, and everything else of the process, from starting.
        log.error(`compute: job ${id} cannot be read and is left aside: ${error.message}`);
        await archive.leaveAside(id, error.message);
      });
    }
    return requester;
  }

  /** Goes on with what had not ended. Call it when the protocol is served. */
  resume(): void {
    for (const job of this.#jobs.values()) if (!job.over) this.#begin(job);
  }

  async #reopen(id: string): Promise<void> {
    const read = await this.#store.read(id);
    if (read === undefined) return await this.#archive.leaveAside(id, "it is missing");
    const { record, files } = read;
    const kind = this.#parts.kinds[record.kind](decodeCbor(record.settings));
    if (kind === undefined) {
      this.#parts.log.warn(`compute: job ${id} has settings that this version does not know`);
      await files.close();
      return await this.#archive.leaveAside(id);
    }
    const job = this.#newRun(id, record, kind, files);
    if (!job.over) return;
    await files.removeResults();
    await files.close();
    await this.#putAway(job);
  }

  #newRun(
    id: string,
    record: JobRecord,
    kind: BoundKind,
    files: ConstructorParameters<typeof JobRun>[3],
  ): JobRun {
    const job = new JobRun(id, record, kind, files, {
      ...this.#parts,
      inbox: this.#inbox,
      records: this.#records,
      self: this.#self,
      nameOf: namesIn(this.#parts.mesh),
      selfWorks: this.#options.lanes > 0,
      emit: (event) => void this.events.emit(event),
      caught: (peer) => this.#caught(peer),
      checking: (action) => this.#checks.run(action),
    });
    this.#jobs.set(id, job);
    this.#archive.begun(id, record.created);
    return job;
  }

  #begin(job: JobRun): void {
    const contents = contentsOf(job.record);
    this.#pins.pin(contents);
    void job.ended.then(() => this.#pins.unpin(contents));
    const ending = job.closed.then(async (isKept) => {
      // What is not on disk as it ended is kept in memory as it did.
      if (isKept) await this.#putAway(job);
      this.#endings.delete(job.id);
    });
    this.#endings.set(job.id, ending);
    job.start();
  }

  async #putAway(job: JobRun): Promise<void> {
    try {
      await this.#archive.ended(job.view());
      this.#jobs.delete(job.id);
    } catch (error) {
      this.#parts.log.warn(`compute: job ${job.id} is not in the index: ${(error as Error).message}`);
    }
  }

  #caught(peer: PeerId): void {
    for (const job of this.#jobs.values()) if (!job.over) job.shun(peer);
  }

  /**
   * Takes a job. It is on disk when this resolves, and goes on whatever happens to this process.
   * @param paths files of this machine: a scene, or a module and its inputs.
   */
  async submit(
    kindName: JobKindName,
    settings: unknown,
    paths: readonly string[],
    options: JobOptions = {},
  ): Promise<JobResult<JobView>> {
    const kind = this.#parts.kinds[kindName](settings);
    if (kind === undefined) return { ok: false, reason: "settings that do not fit" };
    // Adding pins; the job's own pins take over when it begins.
    const added: ContentId[] = [];
    try {
      const split = await this.#split(kind, paths, added);
      if (!split.ok) return split;
      const record = this.#recordOf(kind, settings, split.plan, options);
      const id = toHex(record.order);
      const job = this.#newRun(id, record, kind, await this.#store.create(id, record));
      this.#begin(job);
      return { ok: true, value: job.view() };
    } catch (error) {
      if (errorCode(error) === undefined) throw error;
      return { ok: false, reason: `the job can not be kept: ${(error as Error).message}` };
    } finally {
      for (const id of added) this.#parts.store.unpin(id);
    }
  }

  async #split(
    kind: BoundKind,
    paths: readonly string[],
    added: ContentId[],
  ): Promise<{ ok: true; plan: JobPlan } | { ok: false; reason: string }> {
    const add = async (bytes: Uint8Array): Promise<ContentRef> => {
      const ref = await this.#parts.store.add(bytes);
      added.push(ref.id);
      return ref;
    };
    const files: JobFile[] = [];
    for (const path of paths) {
      const file = await this.#jobFile(path, add);
      if (typeof file === "string") return { ok: false, reason: file };
      files.push(file);
    }
    try {
      return await kind.split(files, { add });
    } catch (error) {
      // A file that can not be read after all, or a store that is full, is the user's to know.
      this.#parts.log.warn(`compute: a job was not taken: ${(error as Error).message}`);
      return { ok: false, reason: (error as Error).message };
    }
  }

  #recordOf(kind: BoundKind, settings: unknown, plan: JobPlan, options: JobOptions): JobRecord {
    const { budgetMsat, taskMsat, deadlineSeconds } = options;
    const created = this.#parts.clock.now();
    return {
      kind: kind.name,
      title: plan.title,
      created,
      order: this.#parts.random.fill(new Uint8Array(16)),
      settings: encodeCbor(settings),
      tasks: [...plan.tasks],
      ...(budgetMsat === undefined ? {} : { budgetMsat }),
      ...(taskMsat === undefined ? {} : { taskMsat }),
      ...(deadlineSeconds === undefined ? {} : { deadline: created + 1000 * deadlineSeconds }),
    };
  }

  /** A file of the user's, or why there is none. */
  async #jobFile(path: string, add: (bytes: Uint8Array) => Promise<ContentRef>): Promise<JobFile | string> {
    const { files } = this.#parts.disk;
    const name = basename(path);
    try {
      const stat = await files.stat(path);
      if (stat === undefined) return `${path}: no such file`;
      if (stat.isDirectory) return `${path}: is a directory`;
      const bytes = (): Promise<Uint8Array> => files.readFile(path, TASK_MAXIMA.inputBytes);
      const content = async (): Promise<ContentRef> => add(await bytes());
      return { name, length: stat.size, bytes, content };
    } catch (error) {
      if (errorCode(error) === undefined) throw error;
      return `${path}: ${(error as Error).message}`;
    }
  }

  /** A page of all jobs, the newest first. Of those that have ended without their tasks. */
  jobs(query: JobQuery): Promise<readonly JobView[]> {
    return this.#archive.page(query, (id) => this.#jobs.get(id)?.view());
  }

  /** Jobs under way, the newest first, and those that ended just now. */
  underWay(): readonly JobView[] {
    return [...this.#jobs.values()].map((job) => job.view()).sort((a, b) => b.created - a.created);
  }

  /** By its id, or the start of it where that names one alone. */
  async job(start: string): Promise<JobResult<JobView>> {
    const id = this.#archive.find(start);
    const view = id && (this.#jobs.get(id)?.view() ?? (await this.#archive.view(id)));
    return view ? { ok: true, value: view } : { ok: false, reason: `no job ${start}` };
  }

  /** Ends a job; what came out of it stays. One that has ended stays as it is. */
  async cancel(start: string): Promise<JobResult<JobView>> {
    const job = this.#jobs.get(this.#archive.find(start) ?? "");
    if (job === undefined) {
      const found = await this.job(start);
      if (!found.ok || found.value.state !== "waiting") return found;
      return { ok: false, reason: `${found.value.reason}; it can be removed` };
    }
    await job.cancel();
    return { ok: true, value: job.view() };
  }

  /** Removes a job that has ended, with its folder and all that is in it. The job as it was. */
  async remove(start: string): Promise<JobResult<JobView>> {
    const found = await this.job(start);
    if (!found.ok) return found;
    const { outputs: _, ...view } = found.value;
    const { id } = view;
    const run = this.#jobs.get(id);
    if (run !== undefined && !run.over)
      return { ok: false, reason: `job ${id} is under way: cancel it first` };
    // Its last receipts are still recorded in its folder, and it is put into the index.
    await this.#endings.get(id);
    const failure = await this.#archive.remove(id);
    if (this.#archive.find(id) === undefined) {
      this.#jobs.delete(id);
      void this.events.emit({ type: "job-removed", job: id });
    }
    if (failure !== undefined) return { ok: false, reason: `job ${id} is not removed: ${failure}` };
    return { ok: true, value: view };
  }

  /** Resolves when the job has ended. */
  async ended(start: string): Promise<JobView | undefined> {
    const run = this.#jobs.get(this.#archive.find(start) ?? "");
    await run?.ended;
    if (run !== undefined) return run.view();
    const found = await this.job(start);
    return found.ok ? found.value : undefined;
  }

  /** Ends with the process; jobs go on at the next start. */
  async close(): Promise<void> {
    this.#stopFollowing();
    await Promise.all([...this.#jobs.values()].filter((job) => !job.over).map((job) => job.suspend()));
    await this.#archive.close();
  }

  /** From a provider: how its tasks of ours stand. */
  progress(
    { tasks }: { readonly tasks: readonly TaskState[] },
    from: RequestContext,
  ): Outcome<{ unknown: TaskId[] }> {
    // Anybody may send this: who does not work for us costs no look through the jobs.
    const worksForUs = this.#parts.deals
      .list()
      .some(
        ({ role, terms }) => role === "buyer" && terms.service === "compute" && terms.seller === from.peer,
      );
    if (!worksForUs) return accept({ unknown: tasks.map(({ task }) => task) });
    const unknown = tasks.filter(
      (state) => !this.#inbox.take(from.peer, state) && !this.#isWanted(state, from.peer),
    );
    return accept({ unknown: unknown.map(({ task }) => task) });
  }

  /** A result that is being checked is still wanted, though nobody waits for it any more. */
  #isWanted({ state, task }: TaskState, peer: PeerId): boolean {
    if (state !== "done") return false;
    return [...this.#jobs.values()].some((job) => !job.over && job.wants(task, peer));
  }
}

function contentsOf(record: JobRecord): Set<string> {
  return new Set(record.tasks.flatMap(({ spec }) => [spec.code.id, ...spec.inputs.map(({ id }) => id)]));
}
