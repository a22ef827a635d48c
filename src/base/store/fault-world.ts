import { join } from "node:path";
import type { Random } from "#base/lib/random.ts";
import type { Disk } from "./disk.ts";
import { FaultFileSystem } from "./fault-file-system.ts";
import { FaultStore, StoreImage } from "./fault-store.ts";
import type { KeyValueStore } from "./key-value-store.ts";
import { Power, type SyncRequest } from "./power.ts";
import { removeIfThere } from "./write-atomically.ts";

export interface FaultWorldOptions {
  /** Bytes that the disk holds (no limit unless told). */
  readonly capacity?: number;
  /** Bytes of one log of a store (4 MiB, as LevelDB, unless told). */
  readonly logBytes?: number;
}

/**
 * A disk in memory, files and stores together, that can lose power and fill up. What was not synced when the power
 * goes is kept, lost or torn as chance wills, in every way that a real disk may: file contents in any order, a
 * directory's entries as a prefix of their changes, a store's batches as a prefix of each of its logs.
 *
 * A test runs its program on one world, takes the power away ({@link offAfter} at a chosen operation, or at any
 * instant), and goes on with {@link powerCut}'s result, the world that a restarted machine finds.
 */
export class FaultWorld implements Disk {
  readonly files: FaultFileSystem;
  readonly #power: Power;
  readonly #logBytes: number | undefined;

  constructor(options: FaultWorldOptions = {}, tree?: ReturnType<FaultFileSystem["copyTree"]>) {
    this.#power = new Power();
    this.#power.capacity = options.capacity ?? Number.POSITIVE_INFINITY;
    this.#logBytes = options.logBytes;
    this.files = new FaultFileSystem(this.#power, tree);
  }

  /** Changes and syncs so far, for choosing an instant. */
  get operations(): number {
    return this.#power.operations;
  }

  /** Bytes that the disk holds; may be set while it runs. */
  get capacity(): number {
    return this.#power.capacity;
  }

  set capacity(bytes: number) {
    this.#power.capacity = bytes;
  }

  /** Bytes taken so far. */
  get used(): number {
    return this.#power.used;
  }

  /** Whether the power is off: what fails from now on fails for that reason. */
  get isOff(): boolean {
    return this.#power.off;
  }

  /** Takes the power away during the `count`-th operation from now: it and all after it throw PowerOffError. */
  offAfter(count: number): void {
    this.#power.offAt = this.#power.operations + count;
  }

  /** Syncs that match do nothing from now on, though they succeed: the mutant that a test must notice. */
  leaveOutSyncs(match: (sync: SyncRequest) => boolean): void {
    this.#power.leaveOut(match);
  }

  /** Takes the power away now. The result is what the machine finds when it starts again. */
  powerCut(random: Random): FaultWorld {
    this.#power.off = true;
    return this.#next(this.files.treeAfterCut(random));
  }

  /** Kills the program: all it wrote is there, though what it did not sync may still be lost in a later power cut. */
  kill(): FaultWorld {
    this.#power.off = true;
    return this.#next(this.files.copyTree());
  }

  #next(tree: ReturnType<FaultFileSystem["copyTree"]>): FaultWorld {
    const logBytes = this.#logBytes === undefined ? {} : { logBytes: this.#logBytes };
    const world = new FaultWorld({ capacity: this.#power.capacity, ...logBytes }, tree);
    world.#power.used = tree.byteLength;
    return world;
  }

  async openStore(path: string): Promise<KeyValueStore> {
    await this.files.makeDirectory(path);
    const directory = this.files.directory(path, "open");
    if (directory.store === undefined) {
      const current = await this.files.open(join(path, "CURRENT"), "create");
      await current.close();
      // LevelDB syncs what it lays down for a new database, whatever its user does.
      directory.sync();
      directory.store = new StoreImage(this.#logBytes === undefined ? {} : { logBytes: this.#logBytes });
    }
    if (directory.store.opened) throw new Error(`cannot open the database ${path}: it is open`);
    this.#power.change(() => {});
    directory.store.recover();
    directory.store.opened = true;
    return new FaultStore(directory.store, this.#power, path);
  }

  async destroyStore(path: string): Promise<void> {
    if (!(await this.hasStore(path))) return;
    const directory = this.files.directory(path, "open");
    if (directory.store?.opened === true) throw new Error(`cannot remove the database ${path}: it is open`);
    await removeIfThere(this.files, join(path, "CURRENT"));
    directory.sync();
    directory.store = undefined;
  }

  async hasStore(path: string): Promise<boolean> {
    return (await this.files.stat(join(path, "CURRENT"))) !== undefined;
  }
}
