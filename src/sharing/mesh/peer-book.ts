/**
 * Peers that were met and bans that hold, kept over restarts. The file is written a moment after a change: a power cut
 * may lose a latest address, which the next hello tells again; a ban is on disk before the peer is told.
 */
import { join } from "node:path";
import { z } from "zod";
import { type Clock, unixTime } from "#base/lib/clock.ts";
import { decodedOrUndefined } from "#base/lib/decode-error.ts";
import type { Logger } from "#base/lib/logger.ts";
import { Mutex } from "#base/lib/mutex.ts";
import type { FileSystem } from "#base/store/file-system.ts";
import { readIfThere, writeAtomically } from "#base/store/write-atomically.ts";
import { decodeCbor, encodeCbor } from "./cbor.ts";
import { signedSchema } from "./certificates.ts";
import type { Ban } from "./conduct.ts";
import type { PeerId } from "./mesh.ts";
import { accountIdText, integer, peerIdText } from "./schema.ts";

/** Most peers kept; those met longest ago go first. */
const MAX_PEERS = 5000;
const MAX_FILE = 16 * 1024 * 1024;
/** Milliseconds from a change to the file. */
const SAVE_DELAY = 2000;

const entrySchema = z.strictObject({
  peer: peerIdText,
  account: accountIdText.optional(),
  /** The account's certificate of this device, as it was shown. */
  certificate: signedSchema.optional(),
  name: z.string(),
  addresses: z.array(z.string()),
  /** IP address of its last connection. */
  ip: z.string().optional(),
  /** Seconds since 1970 of the last hello; 0 when it was only heard of. */
  seen: integer(0),
});
export type BookEntry = z.infer<typeof entrySchema>;

const fileSchema = z.strictObject({
  version: z.literal(1),
  peers: z.array(entrySchema),
  bans: z.array(z.strictObject({ subject: z.string(), reason: z.string(), until: integer(0) })),
});

export class PeerBook {
  readonly #path: string;
  readonly #files: FileSystem;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #entries = new Map<PeerId, BookEntry>();
  readonly #writing = new Mutex();
  #cancelSave: (() => void) | undefined;
  /** The bans to be saved; set by the owner of the scores. */
  bans: () => readonly Ban[] = () => this.loadedBans;
  /** The bans of the file. */
  loadedBans: readonly Ban[] = [];

  private constructor(directory: string, dependencies: PeerBookDependencies) {
    this.#path = join(directory, "peers");
    this.#files = dependencies.files;
    this.#clock = dependencies.clock;
    this.#logger = dependencies.logger;
  }

  static async open(directory: string, dependencies: PeerBookDependencies): Promise<PeerBook> {
    const book = new PeerBook(directory, dependencies);
    await dependencies.files.makeDirectory(directory);
    const bytes = await readIfThere(dependencies.files, book.#path, MAX_FILE);
    if (bytes === undefined) return book;
    const parsed = fileSchema.safeParse(decodedOrUndefined(() => decodeCbor(bytes, 1_000_000)));
    if (!parsed.success) {
      dependencies.logger.warn(`${book.#path} is damaged: addresses and bans begin anew`);
      return book;
    }
    for (const entry of parsed.data.peers) book.#entries.set(entry.peer, entry);
    book.loadedBans = parsed.data.bans;
    return book;
  }

  entries(): readonly BookEntry[] {
    return [...this.#entries.values()];
  }

  get(peer: PeerId): BookEntry | undefined {
    return this.#entries.get(peer);
  }

  /** Notes what is new about a peer; what is not told stays. */
  note(peer: PeerId, news: Partial<Omit<BookEntry, "peer" | "seen">>, met = false): BookEntry {
    const old = this.#entries.get(peer) ?? { peer, name: "", addresses: [], seen: 0 };
    const entry = { ...old, ...news, ...(met ? { seen: unixTime(this.#clock) } : {}) };
    this.#entries.set(peer, entry);
    if (this.#entries.size > MAX_PEERS) this.#dropOne();
    this.#saveSoon();
    return entry;
  }

  remove(peer: PeerId): void {
    if (this.#entries.delete(peer)) this.#saveSoon();
  }

  #dropOne(): void {
    let oldest: BookEntry | undefined;
    for (const entry of this.#entries.values()) {
      if (oldest === undefined || entry.seen < oldest.seen) oldest = entry;
    }
    if (oldest !== undefined) this.#entries.delete(oldest.peer);
  }

  #saveSoon(): void {
    if (this.#cancelSave !== undefined) return;
    this.#cancelSave = this.#clock.after(SAVE_DELAY, () => {
      this.save().catch((error: unknown) => this.#logger.error(`${this.#path}: ${String(error)}`));
    });
  }

  /** Writes the file now; on disk when it resolves. */
  save(): Promise<void> {
    this.#cancelSave?.();
    this.#cancelSave = undefined;
    return this.#writing.run(() => {
      const state = { version: 1, peers: this.entries(), bans: this.bans() };
      return writeAtomically(this.#files, this.#path, encodeCbor(state));
    });
  }
}

export interface PeerBookDependencies {
  readonly files: FileSystem;
  readonly clock: Clock;
  readonly logger: Logger;
}
