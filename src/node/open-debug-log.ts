import type { Clock } from "#base/lib/clock.ts";
import { LOG_CATEGORIES } from "#base/lib/logger.ts";
import type { DataPaths } from "#node/config/data-directory.ts";
import { ConfigError, type Settings } from "#node/config/settings.ts";
import { DebugLog } from "./debug-log.ts";

/** The debug log as the settings want it, with -debug's categories on. @throws ConfigError */
export function openDebugLog(settings: Settings, paths: DataPaths, clock: Clock): DebugLog {
  const named = settings.list("debug");
  // What stands before -debug=0 or none does not count.
  const categories = named.slice(named.findLastIndex((name) => name === "0" || name === "none") + 1);
  const debugging = categories.length > 0;
  let log: DebugLog;
  try {
    log = new DebugLog(
      {
        path: paths.debugLog,
        console: settings.boolean("printtoconsole", !settings.boolean("daemon", false)),
        timestamps: settings.boolean("logtimestamps", true),
        micros: settings.boolean("logtimemicros", false),
        shrink: settings.boolean("shrinkdebugfile", !debugging),
      },
      clock,
    );
  } catch (error) {
    throw new ConfigError(`Could not open debug log file ${paths.debugLog}`, { cause: error });
  }
  for (const category of categories) {
    if (!log.switch(category, true)) throw unsupported("-debug", category);
  }
  for (const category of settings.list("debugexclude")) {
    if (!log.switch(category, false)) throw unsupported("-debugexclude", category);
  }
  checkLevels(settings.list("loglevel"));
  return log;
}

const LEVELS = ["info", "debug", "trace"];

/** -loglevel changes nothing, since every line of a category is written, but must make sense. */
function checkLevels(levels: readonly string[]): void {
  for (const text of levels) {
    const [category, level, ...rest] = text.split(":");
    if (level === undefined) {
      if (LEVELS.includes(text)) continue;
      throw new ConfigError(
        `Unsupported global logging level -loglevel=${text}. Valid values: ${LEVELS.join(", ")}.`,
      );
    }
    const isKnown = (LOG_CATEGORIES as readonly string[]).includes(category ?? "");
    if (isKnown && LEVELS.includes(level) && rest.length === 0) continue;
    throw new ConfigError(
      `Unsupported category-specific logging level -loglevel=${text}. Expected -loglevel=<category>:<loglevel>. ` +
        `Valid categories: ${[...LOG_CATEGORIES].sort().join(", ")}. Valid loglevels: ${LEVELS.join(", ")}.`,
    );
  }
}

function unsupported(option: string, category: string): ConfigError {
  return new ConfigError(`Unsupported logging category ${option}=${category}.`);
}
