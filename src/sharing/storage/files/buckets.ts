import type { Clock } from "#base/lib/clock.ts";
import { type Bucket, FileError } from "../file-store.ts";
import { checkBucketName } from "./attributes.ts";
import type { FileIndex } from "./file-index.ts";
import { allRows } from "./index-keys.ts";
import type { BucketEntry } from "./log-entry.ts";
import { decodeRow } from "./namespace.ts";
import { needBucket } from "./write-checks.ts";

/** The buckets of an account: made, removed, and whether they keep versions. */
export class Buckets {
  readonly #index: FileIndex;
  readonly #clock: Clock;

  constructor(index: FileIndex, clock: Clock) {
    this.#index = index;
    this.#clock = clock;
  }

  async all(): Promise<readonly Bucket[]> {
    const buckets: Bucket[] = [];
    for await (const [, value] of this.#index.rows.iterate(allRows("bucket"))) {
      const { entry } = decodeRow<BucketEntry>(value);
      if (entry.gone !== true) buckets.push(bucketOf(entry));
    }
    return buckets;
  }

  async one(name: string): Promise<Bucket> {
    return bucketOf(await needBucket(this.#index.view(), name));
  }

  async create(name: string): Promise<Bucket> {
    checkBucketName(name);
    return await this.#index.commit(async (view) => {
      if ((await view.bucket(name)) !== undefined) {
        throw new FileError("BucketAlreadyOwnedByYou", `the bucket ${name} is there already`);
      }
      const entry: BucketEntry = { type: "bucket", name, created: this.#clock.now(), versioning: "off" };
      return { entries: [entry], result: bucketOf(entry) };
    });
  }

  async remove(name: string): Promise<void> {
    await this.#index.commit(async (view) => {
      const bucket = await needBucket(view, name);
      const held = await view.held(name);
      if (held !== undefined) {
        // A list of objects shows neither uploads nor what delete markers hide.
        const what = held === "upload" ? "unfinished uploads" : "files, or earlier versions of some,";
        throw new FileError("BucketNotEmpty", `the bucket ${name} is not empty: ${what} are in it`);
      }
      return { entries: [{ ...bucket, gone: true }], result: undefined };
    });
  }

  async setVersioning(name: string, state: "enabled" | "suspended"): Promise<void> {
    await this.#index.commit(async (view) => {
      const bucket = await needBucket(view, name);
      return { entries: [{ ...bucket, versioning: state }], result: undefined };
    });
  }
}

function bucketOf({ name, created, versioning }: BucketEntry): Bucket {
  return { name, created, versioning };
}
