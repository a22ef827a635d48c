/** A real file system of a few megabytes, in memory, that a test can fill up. */
import { spawnSync } from "node:child_process";
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmdirSync,
  rmSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { errorCode } from "#base/store/disk-error.ts";

export interface SmallDiskOptions {
  readonly megabytes: number;
  /** Most files and directories; no limit that matters unless told. */
  readonly files?: number;
}

export class SmallDisk implements Disposable {
  readonly path: string;
  #isMounted = true;
  readonly #unmountAtExit = (): void => this[Symbol.dispose]();

  private constructor(path: string) {
    this.path = path;
    process.once("exit", this.#unmountAtExit);
  }

  /** @throws Error when this user may not. */
  static mount({ megabytes, files }: SmallDiskOptions): SmallDisk {
    const path = mkdtempSync(join(tmpdir(), "freehold-small-"));
    const options = `size=${megabytes}m${files === undefined ? "" : `,nr_inodes=${files}`}`;
    const { status, error, stderr } = spawnSync(
      "mount",
      ["-t", "tmpfs", "-o", options, "freehold-test", path],
      { encoding: "utf8" },
    );
    if (status !== 0) {
      rmdirSync(path);
      throw new Error(`cannot mount a tmpfs: ${error?.message ?? stderr.trim()}`);
    }
    return new SmallDisk(path);
  }

  /** Why there can be none here, for a test to be skipped; false when there can. */
  static get unavailable(): string | false {
    if (process.platform !== "linux") return "a small disk is made by mounting a tmpfs, on Linux";
    if (process.getuid?.() !== 0) return "only root may mount a small disk";
    try {
      SmallDisk.mount({ megabytes: 1 })[Symbol.dispose]();
      return false;
    } catch (error) {
      return (error as Error).message;
    }
  }

  get #ballast(): string {
    return join(this.path, "ballast");
  }

  get #crowd(): string {
    return join(this.path, "crowd");
  }

  /** Takes all room that is left, to the last byte. */
  fill(): void {
    const file = openSync(this.#ballast, "a");
    try {
      for (let length = 1 << 20; length > 0; length >>>= 1) {
        const bytes = new Uint8Array(length);
        while (tryWrite(file, bytes));
      }
    } finally {
      closeSync(file);
    }
  }

  /** Makes files until there is room for `left` more. */
  fillFiles(left: number): void {
    mkdirSync(this.#crowd, { recursive: true });
    const made: string[] = [];
    for (;;) {
      const path = join(this.#crowd, `${process.hrtime.bigint()}`);
      try {
        closeSync(openSync(path, "wx"));
        made.push(path);
      } catch (error) {
        if (errorCode(error) === "ENOSPC") break;
        throw error;
      }
    }
    for (const path of made.slice(0, left)) unlinkSync(path);
  }

  /** Gives the room free that was taken. */
  drain(): void {
    rmSync(this.#ballast, { force: true });
    rmSync(this.#crowd, { recursive: true, force: true });
  }

  [Symbol.dispose](): void {
    if (!this.#isMounted) return;
    this.#isMounted = false;
    process.off("exit", this.#unmountAtExit);
    // Lazily: a node that a failed test left behind may still hold it.
    const { status, stderr } = spawnSync("umount", ["-l", this.path], { encoding: "utf8" });
    if (status !== 0) throw new Error(`cannot unmount ${this.path}: ${stderr}`);
    rmdirSync(this.path);
  }
}

function tryWrite(file: number, bytes: Uint8Array): boolean {
  try {
    return writeSync(file, bytes) === bytes.length;
  } catch (error) {
    if (errorCode(error) === "ENOSPC") return false;
    throw error;
  }
}
