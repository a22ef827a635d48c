/**
 * Jobs on disk, a folder each: `job` (what was asked, written once), `journal` (what happened, appended and synced
 * record by record), `.task-<i>` (a result, before it is paid), and what comes out. A torn end of the journal is
 * cut off at the next start: nothing that was acknowledged lies in it.
 *
 * A job that is removed is first renamed to `<id>.removed`; the next start finishes what an end of the process cut off.
 */
import { join } from "node:path";
import { z } from "zod";
import { sha256 } from "#base/crypto/sha256.ts";
import { concatBytes, equalBytes, readU32, writeU32 } from "#base/lib/bytes.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import type { Disk } from "#base/store/disk.ts";
import { errorCode } from "#base/store/disk-error.ts";
import type { OpenFile } from "#base/store/file-system.ts";
import { readIfThere, removeIfThere, writeAtomically } from "#base/store/write-atomically.ts";
import { decodeCbor, encodeCbor } from "#sharing/mesh/cbor.ts";
import { bytesOf, bytesUpTo, hexOf, integer, peerIdText, textUpTo } from "#sharing/mesh/schema.ts";
import { type TaskSpec, taskSpec } from "../core/task.ts";

/** The settings are the kind's own business; they come back as they went. */
const plannedTask = z.strictObject({
  spec: taskSpec as z.ZodType<TaskSpec>,
  tile: z.strictObject({ x: integer(0), y: integer(0), width: integer(1), height: integer(1) }).optional(),
  label: z.string().optional(),
});

const jobRecord = z.strictObject({
  kind: z.enum(["render", "wasm"]),
  title: z.string(),
  /** Milliseconds since 1970. */
  created: integer(0),
  /** Goes into every receipt: 16 random bytes. */
  order: bytesOf(16),
  settings: bytesUpTo(2 ** 20),
  tasks: z.array(plannedTask),
  /** Millisatoshi for all tasks at most, and for one. */
  budgetMsat: integer(0).optional(),
  taskMsat: integer(0).optional(),
  /** Milliseconds since 1970 after which the job fails. */
  deadline: integer(0).optional(),
});
export type JobRecord = z.infer<typeof jobRecord>;

/** Longest name of a provider that is kept. */
export const MAX_NAME = 256;

const journalRecord = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("attempt"),
    task: integer(0),
    provider: peerIdText,
    outcome: textUpTo(300),
  }),
  /** The output is on disk and was found right; the receipt is asked for now. */
  z.strictObject({
    type: z.literal("settling"),
    task: integer(0),
    provider: peerIdText,
    deal: hexOf(32),
    proof: hexOf(32),
    /** SHA-256 of the result as it lies on disk. */
    outputHash: hexOf(32),
    milliseconds: integer(0),
    msat: integer(0),
  }),
  z.strictObject({
    type: z.literal("verified"),
    task: integer(0),
    provider: peerIdText,
    /** What the provider was called then. */
    name: textUpTo(MAX_NAME).optional(),
    milliseconds: integer(0),
    msat: integer(0),
  }),
  z.strictObject({ type: z.literal("lost"), task: integer(0), reason: textUpTo(300) }),
  z.strictObject({ type: z.literal("cheat"), provider: peerIdText, reason: textUpTo(300) }),
  z.strictObject({
    type: z.literal("ended"),
    state: z.enum(["done", "failed", "cancelled"]),
    reason: textUpTo(1000),
    time: integer(0),
  }),
]);
export type JournalRecord = z.infer<typeof journalRecord>;

const JOB = /^[0-9a-f]{32}$/;
const REMOVED = ".removed";

/** Bytes before each record: length and the start of its SHA-256. */
const HEAD = 8;
const MAX_RECORD = 8192;

export class JobStore {
  readonly #disk: Disk;
  readonly folder: string;

  constructor(disk: Disk, folder: string) {
    this.#disk = disk;
    this.folder = folder;
  }

  /** Ids of the jobs on disk. */
  async list(): Promise<string[]> {
    await this.#disk.files.makeDirectory(this.folder);
    const names = await this.#disk.files.readDirectory(this.folder);
    return names.filter((name) => JOB.test(name)).sort();
  }

