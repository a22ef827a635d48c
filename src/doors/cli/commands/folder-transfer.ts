import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { reasonOf } from "../error-text.ts";
import { bar, byteText, ProgressLine } from "../progress-line.ts";
import type { OnBytes } from "./file-transfer.ts";

/** Files on their way at once: enough to hide the wait for receipts. */
const WIDTH = 4;

export interface LocalFile {
  readonly path: string;
  /** Below the folder that was named, with slashes; empty where the file itself was named. */
  readonly name: string;
  readonly size: number;
}

/** The file at a path, or all files of the folder there; links are followed to files, never to folders. */
export async function filesBelow(
  path: string,
): Promise<{ readonly files: readonly LocalFile[]; readonly skipped: readonly string[] }> {
  const found = await stat(path);
  if (found.isFile()) return { files: [{ path, name: "", size: found.size }], skipped: [] };
  if (!found.isDirectory())
    throw new Error(`${path} is neither a file nor a folder; what comes from it can be piped into put -`);
  const files: LocalFile[] = [];
  const skipped: string[] = [];
  const walk = async (folder: string, prefix: string): Promise<void> => {
    const entries = await readdir(folder, { withFileTypes: true });
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const below = join(folder, entry.name);
      if (entry.isDirectory()) {
        await walk(below, `${prefix}${entry.name}/`);
        continue;
      }
      const target = await stat(below).catch(() => undefined);
      if (target?.isFile() === true)
        files.push({ path: below, name: prefix + entry.name, size: target.size });
      else skipped.push(below);
    }
  };
  await walk(path, "");
  return { files, skipped };
}

/**
 * Runs a transfer for each file, a few at a time, with one line of progress; the first failure ends all, those on their
 * way by the signal.
 */
export async function transferAll<T extends { readonly path: string; readonly size: number }>(
  files: readonly T[],
  transfer: (file: T, onBytes: OnBytes, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const line = new ProgressLine();
  const total = files.reduce((sum, { size }) => sum + size, 0);
  const start = performance.now();
  let bytes = 0;
  let done = 0;
  const show = () => {
    const rate = (bytes / Math.max(1, performance.now() - start)) * 1000;
    const count = files.length === 1 ? "" : `  ${done}/${files.length} files`;
    const waits = bytes >= total && done < files.length ? "  waiting for receipts" : `  ${byteText(rate)}/s`;
    line.show(`${bar(bytes, total)}  ${byteText(bytes)} of ${byteText(total)}${count}${waits}`);
  };
  let next = 0;
  const stop = new AbortController();
  const count = (more: number) => {
    bytes += more;
    show();
  };
  const worker = async (): Promise<void> => {
    while (next < files.length && !stop.signal.aborted) {
      const file = files[next++]!;
      try {
        await named(file.path, () => transfer(file, count, stop.signal));
      } catch (error) {
        return stop.abort(error);
      }
      done++;
      show();
    }
  };
  try {
    await Promise.all(Array.from({ length: WIDTH }, worker));
    stop.signal.throwIfAborted();
  } finally {
    line.end();
  }
}

/** Runs a transfer whose length shows at its end, with one line of progress. @throws Error that begins with the name */
export async function transferOne<T>(name: string, transfer: (onBytes: OnBytes) => Promise<T>): Promise<T> {
  const line = new ProgressLine();
  const start = performance.now();
  let bytes = 0;
  try {
    return await named(name, () =>
      transfer((count) => {
        bytes += count;
        const rate = (bytes / Math.max(1, performance.now() - start)) * 1000;
        line.show(`${byteText(bytes)}  ${byteText(rate)}/s`);
      }),
    );
  } finally {
    line.end();
  }
}

/** Tells of a failure what it is about, why, and where it can be said, what to do. */
export async function named<T>(name: string, transfer: () => Promise<T>): Promise<T> {
  try {
    return await transfer();
  } catch (error) {
    throw new Error(`${name}: ${reasonOf(error as Error)}${hintOf(error as Error)}`, { cause: error });
  }
}

/** What to do where hosts are missing, behind the reason. */
function hintOf({ message }: Error): string {
  if (/hosts can be reached|hosts took a shard/.test(message)) {
    return "; friends become hosts with freehold host start, freehold files status shows which are there";
  }
  return /shards needed of slab/.test(message) ? "; freehold files status shows which hosts are away" : "";
}
