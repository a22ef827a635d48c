/**
 * Files of one account over the hosts of the mesh: the {@link FileStore} that the S3 door and the command line stand
 * on. What resolves is durable: bytes and log lie at enough hosts, and the local index is synced.
 */
import { Signal } from "#base/lib/events.ts";
import { SlabCodec } from "../codec/slab-codec.ts";
import {
  type Body,
  type Bucket,
  type ByteRange,
  FileError,
  type FileStore,
  type ListPage,
  type ListQuery,
  type ObjectAttributes,
  type ObjectInfo,
  type PartInfo,
  type PutOptions,
  type SlabHealth,
  type UploadInfo,
  type WriteCondition,
} from "../file-store.ts";
import { DEFAULT_POLICY, type RenterPolicy } from "../renter/policy.ts";
import { Renter } from "../renter/renter.ts";
import { BodyIntake } from "./body-intake.ts";
import { BodyWriter } from "./body-writer.ts";
import { Buckets } from "./buckets.ts";
import { ContentReader } from "./content-reader.ts";
import type { FilesEvent } from "./file-events.ts";
import { FileIndex } from "./file-index.ts";
import { deriveFileKeys } from "./file-keys.ts";
import type { FilesOptions } from "./files-options.ts";
import { type FilesSummary, FilesUpkeep } from "./files-upkeep.ts";
import type { SyncReport } from "./log-sync.ts";
import { MetadataLog, newLogState } from "./metadata-log.ts";
import { Objects } from "./objects.ts";
import { PackWriter } from "./pack-writer.ts";
import { PartUploads } from "./part-uploads.ts";

/** What stands while the files are open. */
interface OpenFiles {
  readonly index: FileIndex;
  readonly renter: Renter;
  readonly upkeep: FilesUpkeep;
  readonly reader: ContentReader;
  readonly buckets: Buckets;
  readonly objects: Objects;
  readonly uploads: PartUploads;
}

export class Files implements FileStore {
  readonly events = new Signal<FilesEvent>();
  readonly #options: FilesOptions;
  readonly #policy: RenterPolicy;
  readonly #ownCodec: SlabCodec | undefined;
  readonly #codec: SlabCodec;
  #open: OpenFiles | undefined;

  constructor(options: FilesOptions) {
    this.#options = options;
    this.#policy = { ...DEFAULT_POLICY, ...options.policy };
    if (options.codec === undefined) {
      this.#ownCodec = new SlabCodec({ random: options.random, workers: options.workers });
    }
    this.#codec = options.codec ?? this.#ownCodec!;
  }

  /**
   * Opens the index and begins to watch. On an empty directory the hosts are asked for what these words wrote before,
   * as soon as any is connected; {@link sync} waits for it.
   */
  async start(): Promise<void> {
    const { disk, folder, mesh, deals, clock, random, log: logger, filesKey } = this.#options;
    await disk.files.makeDirectory(folder);
    const index = new FileIndex(await disk.openStore(`${folder}/index`), { clock, log: logger });
    const renter = new Renter(this.#policy, {
      ...{ mesh, deals, clock, random, log: logger },
      codec: this.#codec,
      book: index,
    });
    await index.loadHosts(renter.hosts);
    const device = this.#options.deviceId ?? mesh.self;
    let state = await index.logState();
    if (state === undefined) {
      state = newLogState(device, random);
      await index.keepLogState(state);
    }
    const keys = deriveFileKeys(filesKey);
    const log = new MetadataLog(state, { renter, mesh, keys, clock, random, log: logger, device });
    index.open(log, (ids) => renter.committed(ids));
    const writer = new BodyWriter(renter, new PackWriter(renter), new BodyIntake(clock));
    const upkeep = new FilesUpkeep({ index, renter, log, mesh, clock, logger, policy: this.#policy });
    const reader = new ContentReader(index, renter);
    const objects = new Objects({ index, writer, reader, clock, random });
    this.#open = {
      ...{ index, renter, upkeep, reader, objects },
      buckets: new Buckets(index, clock),
      uploads: new PartUploads({ index, writer, objects, clock, random }),
    };
    objects.changed.on((event) => this.events.emit(event));
    upkeep.changed.on((event) => this.events.emit(event));
    upkeep.start();
  }

