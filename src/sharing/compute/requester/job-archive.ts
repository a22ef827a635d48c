/**
 * All jobs that have a folder, however many and however old: listed page by page, shown, removed. The folders are what
 * counts. An index of those that have ended keeps the start and the list from reading every folder: what it lacks is
 * read again, and what has no folder is dropped from it.
 */
import { join } from "node:path";
import { z } from "zod";
import { fromHex, readBigU64, toHex, writeBigU64 } from "#base/lib/bytes.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import type { Logger } from "#base/lib/logger.ts";
import type { Disk, StoreOptions } from "#base/store/disk.ts";
import { errorCode } from "#base/store/disk-error.ts";
import type { KeyValueStore } from "#base/store/key-value-store.ts";
import { decodeCbor, encodeCbor } from "#sharing/mesh/cbor.ts";
import type { PeerId } from "#sharing/mesh/mesh.ts";
import { integer } from "#sharing/mesh/schema.ts";
import { JobOrder, type JobPlace } from "./job-order.ts";
import type { JobStore } from "./job-store.ts";
import type { JobQuery, JobView } from "./job-view.ts";
import { storedView, unreadableView } from "./stored-view.ts";

/** What is kept of a job that has ended, by age and id. */
const summary = z.strictObject({
  kind: z.enum(["render", "wasm"]),
  title: z.string(),
  state: z.enum(["done", "failed", "cancelled"]),
  finished: integer(0),
  total: integer(0),
  verified: integer(0),
  bytes: integer(0),
  reason: z.string().optional(),
});
type Summary = z.infer<typeof summary>;

export interface ArchiveParts {
  readonly disk: Disk;
  readonly store: JobStore;
  readonly log: Logger;
  /** What a provider is called. */
  readonly nameOf: (peer: PeerId) => string;
}

const STORE: StoreOptions = { cacheBytes: 2 ** 20, writeBufferBytes: 2 ** 18 };
const OTHER_VERSION = "its settings are not known to this version";

export class JobArchive {
  readonly #parts: ArchiveParts;
  readonly #index: KeyValueStore;
  readonly #order: JobOrder;
  /** Jobs that neither run nor have ended: damaged, or of another version. */
  readonly #aside = new Map<string, JobView>();
  readonly #removing = new Set<string>();
  /** What is written to the index. */
  #writing: Promise<void> = Promise.resolve();
  #closed = false;

  private constructor(parts: ArchiveParts, index: KeyValueStore, order: JobOrder) {
    this.#parts = parts;
    this.#index = index;
    this.#order = order;
  }

  /** Opens it, finishes removals that were cut off, and says which folders are to be read, as the index lacks them. */
  static async open(parts: ArchiveParts): Promise<{ archive: JobArchive; unread: string[] }> {
    const { log, store } = parts;
    const ids = new Set(await store.list());
    await store.clearRemoved((path, error) => log.warn(`compute: ${path} is not removed: ${error.message}`));
    const index = await openIndex(parts);
    const known: JobPlace[] = [];
    for await (const chunk of index.chunks()) {
      for (const [key] of chunk) {
        const place = placeOf(key);
        if (place !== undefined && ids.has(place.id)) known.push(place);
        else await index.batch([{ type: "del", key }]);
      }
    }
    const order = new JobOrder(known);
    const unread: string[] = [];
    for (const id of ids) {
      if (!order.has(id) && !(await store.clearUntaken(id))) unread.push(id);
    }
    return { archive: new JobArchive(parts, index, order), unread };
  }

  /** Jobs with a folder. */
  get size(): number {
    return this.#order.size;
  }

  /** A job is there, and runs. */
  begun(id: string, created: number): void {
    this.#order.add({ id, created });
  }

  /** A job has ended, and nothing of it is open: from now on it is shown from its folder. */
  async ended({ id, kind, title, state, created, finished, counts, reason }: JobView): Promise<void> {
    const bytes = await this.#parts.store.bytesOf(id);
    const kept = { kind, title, state, finished, ...counts, bytes };
    const value = encodeCbor(reason === undefined ? kept : { ...kept, reason });
    await this.#write([{ type: "put", key: keyOf({ id, created }), value }]);
    this.#order.add({ id, created });
  }

  /** A job whose folder stays as it is, as it can not go on. @param error what is wrong with its record */
  async leaveAside(id: string, error?: string): Promise<void> {
    const { store } = this.#parts;
    const view = error === undefined ? await this.#look(id) : unreadableView(id, store.pathOf(id), error);
    this.#aside.set(id, view);
    this.#order.add({ id, created: view.created });
  }

