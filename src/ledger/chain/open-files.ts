import { errorCode } from "#base/store/disk-error.ts";
import type { FileSystem, OpenFile } from "#base/store/file-system.ts";

/** Files held open at a time. */
const MAX_OPEN = 16;

interface Held {
  readonly file: Promise<OpenFile>;
  users: number;
}

/** Keeps the files that were used last open, so that reading a block need not open its file. */
export class OpenFiles {
  readonly #files: FileSystem;
  /** By path, the one used last at the end. */
  readonly #held = new Map<string, Held>();

  constructor(files: FileSystem) {
    this.#files = files;
  }

  /**
   * Runs an action on a file, making the file where it is missing and `create` is set.
   * @throws ENOENT when it is missing.
   */
  async use<T>(path: string, create: boolean, action: (file: OpenFile) => Promise<T>): Promise<T> {
    let held = this.#held.get(path);
    if (held === undefined) held = { file: this.#files.open(path, create ? "create" : "write"), users: 0 };
    else this.#held.delete(path);
    this.#held.set(path, held);
    held.users++;
    try {
      return await action(await held.file);
    } catch (error) {
      // What could not be opened must be tried anew.
      await held.file.catch(() => this.#forget(path, held));
      throw error;
    } finally {
      held.users--;
      await this.#closeSurplus();
    }
  }

  #forget(path: string, held: Held): void {
    if (this.#held.get(path) === held) this.#held.delete(path);
  }

  async #closeSurplus(): Promise<void> {
    for (const [path, held] of this.#held) {
      if (this.#held.size <= MAX_OPEN) return;
      if (held.users > 0) continue;
      this.#held.delete(path);
      await (await held.file).close();
    }
  }

  /** Closes and removes a file; nothing happens when there is none. */
  async remove(path: string): Promise<void> {
    const held = this.#held.get(path);
    this.#held.delete(path);
    if (held !== undefined) await (await held.file).close();
    try {
      await this.#files.remove(path);
    } catch (error) {
      if (errorCode(error) !== "ENOENT") throw error;
    }
  }

  async close(): Promise<void> {
    const all = [...this.#held.values()];
    this.#held.clear();
    for (const held of all) await (await held.file).close();
  }
}
