/**
 * A wallet's memory on disk: an append-only log of sealed records in generations. `log.<n>` begins with the whole state
 * as records (the snapshot, closed by an empty record) and goes on with what happened since; the generation before it
 * is kept, for the day on which the newer cannot be read.
 *
 * A file is `FHWLOG1\n`, a random salt of 32 bytes, then frames: u32 length, ChaCha20-Poly1305 of the record under
 * HKDF(log key, salt), the frame's number as nonce. A file that was closed is never appended to again, so that no nonce
 * is used twice after a cut took a record away.
 */
import { createCipheriv, createDecipheriv, hkdfSync } from "node:crypto";
import { join } from "node:path";
import { concatBytes, equalBytes, readU32, writeU32 } from "#base/lib/bytes.ts";
import type { Logger } from "#base/lib/logger.ts";
import type { Random } from "#base/lib/random.ts";
import type { FileSystem, OpenFile } from "#base/store/file-system.ts";
import { removeIfThere } from "#base/store/write-atomically.ts";

const MAGIC = new TextEncoder().encode("FHWLOG1\n");
const SALT_LENGTH = 32;
const HEADER_LENGTH = MAGIC.length + SALT_LENGTH;
const TAG_LENGTH = 16;
/** Longest record: a transaction and what is known of it. */
const MAX_RECORD = 8 * 1024 * 1024;
/** Longest file that is read. */
const MAX_FILE = 1024 * 1024 * 1024;
/** A log this much longer than its snapshot, and at least this long, is begun anew. */
const COMPACT_RATIO = 4;
const COMPACT_LEAST = 1024 * 1024;
const NAME = /^log\.(\d{1,9})$/;

export interface WalletLogParts {
  readonly files: FileSystem;
  readonly folder: string;
  /** 32 bytes. */
  readonly key: Uint8Array;
  readonly random: Random;
  readonly log: Logger;
}

/** What was read of the newest generation that can be. */
export interface StoredRecords {
  /** Snapshot, then log. */
  readonly records: readonly Uint8Array[];
  /** Something could not be read: what is missing has to be found in the chain again. */
  readonly isDamaged: boolean;
}

/** Seals and opens the frames of one file. */
class FrameCipher {
  readonly #key: Uint8Array;
  #next = 0;

  constructor(key: Uint8Array, salt: Uint8Array) {
    this.#key = new Uint8Array(hkdfSync("sha256", key, salt, "freehold/wallet-log/1", 32));
  }

  #nonce(): Uint8Array {
    const nonce = new Uint8Array(12);
    writeU32(nonce, 0, this.#next % 0x1_0000_0000);
    writeU32(nonce, 4, Math.floor(this.#next / 0x1_0000_0000));
    this.#next++;
    return nonce;
  }

  seal(record: Uint8Array): Uint8Array {
    const cipher = createCipheriv("chacha20-poly1305", this.#key, this.#nonce(), {
      authTagLength: TAG_LENGTH,
    });
    const frame = new Uint8Array(4 + record.length + TAG_LENGTH);
    writeU32(frame, 0, record.length + TAG_LENGTH);
    frame.set(cipher.update(record), 4);
    cipher.final();
    frame.set(cipher.getAuthTag(), 4 + record.length);
    return frame;
  }

  /** The record of a frame without its length, `undefined` when it is not the next one of this file. */
  open(sealed: Uint8Array): Uint8Array | undefined {
    const end = sealed.length - TAG_LENGTH;
    const decipher = createDecipheriv("chacha20-poly1305", this.#key, this.#nonce(), {
      authTagLength: TAG_LENGTH,
    });
    decipher.setAuthTag(sealed.subarray(end));
    try {
      return concatBytes(decipher.update(sealed.subarray(0, end)), decipher.final());
    } catch {
      return undefined;
    }
  }
}

/** The records of a file's bytes up to the first that is torn; `undefined` when not even the snapshot is whole. */
export function decodeLog(
  file: Uint8Array,
  key: Uint8Array,
): { records: Uint8Array[]; isTorn: boolean } | undefined {
  if (file.length < HEADER_LENGTH || !equalBytes(file.subarray(0, MAGIC.length), MAGIC)) return undefined;
  const cipher = new FrameCipher(key, file.subarray(MAGIC.length, HEADER_LENGTH));
  const records: Uint8Array[] = [];
  let isWhole = false;
  let at = HEADER_LENGTH;
  while (at < file.length) {
    const length = at + 4 <= file.length ? readU32(file, at) : 0;
    const end = at + 4 + length;
    if (length < TAG_LENGTH || length > MAX_RECORD + TAG_LENGTH || end > file.length) break;
    const record = cipher.open(file.subarray(at + 4, end));
    if (record === undefined) break;
    if (record.length === 0) isWhole = true;
    else records.push(record);
    at = end;
  }
  return isWhole ? { records, isTorn: at < file.length } : undefined;
}