  /** @throws what says why it can not be read */
  async #look(id: string): Promise<JobView> {
    const { nameOf, store } = this.#parts;
    const path = store.pathOf(id);
    const read = await store.look(id);
    if (read === undefined) throw new DecodeError("it is missing");
    return storedView(id, read, path, nameOf, OTHER_VERSION);
  }

  /** A page of jobs, the newest first; of those that have ended without their tasks. @param running those that run */
  async page(
    { limit, after }: JobQuery,
    running: (id: string) => JobView | undefined,
  ): Promise<readonly JobView[]> {
    // Those that run are asked first: one that is put away meanwhile is seen twice rather than not at all.
    const found = this.#order.page(limit, after).map((id) => {
      const place = { id, created: this.#order.createdOf(id)! };
      return { place, view: running(id) ?? this.#aside.get(id) };
    });
    const values = await this.#index.getMany(found.map(({ place }) => keyOf(place)));
    const views = await Promise.all(
      found.map(({ place, view }, i) => view ?? this.#viewOf(place, values[i])),
    );
    return views.filter((view) => view !== undefined);
  }

  async #viewOf({ id, created }: JobPlace, value: Uint8Array | undefined): Promise<JobView | undefined> {
    const read = value && readSummary(value);
    if (read === undefined) return await this.view(id);
    const { total, verified, reason, ...rest } = read;
    const counts = { total, verified };
    return {
      ...{ id, created, ...rest, tasks: [], counts, outputs: this.#parts.store.pathOf(id) },
      ...(reason === undefined ? {} : { reason }),
    };
  }

  /** The whole id of a job, from the start of it where that names one alone. */
  find(start: string): string | undefined {
    return this.#order.find(start);
  }

  /** A job that does not run, with its tasks; undefined when there is none. */
  async view(id: string): Promise<JobView | undefined> {
    const aside = this.#aside.get(id);
    if (aside !== undefined || !this.#order.has(id) || this.#removing.has(id)) return aside;
    try {
      const view = await this.#look(id);
      return { ...view, bytes: await this.#parts.store.bytesOf(id) };
    } catch (error) {
      const isThere = await this.#isThere(id);
      if (isThere) return unreadableView(id, this.#parts.store.pathOf(id), (error as Error).message);
      // Somebody removed it with a tool of their own.
      this.#forget(id);
      return undefined;
    }
  }

  async #isThere(id: string): Promise<boolean> {
    return (await this.#parts.disk.files.stat(this.#parts.store.pathOf(id))) !== undefined;
  }

  /** Removes a job that does not run, and its folder. Why it is not wholly gone, or undefined. */
  async remove(id: string): Promise<string | undefined> {
    if (this.#removing.has(id)) return "it is being removed";
    this.#removing.add(id);
    try {
      await this.#parts.store.remove(id);
    } catch (error) {
      if (errorCode(error) === undefined) throw error;
      if (await this.#isThere(id)) return (error as Error).message;
      this.#forget(id);
      return `${(error as Error).message}; what is left goes at the next start`;
    } finally {
      this.#removing.delete(id);
    }
    this.#forget(id);
    return undefined;
  }

  #forget(id: string): void {
    const created = this.#order.createdOf(id);
    if (created === undefined) return;
    this.#order.remove(id);
    this.#aside.delete(id);
    // A disk that is full may refuse this; the next start drops what has no folder.
    this.#write([{ type: "del", key: keyOf({ id, created }) }]).catch((error: Error) => {
      this.#parts.log.warn(`compute: the index keeps the removed job ${id}: ${error.message}`);
    });
  }

  #write(operations: Parameters<KeyValueStore["batch"]>[0]): Promise<void> {
    if (this.#closed) return Promise.resolve();
    const next = this.#index.batch(operations);
    this.#writing = Promise.all([this.#writing, next.catch(() => {})]).then(() => {});
    return next;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#writing;
    await this.#index.close();
  }
}

/** The form of the index: entries of another are read anew from their folders. */
const FORM = 1;
const KEY_LENGTH = 25;

/** The form, when the job came (64 bits, little-endian), its id: the list stands without a value being read. */
function keyOf({ id, created }: JobPlace): Uint8Array {
  const key = new Uint8Array(KEY_LENGTH);
  key[0] = FORM;
  writeBigU64(key, 1, BigInt(created));
  key.set(fromHex(id)!, 9);
  return key;
}

function placeOf(key: Uint8Array): JobPlace | undefined {
  if (key.length !== KEY_LENGTH || key[0] !== FORM) return undefined;
  return { id: toHex(key.subarray(9)), created: Number(readBigU64(key, 1)) };
}

/** It holds nothing that is not in the folders: where it is damaged it is made anew. */
async function openIndex({ disk, log, store }: ArchiveParts): Promise<KeyValueStore> {
  const path = join(store.folder, "index");
  try {
    return await disk.openStore(path, STORE);
  } catch (error) {
    log.warn(`compute: the index of jobs is made anew: ${(error as Error).message}`);
    await disk.destroyStore(path);
    return await disk.openStore(path, STORE);
  }
}

function readSummary(value: Uint8Array): Summary | undefined {
  try {
    const parsed = summary.safeParse(decodeCbor(value));
    return parsed.success ? parsed.data : undefined;
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}
