/** The seed of one wallet: in memory only while it is unlocked, on disk in two copies. */
import type { Logger } from "#base/lib/logger.ts";
import type { Random } from "#base/lib/random.ts";
import type { FileSystem } from "#base/store/file-system.ts";
import {
  type PassphraseCost,
  readSeedRecord,
  type SeedPublic,
  type SeedRecord,
  sealSeed,
  unsealSeed,
  writeSeedRecord,
} from "./seed-record.ts";
import { seedOfWords, wordsOfEntropy } from "./words.ts";

export interface SeedKeeperParts {
  readonly files: FileSystem;
  /** The wallet's. */
  readonly folder: string;
  readonly random: Random;
  readonly log: Logger;
  readonly cost: PassphraseCost;
}

export class SeedKeeper {
  readonly #parts: SeedKeeperParts;
  #record: SeedRecord;
  #seed: Uint8Array | undefined;

  private constructor(parts: SeedKeeperParts, record: SeedRecord) {
    this.#parts = parts;
    this.#record = record;
  }

  /** Writes a new record; durable when it resolves. It is not unlocked if it has a passphrase. */
  static async create(
    parts: SeedKeeperParts,
    entropy: Uint8Array,
    fields: Omit<SeedPublic, "kdf" | "revision">,
    passphrase: string | undefined,
  ): Promise<SeedKeeper> {
    const record = await sealSeed(entropy, { ...fields, revision: 1 }, passphrase, parts);
    await writeSeedRecord(parts.files, parts.folder, record);
    const keeper = new SeedKeeper(parts, record);
    await keeper.#open();
    return keeper;
  }

  /** Reads the record. @returns `undefined` when no copy of it is sound */
  static async load(parts: SeedKeeperParts): Promise<SeedKeeper | undefined> {
    const record = await readSeedRecord(parts.files, parts.folder, parts.log);
    if (record === undefined) return undefined;
    const keeper = new SeedKeeper(parts, record);
    await keeper.#open();
    return keeper;
  }

  /** Without a passphrase it is always unlocked. */
  async #open(): Promise<void> {
    if (!this.isEncrypted && !(await this.#take(undefined))) throw new Error("the seed record does not open");
  }

  async #take(passphrase: string | undefined): Promise<boolean> {
    const entropy = await unsealSeed(this.#record, passphrase);
    if (entropy === undefined) return false;
    this.#seed = await seedOfWords(wordsOfEntropy(entropy));
    entropy.fill(0);
    return true;
  }

  get public(): SeedPublic {
    return this.#record.public;
  }

  get birthday(): number {
    return this.#record.public.birthday;
  }

  /** Seconds since 1970; undefined for a restored one. */
  get created(): number | undefined {
    return this.#record.public.created ?? undefined;
  }

  get isEncrypted(): boolean {
    return this.#record.public.kdf !== null;
  }

  get isLocked(): boolean {
    return this.#seed === undefined;
  }

  /** BIP39 seed while unlocked. */
  get seed(): Uint8Array | undefined {
    return this.#seed;
  }

  unlock(passphrase: string): Promise<boolean> {
    return this.#take(passphrase);
  }

  lock(): void {
    this.#seed?.fill(0);
    this.#seed = undefined;
  }

  /** @returns `undefined` when the passphrase is wrong */
  async words(passphrase: string | undefined): Promise<string | undefined> {
    const entropy = await unsealSeed(this.#record, passphrase);
    return entropy === undefined ? undefined : wordsOfEntropy(entropy);
  }

  /** Puts a record under a passphrase in the place of the open one, and locks. */
  async encrypt(passphrase: string): Promise<void> {
    const { files, folder } = this.#parts;
    const entropy = await unsealSeed(this.#record, undefined);
    if (entropy === undefined) throw new Error("the seed record does not open");
    const { kdf: _, ...fields } = this.#record.public;
    const record = await sealSeed(
      entropy,
      { ...fields, revision: fields.revision + 1 },
      passphrase,
      this.#parts,
    );
    entropy.fill(0);
    await writeSeedRecord(files, folder, record);
    this.#record = record;
    this.lock();
  }
}
