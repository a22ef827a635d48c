/**
 * What this node has seen of providers, by account: results that passed a check, failures, speed, and who was caught.
 * Local and earned; nobody else is asked. On disk, so that a restart forgets nothing.
 */
import { join } from "node:path";
import { z } from "zod";
import type { Disk } from "#base/store/disk.ts";
import { readIfThere, writeAtomically } from "#base/store/write-atomically.ts";
import { decodeCbor, encodeCbor } from "#sharing/mesh/cbor.ts";
import type { AccountId } from "#sharing/mesh/mesh.ts";
import { accountIdText, integer } from "#sharing/mesh/schema.ts";

const record = z.strictObject({
  account: accountIdText,
  /** Checks passed since the last failure. */
  passed: integer(0),
  failed: integer(0),
  /** Caught with a false result: milliseconds since 1970, 0 when never. */
  caught: integer(0),
});
export type TrackRecord = z.infer<typeof record>;

/** Accounts remembered; the first ones go. */
const MAX_RECORDS = 4096;
/** How long a provider that was caught gets nothing: 30 days, in milliseconds. */
const SHUNNED = 30 * 86_400_000;

export class TrackRecords {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #records: Map<AccountId, TrackRecord>;
  #writing: Promise<void> = Promise.resolve();

  private constructor(disk: Disk, path: string, records: readonly TrackRecord[]) {
    this.#disk = disk;
    this.#path = path;
    this.#records = new Map(records.map((one) => [one.account, one]));
  }

  static async open(disk: Disk, folder: string): Promise<TrackRecords> {
    const path = join(folder, "providers");
    const bytes = await readIfThere(disk.files, path);
    const records = bytes === undefined ? [] : z.array(record).parse(decodeCbor(bytes));
    return new TrackRecords(disk, path, records);
  }

  of(account: AccountId | undefined): TrackRecord {
    const known = account === undefined ? undefined : this.#records.get(account);
    return known ?? { account: account ?? "", passed: 0, failed: 0, caught: 0 };
  }

  /** Whether it was caught lately. */
  isShunned(account: AccountId | undefined, now: number): boolean {
    const { caught } = this.of(account);
    return caught > 0 && now - caught < SHUNNED;
  }

  passed(account: AccountId | undefined): Promise<void> {
    return this.#put(account, (old) => ({ ...old, passed: old.passed + 1 }));
  }

  failed(account: AccountId | undefined): Promise<void> {
    return this.#put(account, (old) => ({ ...old, failed: old.failed + 1 }));
  }

  caught(account: AccountId | undefined, now: number): Promise<void> {
    return this.#put(account, (old) => ({ ...old, passed: 0, failed: old.failed + 1, caught: now }));
  }

  #put(account: AccountId | undefined, change: (old: TrackRecord) => TrackRecord): Promise<void> {
    if (account === undefined) return Promise.resolve();
    const next = change(this.of(account));
    this.#records.delete(account);
    this.#records.set(account, next);
    const oldest = this.#records.keys().next().value;
    if (this.#records.size > MAX_RECORDS && oldest !== undefined) this.#records.delete(oldest);
    return this.#write();
  }

  /** One write at a time; what comes meanwhile goes with the next. */
  #write(): Promise<void> {
    const before = this.#writing;
    if (this.#queued !== undefined) return this.#queued;
    const next = before
      .catch(() => {})
      .then(() => {
        this.#queued = undefined;
        return writeAtomically(this.#disk.files, this.#path, encodeCbor([...this.#records.values()]));
      });
    this.#queued = next;
    this.#writing = next;
    return next;
  }
  #queued: Promise<void> | undefined;
}