/** Appends to the newest generation. Calls come one after the other: the wallet's lock sees to it. */
export class WalletLog {
  readonly #parts: WalletLogParts;
  #file: OpenFile | undefined;
  #cipher: FrameCipher | undefined;
  #generation: number;
  #length = 0;
  #snapshotLength = 0;
  #isBroken = false;

  private constructor(parts: WalletLogParts, generation: number) {
    this.#parts = parts;
    this.#generation = generation;
  }

  /** Reads what is there. Nothing can be appended before {@link begin}. */
  static async open(parts: WalletLogParts): Promise<{ log: WalletLog; stored: StoredRecords }> {
    const { files, folder } = parts;
    const names = await files.readDirectory(folder);
    const generations = names
      .map((name) => NAME.exec(name)?.[1])
      .filter((number) => number !== undefined)
      .map(Number)
      .sort((a, b) => b - a);
    const log = new WalletLog(parts, generations[0] ?? 0);
    let isDamaged = false;
    for (const generation of generations) {
      const file = await files.readFile(log.#path(generation), MAX_FILE);
      const decoded = decodeLog(file, parts.key);
      if (decoded !== undefined) {
        return { log, stored: { records: decoded.records, isDamaged: isDamaged || decoded.isTorn } };
      }
      isDamaged = true;
      parts.log.warn(`${log.#path(generation)} cannot be read; the one before it is taken`);
    }
    return { log, stored: { records: [], isDamaged } };
  }

  #path(generation: number): string {
    return join(this.#parts.folder, `log.${generation}`);
  }

  /** Begins the next generation with a snapshot; durable when it resolves. Two generations are kept. */
  async begin(snapshot: Iterable<Uint8Array>): Promise<void> {
    const { files, folder, key, random } = this.#parts;
    const generation = this.#generation + 1;
    const salt = random.fill(new Uint8Array(SALT_LENGTH));
    const cipher = new FrameCipher(key, salt);
    const frames = [MAGIC, salt];
    for (const record of snapshot) frames.push(cipher.seal(record));
    frames.push(cipher.seal(new Uint8Array(0)));
    const temporary = join(folder, "log.new");
    await removeIfThere(files, temporary);
    const file = await files.open(temporary, "create");
    try {
      const bytes = concatBytes(...frames);
      await file.write(bytes, 0);
      await file.sync();
      await files.rename(temporary, this.#path(generation));
      await files.syncDirectory(folder);
      await this.#file?.close();
      this.#file = file;
      this.#length = bytes.length;
      this.#snapshotLength = bytes.length;
    } catch (error) {
      await file.close();
      throw error;
    }
    this.#cipher = cipher;
    this.#generation = generation;
    this.#isBroken = false;
    await this.#removeOld();
  }

  async #removeOld(): Promise<void> {
    const { files, folder } = this.#parts;
    for (const name of await files.readDirectory(folder)) {
      const number = NAME.exec(name)?.[1];
      if (number !== undefined && Number(number) < this.#generation - 1)
        await files.remove(join(folder, name));
    }
  }

  /** Whether the log has grown so long that it should {@link begin} anew. */
  get isLong(): boolean {
    return this.#length > COMPACT_LEAST && this.#length > COMPACT_RATIO * this.#snapshotLength;
  }

  /** After a write or a sync failed nothing fits onto the file any more: it takes a new one, by {@link begin}. */
  get isBroken(): boolean {
    return this.#isBroken;
  }

  /** Writes records; they are safe once {@link sync} was called. */
  async append(...records: readonly Uint8Array[]): Promise<void> {
    if (this.#file === undefined || this.#cipher === undefined) throw new Error("the wallet's log is closed");
    if (this.#isBroken) throw new Error("the wallet's log failed before and was not begun anew");
    const frames: Uint8Array[] = [];
    for (const record of records) {
      if (record.length === 0 || record.length > MAX_RECORD)
        throw new Error("a record of no possible length");
      frames.push(this.#cipher.seal(record));
    }
    const bytes = concatBytes(...frames);
    // The numbers of these frames are used up, whatever becomes of them.
    this.#isBroken = true;
    await this.#file.write(bytes, this.#length);
    this.#length += bytes.length;
    this.#isBroken = false;
  }

  async sync(): Promise<void> {
    const wasBroken = this.#isBroken;
    // What a failed sync leaves on disk nobody knows, and a second one would not say.
    this.#isBroken = true;
    await this.#file?.sync();
    this.#isBroken = wasBroken;
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }
}
