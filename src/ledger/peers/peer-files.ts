/** What the peers keep on disk: peers.dat, anchors.dat and banlist.json. */
import { join } from "node:path";
import { DecodeError } from "#base/lib/decode-error.ts";
import type { Logger } from "#base/lib/logger.ts";
import type { Random } from "#base/lib/random.ts";
import type { FileSystem } from "#base/store/file-system.ts";
import { readIfThere, removeIfThere, writeAtomically } from "#base/store/write-atomically.ts";
import type { AddressEntry } from "#protocol/wire/messages/addresses.ts";
import { AddressBook } from "./address-book.ts";
import { decodeAddressBook, decodeAnchors, encodeAddressBook, encodeAnchors } from "./address-files.ts";
import { BanList } from "./ban-list.ts";

/** None of the files grows beyond this. */
const MAX_FILE = 32 * 1024 * 1024;

export interface PeerFileOptions {
  readonly directory: string;
  readonly magic: Uint8Array;
  /** A key that tests can foretell places from. */
  readonly deterministic: boolean;
}

export class PeerFiles {
  readonly #options: PeerFileOptions;
  readonly #files: FileSystem;
  readonly #random: Random;
  readonly #log: Logger;
  /** Seconds since 1970. */
  readonly #now: () => number;

  constructor(
    options: PeerFileOptions,
    dependencies: { files: FileSystem; random: Random; log: Logger; now: () => number },
  ) {
    this.#options = options;
    this.#files = dependencies.files;
    this.#random = dependencies.random;
    this.#log = dependencies.log;
    this.#now = dependencies.now;
  }

  /** @throws Error with Core's text when peers.dat is damaged. */
  async loadBook(): Promise<AddressBook> {
    const options = { random: this.#random, now: this.#now };
    const path = this.#path("peers.dat");
    const bytes = await readIfThere(this.#files, path, MAX_FILE);
    if (bytes === undefined) {
      this.#log.info(`Creating peers.dat because the file was not found (${path})`);
      const key = this.#options.deterministic ? { key: new Uint8Array(32).fill(1, 0, 1) } : {};
      const book = new AddressBook({ ...options, ...key });
      await this.saveBook(book);
      return book;
    }
    try {
      const book = decodeAddressBook(bytes, this.#options.magic, options);
      this.#log.info(`Loaded ${book.size()} addresses from peers.dat`);
      return book;
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      throw new Error(
        `Invalid or corrupt peers.dat (${error.message}). As a workaround, you can move the file (${path}) out of ` +
          "the way (rename, move, or delete) to have a new one created on the next start.",
        { cause: error },
      );
    }
  }

  async saveBook(book: AddressBook): Promise<void> {
    await writeAtomically(this.#files, this.#path("peers.dat"), encodeAddressBook(book, this.#options.magic));
  }

  /** The anchors of the last run. They are removed: a crash because of one must not repeat. */
  async takeAnchors(): Promise<AddressEntry[]> {
    const path = this.#path("anchors.dat");
    const bytes = await readIfThere(this.#files, path, MAX_FILE);
    if (bytes === undefined) return [];
    await removeIfThere(this.#files, path);
    try {
      const anchors = decodeAnchors(bytes, this.#options.magic);
      this.#log.info(`Loaded ${anchors.length} addresses from "anchors.dat"`);
      return anchors;
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.#log.info(`anchors.dat is not used: ${error.message}`);
      return [];
    }
  }

  async saveAnchors(anchors: readonly AddressEntry[]): Promise<void> {
    await writeAtomically(
      this.#files,
      this.#path("anchors.dat"),
      encodeAnchors(anchors, this.#options.magic),
    );
  }

  async loadBans(): Promise<BanList> {
    const bans = new BanList({ random: this.#random, now: this.#now });
    const bytes = await readIfThere(this.#files, this.#path("banlist.json"), MAX_FILE);
    try {
      if (bytes === undefined) await this.saveBans(bans);
      else bans.load(new TextDecoder().decode(bytes));
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.#log.info(`Recreating the banlist database (${error.message})`);
    }
    bans.changed.on(() => this.saveBans(bans));
    return bans;
  }

  async saveBans(bans: BanList): Promise<void> {
    await writeAtomically(this.#files, this.#path("banlist.json"), new TextEncoder().encode(bans.encode()));
  }

  #path(name: string): string {
    return join(this.#options.directory, name);
  }
}