  /** Ends what is under way. What was acknowledged stays. */
  async stop(): Promise<void> {
    const open = this.#open;
    if (open === undefined) return;
    this.#open = undefined;
    open.renter.client.stop();
    await open.upkeep.stop();
    await open.renter.stop();
    try {
      await open.index.keepHosts(open.renter.hosts);
    } finally {
      await Promise.all([open.index.close(), this.#ownCodec?.close()]);
    }
  }

  get #o() {
    if (this.#open === undefined) throw new FileError("ServiceUnavailable", "the files are not open");
    return this.#open;
  }

  /** Asks the hosts what other machines (or an earlier directory) wrote under the same words, and takes it in. */
  sync(): Promise<SyncReport> {
    return this.#o.upkeep.sync();
  }

  /** Writes a snapshot of the log now, so that a restore is quick. @throws FileError */
  snapshot(): Promise<void> {
    return this.#o.upkeep.snapshot();
  }

  /** One round of upkeep now: audits, repair, dropping, snapshot. For tests and for who can not wait an epoch. */
  upkeep(): Promise<void> {
    return this.#o.upkeep.round();
  }

  /** Resolves when the upkeep that is under way is done: repair, audits, taking in. */
  settled(): Promise<void> {
    return this.#o.upkeep.settled();
  }

  status(): Promise<FilesSummary> {
    return this.#o.upkeep.summary();
  }

  // Buckets.

  async buckets(): Promise<readonly Bucket[]> {
    return await this.#o.buckets.all();
  }

  async bucket(name: string): Promise<Bucket> {
    return await this.#o.buckets.one(name);
  }

  async createBucket(name: string): Promise<Bucket> {
    return await this.#o.buckets.create(name);
  }

  async deleteBucket(name: string): Promise<void> {
    return await this.#o.buckets.remove(name);
  }

  async setVersioning(name: string, state: "enabled" | "suspended"): Promise<void> {
    return await this.#o.buckets.setVersioning(name, state);
  }

  // Objects.

  async put(bucket: string, key: string, body: Body, options: PutOptions = {}): Promise<ObjectInfo> {
    return await this.#o.objects.put(bucket, key, body, options);
  }

  async head(bucket: string, key: string, versionId?: string): Promise<ObjectInfo> {
    return await this.#o.objects.head(bucket, key, versionId);
  }

  async *read(object: ObjectInfo, range?: ByteRange): Body {
    yield* this.#o.objects.read(object, range);
  }

  async copy(from: ObjectInfo, bucket: string, key: string, options: PutOptions = {}): Promise<ObjectInfo> {
    return await this.#o.objects.copy(from, bucket, key, options);
  }

  async delete(bucket: string, key: string, versionId?: string): Promise<ObjectInfo | undefined> {
    return await this.#o.objects.delete(bucket, key, versionId);
  }

  async list(bucket: string, query: ListQuery): Promise<ListPage> {
    return await this.#o.objects.list(bucket, query);
  }

  async listVersions(bucket: string, query: ListQuery): Promise<ListPage> {
    return await this.#o.objects.listVersions(bucket, query);
  }

  // Uploads in parts.

  async startUpload(bucket: string, key: string, options: ObjectAttributes = {}): Promise<UploadInfo> {
    return await this.#o.uploads.start(bucket, key, options);
  }

  async putPart(upload: string, part: number, body: Body, check?: PutOptions["check"]): Promise<PartInfo> {
    return await this.#o.uploads.put(upload, part, body, check);
  }

  async copyPart(upload: string, part: number, from: ObjectInfo, range?: ByteRange): Promise<PartInfo> {
    return await this.#o.uploads.copy(upload, part, from, range);
  }

  async parts(upload: string, query: { after: number; limit: number }): Promise<readonly PartInfo[]> {
    return await this.#o.uploads.parts(upload, query);
  }

  async uploads(bucket: string, query: ListQuery): Promise<readonly UploadInfo[]> {
    return await this.#o.uploads.list(bucket, query);
  }

  async completeUpload(
    upload: string,
    parts: readonly { readonly part: number; readonly etag: string }[],
    condition: WriteCondition = {},
  ): Promise<ObjectInfo> {
    return await this.#o.uploads.complete(upload, parts, condition);
  }

  async abortUpload(upload: string): Promise<void> {
    return await this.#o.uploads.abort(upload);
  }

  async health(object: ObjectInfo): Promise<readonly SlabHealth[]> {
    const { content } = await this.#o.objects.entryOf(object);
    const { index, renter, reader } = this.#o;
    const view = index.view();
    const rows = new Map<string, SlabHealth>();
    for (const piece of content.extents ?? []) {
      for await (const { slab: id } of reader.resolve(view, piece)) {
        const slab = rows.has(id) ? undefined : await index.get(id);
        if (slab !== undefined) rows.set(id, renter.watch.health(slab));
      }
    }
    return [...rows.values()];
  }
}
