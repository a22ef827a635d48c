import { type FileHandle, mkdir, open, readdir, rename, rm, stat, statfs } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { errorCode } from "./disk-error.ts";
import type { FileStat, FileSystem, OpenFile, OpenMode } from "./file-system.ts";

const FLAGS = { read: "r", write: "r+" } as const;

class NodeFile implements OpenFile {
  readonly #handle: FileHandle;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    let done = 0;
    while (done < into.length) {
      const { bytesRead } = await this.#handle.read(into, done, into.length - done, position + done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return done;
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    let done = 0;
    while (done < bytes.length) {
      const { bytesWritten } = await this.#handle.write(bytes, done, bytes.length - done, position + done);
      done += bytesWritten;
    }
  }

  truncate(length: number): Promise<void> {
    return this.#handle.truncate(length);
  }

  sync(): Promise<void> {
    return this.#handle.datasync();
  }

  async size(): Promise<number> {
    return (await this.#handle.stat()).size;
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

async function openNode(path: string, mode: OpenMode): Promise<FileHandle> {
  if (mode !== "create") return open(path, FLAGS[mode]);
  // No single flag means "read and write at any place, made where missing, never cut".
  for (;;) {
    try {
      return await open(path, "r+");
    } catch (error) {
      if (errorCode(error) !== "ENOENT") throw error;
    }
    try {
      return await open(path, "wx+");
    } catch (error) {
      if (errorCode(error) !== "EEXIST") throw error;
    }
  }
}

/** The machine's files. */
export const nodeFileSystem: FileSystem = {
  async open(path, mode) {
    return new NodeFile(await openNode(path, mode));
  },

  async readFile(path, maxLength = 0x1000_0000) {
    const handle = await open(path, "r");
    try {
      const { size } = await handle.stat();
      if (size > maxLength) throw new Error(`${path} is longer than ${maxLength} bytes`);
      const bytes = new Uint8Array(size);
      const length = await new NodeFile(handle).read(bytes, 0);
      return bytes.subarray(0, length);
    } finally {
      await handle.close();
    }
  },

  async stat(path): Promise<FileStat | undefined> {
    try {
      const found = await stat(path);
      const isDirectory = found.isDirectory();
      return { size: isDirectory ? 0 : found.size, isDirectory };
    } catch (error) {
      const code = errorCode(error);
      if (code === "ENOENT" || code === "ENOTDIR") return undefined;
      throw error;
    }
  },

  async readDirectory(path) {
    return (await readdir(path)).sort();
  },

  async makeDirectory(path) {
    const first = await mkdir(path, { recursive: true });
    if (first === undefined) return;
    // Each directory from the new leaf up to the parent of the first new one gained an entry.
    const last = dirname(resolve(first));
    for (let at = resolve(path); at !== last; ) {
      at = dirname(at);
      await this.syncDirectory(at);
    }
  },

  rename(from, to) {
    return rename(from, to);
  },

  remove(path) {
    return rm(path);
  },

  removeTree(path) {
    return rm(path, { recursive: true, force: true });
  },

  async syncDirectory(path) {
    let handle: FileHandle;
    try {
      handle = await open(path, "r");
    } catch (error) {
      // Windows opens no directories, and writes their entries through.
      if (process.platform === "win32") return;
      throw error;
    }
    try {
      await handle.sync();
    } catch (error) {
      // Some network and fuse file systems can not sync a directory.
      if (!["EINVAL", "ENOTSUP", "EPERM"].includes(errorCode(error) ?? "")) throw error;
    } finally {
      await handle.close();
    }
  },

  async freeSpace(path) {
    const { bavail, bsize } = await statfs(path);
    return bavail * bsize;
  },
};
