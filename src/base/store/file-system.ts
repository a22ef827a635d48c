/**
 * Files and directories as this program uses them. Everything it keeps on disk goes through this interface, so
 * that a test can hand in a disk that loses power (fault-world.ts). Failures are thrown as Node throws them, with
 * a `code` such as `ENOENT` or `ENOSPC` (see disk-error.ts).
 */
export interface FileSystem {
  /** Opens a file. `create` makes it where it is missing; `read` refuses every write. */
  open(path: string, mode: OpenMode): Promise<OpenFile>;
  /** The whole file. @throws when it is longer than `maxLength` bytes. */
  readFile(path: string, maxLength?: number): Promise<Uint8Array>;
  /** What stands at `path`, `undefined` when nothing does. */
  stat(path: string): Promise<FileStat | undefined>;
  /** Names of a directory's entries, sorted. */
  readDirectory(path: string): Promise<string[]>;
  /** Makes a directory and its missing parents, and syncs each parent that gained an entry. */
  makeDirectory(path: string): Promise<void>;
  /** Puts `from` in the place of `to`, in the same directory, replacing a file that is there. */
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  /**
   * Removes a directory with all that is in it, of a link the link alone; nothing happens where nothing stands. What a
   * failure or a power cut in the middle leaves is any part of it.
   */
  removeTree(path: string): Promise<void>;
  /**
   * Forces a directory's entries to disk: files made, renamed and removed in it. A new file whose content was
   * synced can still vanish whole in a power cut until this was called.
   */
  syncDirectory(path: string): Promise<void>;
  /** Bytes that can still be written to the file system that holds `path`. */
  freeSpace(path: string): Promise<number>;
}

export type OpenMode = "read" | "write" | "create";

export interface FileStat {
  /** Bytes; 0 for a directory. */
  readonly size: number;
  readonly isDirectory: boolean;
}

/** A file held open. */
export interface OpenFile {
  /** Fills `into` from `position`; the number of bytes read, less than asked only at the end of the file. */
  read(into: Uint8Array, position: number): Promise<number>;
  /** Writes all of `bytes` at `position`; a gap before it reads as zeros. */
  write(bytes: Uint8Array, position: number): Promise<void>;
  truncate(length: number): Promise<void>;
  /** Forces content and length to disk (fdatasync). */
  sync(): Promise<void>;
  size(): Promise<number>;
  close(): Promise<void>;
}
