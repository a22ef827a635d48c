import type { Logger } from "#base/lib/logger.ts";
import type { FileSystem } from "#base/store/file-system.ts";
import type { Settings } from "#node/config/settings.ts";

/** The files of -loadblock that are there; a missing one is told and left out, as Core does. */
export async function importPaths(settings: Settings, files: FileSystem, log: Logger): Promise<string[]> {
  const found: string[] = [];
  for (const path of settings.list("loadblock")) {
    if ((await files.stat(path)) !== undefined) found.push(path);
    else log.warn(`Could not open blocks file ${path}`);
  }
  return found;
}
