/** bitcoin.conf: `name=value` lines, `#` comments, `[section]` lines, `includeconf` (Core's common/config.cpp). */
import { existsSync, readFileSync, statSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { ConfigError, interpretKey, type Settings } from "./settings.ts";

/** Sections that mean something; others are remarked on in the log. */
const KNOWN_SECTIONS = ["main", "test", "testnet4", "signet", "regtest"];

/**
 * Options of a configuration text in order, as key (with its section in front and a dot) and value.
 * @throws ConfigError naming the line.
 */
export function parseConfigText(text: string): { key: string; value: string }[] {
  const options: { key: string; value: string }[] = [];
  let prefix = "";
  for (const [index, raw] of text.split("\n").entries()) {
    const line = index + 1;
    const hash = raw.indexOf("#");
    const entry = (hash < 0 ? raw : raw.slice(0, hash)).trim();
    if (entry === "") continue;
    if (entry.startsWith("[") && entry.endsWith("]")) {
      prefix = `${entry.slice(1, -1)}.`;
      continue;
    }
    if (entry.startsWith("-")) {
      throw new ConfigError(
        `parse error on line ${line}: ${entry}, options in configuration file must be specified without leading -`,
      );
    }
    const at = entry.indexOf("=");
    if (at < 0) {
      const hint =
        entry.startsWith("no") && entry.length > 2
          ? `, if you intended to specify a negated option, use ${entry}=1 instead`
          : "";
      throw new ConfigError(`parse error on line ${line}: ${entry}${hint}`);
    }
    const key = prefix + entry.slice(0, at).trimEnd();
    if (hash >= 0 && key.includes("rpcpassword")) {
      throw new ConfigError(
        `parse error on line ${line}, using # in rpcpassword can be ambiguous and should be avoided`,
      );
    }
    options.push({ key, value: entry.slice(at + 1).trimStart() });
  }
  return options;
}

/**
 * Reads the configuration file (`-conf`, else bitcoin.conf in the data directory) and the files it includes.
 * @throws ConfigError with Core's text.
 */
export function readConfigFiles(settings: Settings, dataDirectory: string): void {
  const named = settings.string("conf");
  if (settings.isNegated("conf")) return;
  const path = resolveIn(dataDirectory, named ?? "bitcoin.conf");
  if (!existsSync(path)) {
    if (named === undefined) return;
    throw new ConfigError(
      `Error reading configuration file: specified config file "${path}" could not be opened.`,
    );
  }
  if (statSync(path).isDirectory()) {
    throw new ConfigError(`Error reading configuration file: Config file "${path}" is a directory.`);
  }
  const included: string[] = [];
  addFile(settings, path, included);
  if (settings.isNegated("includeconf")) return;
  for (const name of included) {
    const include = resolveIn(dataDirectory, name);
    if (!existsSync(include)) {
      throw new ConfigError(`Error reading configuration file: Failed to include configuration file ${name}`);
    }
    const nested: string[] = [];
    addFile(settings, include, nested);
    for (const ignored of nested) {
      settings.warnings.push(
        `-includeconf cannot be used from included files; ignoring -includeconf=${ignored}`,
      );
    }
  }
  for (const section of settings.sections) {
    if (!KNOWN_SECTIONS.includes(section) && section !== settings.network) {
      settings.warnings.push(`${path}: Section [${section}] is not recognized.`);
    }
  }
}

function addFile(settings: Settings, path: string, includes: string[]): void {
  try {
    for (const { key, value } of parseConfigText(readFileSync(path, "utf8"))) {
      if (interpretKey(key).name === "includeconf" && !interpretKey(key).negated) includes.push(value);
      settings.addFileOption(key, value);
    }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new ConfigError(`Error reading configuration file: ${error.message}`);
  }
}

function resolveIn(folder: string, path: string): string {
  return isAbsolute(path) ? path : join(folder, path);
}
