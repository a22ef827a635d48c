/** bitcoin.conf: `name=value` lines, `#` comments, `[section]` lines, `includeconf` (Core's common/config.cpp). */
import { existsSync, readFileSync, statSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { chooseSection } from "./choose-network.ts";
import { ConfigError, type SectionPlace, type Settings } from "./settings.ts";

/** What Core trims off lines, names and values. */
const BLANKS = /^[ \t\r\n]+|[ \t\r\n]+$/g;

/** The options of a configuration text in order, and the sections it names. */
export interface ConfigText {
  /** Key with its section and a dot in front, and value. */
  readonly options: { readonly key: string; readonly value: string }[];
  readonly sections: { readonly name: string; readonly line: number }[];
}

/** @throws ConfigError naming the line. */
export function parseConfigText(text: string): ConfigText {
  const options: ConfigText["options"] = [];
  const sections: ConfigText["sections"] = [];
  let prefix = "";
  for (const [index, raw] of text.split("\n").entries()) {
    const line = index + 1;
    const hash = raw.indexOf("#");
    const entry = (hash < 0 ? raw : raw.slice(0, hash)).replace(BLANKS, "");
    if (entry === "") continue;
    if (entry.startsWith("[") && entry.endsWith("]")) {
      const name = entry.slice(1, -1);
      sections.push({ name, line });
      prefix = `${name}.`;
      continue;
    }
    const at = entry.indexOf("=");
    if (entry.startsWith("-") || at < 0) throw unreadable(entry, line);
    const key = prefix + entry.slice(0, at).replace(BLANKS, "");
    if (hash >= 0 && key.includes("rpcpassword")) {
      throw new ConfigError(
        `parse error on line ${line}, using # in rpcpassword can be ambiguous and should be avoided`,
      );
    }
    options.push({ key, value: entry.slice(at + 1).replace(BLANKS, "") });
    const dot = key.lastIndexOf(".");
    if (dot >= 0 && prefix.length <= dot) sections.push({ name: key.slice(0, dot), line });
  }
  return { options, sections };
}

function unreadable(entry: string, line: number): ConfigError {
  let hint = "";
  if (entry.startsWith("-")) {
    hint = ", options in configuration file must be specified without leading -";
  } else if (entry.startsWith("no")) {
    hint = `, if you intended to specify a negated option, use ${entry}=1 instead`;
  }
  return new ConfigError(`parse error on line ${line}: ${entry}${hint}`);
}

/**
 * Reads the configuration file (`-conf`, else bitcoin.conf in the data directory) and the files it includes.
 * @param show tells the user at once
 * @returns the path of the file, "" with -noconf; it need not exist unless it was named
 * @throws ConfigError with Core's text, to be shown after `Error reading configuration file: `, and
 * NetworkChoiceError, to be shown as it is.
 */
export function readConfigFiles(
  settings: Settings,
  dataDirectory: string,
  show: (text: string) => void,
): string {
  const isNamed = settings.isSet("conf");
  const named = settings.path("conf") ?? "bitcoin.conf";
  if (named === "") return "";
  const path = resolveIn(dataDirectory, named);
  if (isDirectory(path)) throw new ConfigError(`Config file "${path}" is a directory.`);
  const text = readText(path);
  if (text === undefined) {
    if (!isNamed) return path;
    throw new ConfigError(`specified config file "${path}" could not be opened.`);
  }
  addText(settings, text, path);
  if (!settings.isNegated("includeconf")) readIncluded(settings, dataDirectory, show);
  return path;
}

function readIncluded(settings: Settings, dataDirectory: string, show: (text: string) => void): void {
  const section = chooseSection(settings);
  const names = [...settings.includes(section), ...settings.includes("")];
  const before = { section: settings.includes(section).length, unnamed: settings.includes("").length };
  for (const name of names) {
    const path = resolveIn(dataDirectory, name);
    if (isDirectory(path)) throw new ConfigError(`Included config file "${path}" is a directory.`);
    const text = readText(path);
    if (text === undefined) throw new ConfigError(`Failed to include configuration file ${name}`);
    addText(settings, text, name);
  }
  const ignored = [
    ...settings.includes(section).slice(before.section),
    ...settings.includes("").slice(before.unnamed),
  ];
  const final = chooseSection(settings);
  if (final !== section) ignored.push(...settings.includes(final));
  for (const name of ignored) {
    show(`warning: -includeconf cannot be used from included files; ignoring -includeconf=${name}`);
  }
}

function addText(settings: Settings, text: string, file: string): void {
  const { options, sections } = parseConfigText(text);
  for (const { name, line } of sections) settings.sections.push({ name, file, line } satisfies SectionPlace);
  for (const { key, value } of options) settings.addFileOption(key, value);
}

function isDirectory(path: string): boolean {
  return existsSync(path) && statSync(path).isDirectory();
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function resolveIn(folder: string, path: string): string {
  return isAbsolute(path) ? path : join(folder, path);
}
