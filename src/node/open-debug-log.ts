import type { Clock } from "#base/lib/clock.ts";
import type { DataPaths } from "#node/config/data-directory.ts";
import { ConfigError, type Settings } from "#node/config/settings.ts";
import { DebugLog } from "./debug-log.ts";

/** The debug log as the settings want it, with -debug's categories on. @throws ConfigError */
export function openDebugLog(settings: Settings, paths: DataPaths, clock: Clock): DebugLog {
  const categories = settings.list("debug");
  const debugging = categories.length > 0 && !categories.includes("0") && !categories.includes("none");
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
    throw new ConfigError(`Could not open debug log file ${paths.debugLog}: ${(error as Error).message}`);
  }
  if (debugging) {
    for (const category of categories) {
      if (!log.switch(category, true)) throw unsupported("-debug", category);
    }
  }
  for (const category of settings.list("debugexclude")) {
    if (!log.switch(category, false)) throw unsupported("-debugexclude", category);
  }
  return log;
}

function unsupported(option: string, category: string): ConfigError {
  return new ConfigError(`Unsupported logging category ${option}=${category}.`);
}
