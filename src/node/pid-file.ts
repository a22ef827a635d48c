import { rm, writeFile } from "node:fs/promises";

/** Writes the process id; the result takes the file away. */
export async function writePidFile(path: string): Promise<() => Promise<void>> {
  await writeFile(path, `${process.pid}\n`);
  return () => rm(path, { force: true });
}