  pathOf(id: string): string {
    return join(this.folder, id);
  }

  /** On disk when it resolves; where the disk fails nothing stays of it. */
  async create(id: string, record: JobRecord): Promise<JobFolder> {
    const { files } = this.#disk;
    const folder = this.pathOf(id);
    let opened: JobFolder | undefined;
    try {
      await files.makeDirectory(folder);
      await files.syncDirectory(this.folder);
      opened = await JobFolder.open(this.#disk, folder);
      await writeAtomically(files, join(folder, "job"), encodeCbor(record));
      return opened;
    } catch (error) {
      await opened?.close().catch(() => {});
      // What can not go now goes at the next start.
      await files.removeTree(folder).catch(() => {});
      throw error;
    }
  }

  /** Removes a job's folder, which nobody has open: gone for good when it resolves. */
  async remove(id: string): Promise<void> {
    const { files } = this.#disk;
    const doomed = `${this.pathOf(id)}${REMOVED}`;
    try {
      await files.rename(this.pathOf(id), doomed);
    } catch (error) {
      // Somebody was faster, with a tool of their own.
      if (errorCode(error) !== "ENOENT") throw error;
    }
    await files.syncDirectory(this.folder);
    await files.removeTree(doomed);
    await files.syncDirectory(this.folder);
  }

  /** Finishes removals that were cut off. @param failed hears of what can not be removed */
  async clearRemoved(failed: (path: string, error: Error) => void): Promise<void> {
    for (const name of await this.#disk.files.readDirectory(this.folder)) {
      if (!name.endsWith(REMOVED) || !JOB.test(name.slice(0, -REMOVED.length))) continue;
      const path = join(this.folder, name);
      await this.#disk.files.removeTree(path).catch((error: Error) => failed(path, error));
    }
  }

  /** Removes a folder whose job was never taken: its record did not reach the disk. Whether it was one. */
  async clearUntaken(id: string): Promise<boolean> {
    const { files } = this.#disk;
    const path = this.pathOf(id);
    const names = await files.readDirectory(path);
    if (names.some((name) => name !== "journal" && name !== "job.new")) return false;
    if (((await files.stat(join(path, "journal")))?.size ?? 0) > 0) return false;
    await files.removeTree(path);
    return true;
  }

  /** Bytes of the files in a job's folder. */
  async bytesOf(id: string): Promise<number> {
    const { files } = this.#disk;
    let bytes = 0;
    for (const name of await files.readDirectory(this.pathOf(id))) {
      bytes += (await files.stat(join(this.pathOf(id), name)))?.size ?? 0;
    }
    return bytes;
  }

  /** A job with its history; undefined when its start never reached the disk. */
  async read(
    id: string,
  ): Promise<{ record: JobRecord; journal: JournalRecord[]; files: JobFolder } | undefined> {
    const record = await this.#readRecord(id);
    if (record === undefined) return undefined;
    const files = await JobFolder.open(this.#disk, this.pathOf(id));
    return { record, journal: files.history, files };
  }

  /** What is known of a job that does not run; undefined when there is no record of it. */
  async look(id: string): Promise<{ record: JobRecord; journal: JournalRecord[] } | undefined> {
    const record = await this.#readRecord(id);
    if (record === undefined) return undefined;
    const bytes = await readIfThere(this.#disk.files, join(this.pathOf(id), "journal"));
    return { record, journal: readJournal(bytes ?? new Uint8Array(0)).records };
  }

  /** @throws what says that the record is damaged, or another version's */
  async #readRecord(id: string): Promise<JobRecord | undefined> {
    const bytes = await readIfThere(this.#disk.files, join(this.pathOf(id), "job"));
    if (bytes === undefined) return undefined;
    const parsed = jobRecord.safeParse(decodeCbor(bytes, 2_000_000));
    if (parsed.success) return parsed.data;
    throw new DecodeError("it is not one that this version knows");
  }
}

/** The folder of one job, its journal held open. */
export class JobFolder {
  readonly path: string;
  /** What the journal held when it was opened. */
  readonly history: JournalRecord[];
  readonly #disk: Disk;
  readonly #journal: OpenFile;
  #end: number;
  #writing: Promise<void> = Promise.resolve();
  /** The last that was asked of each file. */
  readonly #turns = new Map<string, Promise<unknown>>();

  private constructor(
    disk: Disk,
    path: string,
    journal: OpenFile,
    read: { records: JournalRecord[]; end: number },
  ) {
    this.#disk = disk;
    this.path = path;
    this.#journal = journal;
    this.history = read.records;
    this.#end = read.end;
  }

  static async open(disk: Disk, path: string): Promise<JobFolder> {
    const file = join(path, "journal");
    const isNew = (await disk.files.stat(file)) === undefined;
    const read = readJournal((await readIfThere(disk.files, file)) ?? new Uint8Array(0));
    const journal = await disk.files.open(file, isNew ? "create" : "write");
    if (isNew) await disk.files.syncDirectory(path);
    else await journal.truncate(read.end);
    return new JobFolder(disk, path, journal, read);
  }

  /** Appends; on disk when it resolves. */
  append(record: JournalRecord): Promise<void> {
    const body = encodeCbor(record);
    const head = new Uint8Array(HEAD);
    writeU32(head, 0, body.length);
    head.set(sha256(body).subarray(0, 4), 4);
    const next = this.#writing.then(async () => {
      const bytes = concatBytes(head, body);
      await this.#journal.write(bytes, this.#end);
      this.#end += bytes.length;
      await this.#journal.sync();
    });
    this.#writing = next.catch(() => {});
    return next;
  }

  /** Writes a file of the job, whole or not at all; after what was asked of it before. */
  write(name: string, bytes: Uint8Array): Promise<void> {
    return this.#inTurn(name, () => writeAtomically(this.#disk.files, join(this.path, name), bytes));
  }

  /** Writes a file that is only for those who watch: whole, but lost in a power cut. */
  async show(name: string, bytes: Uint8Array): Promise<void> {
    const path = join(this.path, name);
    const file = await this.#disk.files.open(`${path}.new`, "create");
    await file.write(bytes, 0);
    await file.close();
    await this.#disk.files.rename(`${path}.new`, path);
  }

  read(name: string): Promise<Uint8Array | undefined> {
    return this.#inTurn(name, () => readIfThere(this.#disk.files, join(this.path, name)));
  }

  /** A result may be written by who brought it while a check that agrees writes it too: one after the other. */
  #inTurn<T>(name: string, action: () => Promise<T>): Promise<T> {
    const turn = (this.#turns.get(name) ?? Promise.resolve()).then(action);
    const over: Promise<unknown> = turn
      .catch(() => {})
      .then(() => {
        if (this.#turns.get(name) === over) this.#turns.delete(name);
      });
    this.#turns.set(name, over);
    return turn;
  }

  remove(name: string): Promise<void> {
    return removeIfThere(this.#disk.files, join(this.path, name));
  }

  /** Removes results of single tasks that an end of the process left behind. Of a job that is over nobody needs them. */
  async removeResults(): Promise<void> {
    const names = await this.#disk.files.readDirectory(this.path);
    const results = names.filter((name) => /^\.task-\d+(\.new)?$/.test(name));
    for (const name of results) await this.remove(name);
    if (results.length > 0) await this.#disk.files.syncDirectory(this.path);
  }

  async close(): Promise<void> {
    await this.#writing;
    await this.#journal.close();
  }
}

/** The records up to the first that is torn, and where that is. */
function readJournal(bytes: Uint8Array): { records: JournalRecord[]; end: number } {
  const records: JournalRecord[] = [];
  let at = 0;
  while (at + HEAD <= bytes.length) {
    const length = readU32(bytes, at);
    const body = bytes.subarray(at + HEAD, at + HEAD + length);
    if (length === 0 || length > MAX_RECORD || body.length < length) break;
    if (!equalBytes(sha256(body).subarray(0, 4), bytes.subarray(at + 4, at + 8))) break;
    const record = readRecord(body);
    if (record === undefined) break;
    records.push(record);
    at += HEAD + length;
  }
  return { records, end: at };
}

function readRecord(body: Uint8Array): JournalRecord | undefined {
  try {
    const parsed = journalRecord.safeParse(decodeCbor(body));
    return parsed.success ? parsed.data : undefined;
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}
