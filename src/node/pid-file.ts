import { rm, writeFile } from "node:fs/promises";

/** Writes the process id; the result takes the file away. @throws Error with Core's text */
export async function writePidFile(path: string): Promise<() => Promise<void>> {
  try {
    await writeFile(path, `${process.pid}\n`);
  } catch (error) {
    throw new Error(`Unable to create the PID file '${path}': ${(error as Error).message}`, { cause: error });
  }
  return () => rm(path, { force: true });
}
