/**
 * Options from the command line and configuration files, with Core's precedence and negation (common/args.cpp,
 * common/settings.cpp): the command line before settings.json before a network's section before the unnamed
 * section; on the command line the last value wins, in a file the first; `-noname` clears what came before it.
 */
import { OPTIONS, type OptionSpec } from "./options.ts";

/** A value as given: text, or the boolean that negation stands for. */
export type SettingValue = string | boolean;

/** Bad options: the text is shown as `Error: <text>` and the program ends with exit code 1. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** Options that name more than one network, or one that does not exist. */
export class NetworkChoiceError extends ConfigError {}

/** Splits `regtest.nolisten` into section, name and whether it is negated. */
export function interpretKey(text: string): { section: string; name: string; negated: boolean } {
  const dot = text.indexOf(".");
  const section = dot < 0 ? "" : text.slice(0, dot);
  const rest = dot < 0 ? text : text.slice(dot + 1);
  const negated = rest.startsWith("no");
  return { section, name: negated ? rest.slice(2) : rest, negated };
}

/** As C's atoi: the leading integer, 0 where there is none; held to what 64 bits can say. */
export function leadingInteger(text: string): number {
  const match = /^[ \f\n\r\t\v]*([+-]?\d+)/.exec(text);
  return match === null ? 0 : Math.min(2 ** 63, Math.max(-(2 ** 63), Number(match[1])));
}

/** An empty value means true, a number its truth, anything else false. */
function interpretBoolean(text: string): boolean {
  return text === "" || leadingInteger(text) !== 0;
}

function interpretValue(
  name: string,
  negated: boolean,
  spec: OptionSpec,
  value: string | undefined,
): SettingValue {
  if (!negated) {
    if (value === undefined && spec.noElision) {
      throw new ConfigError(`Can not set -${name} with no value. Please specify value with -${name}=value.`);
    }
    return value ?? "";
  }
  if (spec.noNegation) throw new ConfigError(`Negating of -${name} is meaningless and therefore forbidden`);
  // A double negative, -nofoo=0, says yes.
  return value !== undefined && !interpretBoolean(value);
}

/** The values of one option in one source, with what negation cleared left out. */
class Span {
  readonly values: readonly SettingValue[];
  readonly negations: number;
  /** The last word was a negation, which leaves no values. */
  readonly lastNegated: boolean;

  constructor(all: readonly SettingValue[]) {
    this.negations = all.lastIndexOf(false) + 1;
    this.values = all.slice(this.negations);
    this.lastNegated = all.at(-1) === false;
  }
}

/** Where values come from, in order of precedence. */
type Source = "forced" | "command-line" | "settings-file" | "section" | "default-section";

type OptionTable = Readonly<Record<string, OptionSpec>>;

/** A `[section]` of a configuration file, and where it stands. */
export interface SectionPlace {
  readonly name: string;
  readonly file: string;
  readonly line: number;
}

const asText = (value: SettingValue): string => (typeof value === "string" ? value : value ? "1" : "0");

/** All options of this run. */
export class Settings {
  readonly #options: OptionTable;
  readonly #commandLine = new Map<string, SettingValue[]>();
  readonly #settingsFile = new Map<string, { value: SettingValue; text: string }>();
  readonly #sections = new Map<string, Map<string, SettingValue[]>>();
  readonly #forced = new Map<string, string>();
  /** Section of the chosen network (`main`, `test`, `testnet4`, `signet`, `regtest`, or a custom name). */
  network = "";
  /** What was odd but no error, for the log. */
  readonly warnings: string[] = [];
  /** Sections of the files, in order, as often as they occur. */
  readonly sections: SectionPlace[] = [];
  /** The first argument that is no option; Core refuses it after everything else was read. */
  unexpectedToken: string | undefined;

  constructor(options: OptionTable = OPTIONS) {
    this.#options = options;
  }

  #spec(name: string): OptionSpec | undefined {
    return Object.hasOwn(this.#options, name) ? this.#options[name] : undefined;
  }

  /**
   * Reads arguments such as `-name`, `--name=value`, `-noname`, up to the first that is no option.
   * @throws ConfigError for what Core refuses, to be shown after `Error parsing command line arguments: `.
   */
  readCommandLine(args: readonly string[]): void {
    for (const arg of args) {
      if (arg === "-") break;
      if (!arg.startsWith("-")) {
        this.unexpectedToken = arg;
        break;
      }
      this.#readArgument(arg);
    }
    const included = new Span(this.#commandLine.get("includeconf") ?? []).values[0];
    if (included === undefined) return;
    throw new ConfigError(
      `-includeconf cannot be used from commandline; -includeconf=${JSON.stringify(included)}`,
    );
  }

  #readArgument(arg: string): void {
    const [key, value] = splitValue(arg.replace(/^--?/, ""));
    const { section, name, negated } = interpretKey(key);
    const spec = this.#spec(name);
    if (spec === undefined || section !== "") throw new ConfigError(`Invalid parameter ${arg}`);
    const read = interpretValue(name, negated, spec, value);
    if (negated && read === true) {
      this.warnings.push(`Parsed potentially confusing double-negative -${name}=${value}`);
    }
    append(this.#commandLine, name, read);
  }

  /** Adds what a configuration file says. @throws ConfigError */
  addFileOption(key: string, value: string): void {
    const { section, name, negated } = interpretKey(key);
    if (name === "conf") {
      throw new ConfigError(
        "conf cannot be set in the configuration file; use includeconf= if you want to include additional config files",
      );
    }
    const spec = this.#spec(name);
    if (spec === undefined) {
      this.warnings.push(`Ignoring unknown configuration value ${key}`);
      return;
    }
    if (name === "reindex" && !negated) {
      this.warnings.push(
        "reindex=1 is set in the configuration file, which will significantly slow down startup. Consider removing or commenting out this option for better performance, unless there is currently a condition which makes rebuilding the indexes necessary",
      );
    }
    let options = this.#sections.get(section);
    if (options === undefined) {
      options = new Map();
      this.#sections.set(section, options);
    }
    append(options, name, interpretValue(name, negated, spec, value));
  }

  /** Adds an option of settings.json, where programs keep theirs. `text` is what stands there. */
  addDynamicOption(name: string, value: SettingValue, text: string): void {
    if (this.#spec(interpretKey(name).name) === undefined) {
      this.warnings.push(`Ignoring unknown rw_settings value ${name}`);
    }
    this.#settingsFile.set(name, { value, text });
  }

  /** Sets a value that applies only where nobody gave one (Core's SoftSetArg). */
  softSet(name: string, value: string | boolean): void {
    if (!this.isSet(name)) this.force(name, asText(value));
  }

  /** Sets a value above every other (Core's ForceSetArg). */
  force(name: string, value: string): void {
    this.#forced.set(name, value);
  }

  /** What each source says of an option, in order of precedence; sources that say nothing are left out. */
  #spans(name: string, network = this.network): { source: Source; span: Span }[] {
    const spans: { source: Source; span: Span }[] = [];
    const add = (source: Source, values: readonly SettingValue[] | undefined) => {
      if (values !== undefined) spans.push({ source, span: new Span(values) });
    };
    const forced = this.#forced.get(name);
    const dynamic = this.#settingsFile.get(name);
    add("forced", forced === undefined ? undefined : [forced]);
    add("command-line", this.#commandLine.get(name));
    add("settings-file", dynamic === undefined ? undefined : [dynamic.value]);
    if (network !== "") add("section", this.#sections.get(network)?.get(name));
    add("default-section", this.#sections.get("")?.get(name));
    return spans;
  }

  /** Whether the unnamed section does not count for this option. */
  #ignoresDefaultSection(name: string): boolean {
    return this.#spec(name)?.networkOnly === true && this.network !== "main";
  }

  #value(name: string): SettingValue | undefined {
    if (this.#spec(name) === undefined) throw new Error(`no option -${name} is declared`);
    const ignoresDefault = this.#ignoresDefaultSection(name);
    for (const { source, span } of this.#spans(name)) {
      // A negation in the unnamed section counts even where its values do not.
      if (ignoresDefault && source === "default-section" && !span.lastNegated) continue;
      if (span.values.length > 0) return isFile(source) ? span.values[0] : span.values.at(-1);
      if (span.lastNegated) return false;
    }
    return undefined;
  }

  isSet(name: string): boolean {
    return this.#value(name) !== undefined;
  }

  isNegated(name: string): boolean {
    return this.#value(name) === false;
  }

  string(name: string): string | undefined;
  string(name: string, otherwise: string): string;
  string(name: string, otherwise?: string): string | undefined {
    const value = this.#value(name);
    return value === undefined ? otherwise : asText(value);
  }

  boolean(name: string, otherwise: boolean): boolean {
    const value = this.#value(name);
    if (value === undefined) return otherwise;
    return typeof value === "boolean" ? value : interpretBoolean(value);
  }

  integer(name: string): number | undefined;
  integer(name: string, otherwise: number): number;
  integer(name: string, otherwise?: number): number | undefined {
    const value = this.#value(name);
    if (value === undefined) return otherwise;
    return typeof value === "boolean" ? Number(value) : leadingInteger(value);
  }

  /** A path; an empty value counts as none given, a negated option as "". */
  path(name: string): string | undefined {
    if (this.isNegated(name)) return "";
    const path = this.string(name, "");
    return path === "" ? undefined : path;
  }

  /** Every value of an option that may be given several times, over all sources. */
  list(name: string): string[] {
    const all: string[] = [];
    const ignoresDefault = this.#ignoresDefaultSection(name);
    let done = false;
    let wasNegatedEmpty = false;
    for (const { source, span } of this.#spans(name)) {
      if (ignoresDefault && source === "default-section") continue;
      // A value after a negation on the command line brings the file's values back (as Core does).
      if (!done || (isFile(source) && !wasNegatedEmpty)) all.push(...span.values.map(asText));
      done ||= span.negations > 0 || source === "forced";
      wasNegatedEmpty ||= span.lastNegated && all.length === 0;
    }
    return all;
  }

  /** Options that stand in the unnamed section though they count for main alone, and nowhere better; sorted. */
  misplacedNetworkOptions(): string[] {
    if (this.network === "main" || this.network === "") return [];
    return Object.keys(this.#options)
      .filter((name) => this.#spec(name)?.networkOnly === true && this.#standsOnlyInDefaultSection(name))
      .sort();
  }

  #standsOnlyInDefaultSection(name: string): boolean {
    const sources = this.#spans(name).filter(({ span }) => span.values.length > 0);
    return sources.length > 0 && sources.every(({ source }) => source === "default-section");
  }

  /** Whether a switch that chooses the network is on: the last value counts, in files too; negations do not. */
  chainFlag(name: string): boolean {
    for (const { span } of this.#spans(name, "")) {
      const value = span.values.at(-1);
      if (value !== undefined) return typeof value === "boolean" ? value : interpretBoolean(value);
    }
    return false;
  }

  /** Files that a section of the configuration names with includeconf. */
  includes(section: string): string[] {
    return new Span(this.#sections.get(section)?.get("includeconf") ?? []).values.map(asText);
  }

  /** The options for the log, secrets masked. */
  describe(): string[] {
    const lines: string[] = [];
    const add = (what: string, section: string, options: ReadonlyMap<string, readonly SettingValue[]>) => {
      for (const [name, values] of [...options].sort(([a], [b]) => (a < b ? -1 : 1))) {
        for (const value of values)
          lines.push(`${what} ${section}${name}=${this.#describeValue(name, value)}`);
      }
    };
    for (const [section, options] of [...this.#sections].sort(([a], [b]) => (a < b ? -1 : 1))) {
      add("Config file arg:", section === "" ? "" : `[${section}] `, options);
    }
    for (const [name, { text }] of this.#settingsFile) {
      const isSecret = this.#spec(name)?.sensitive === true;
      lines.push(`Setting file arg: ${name} = ${isSecret ? "****" : text}`);
    }
    add("Command-line arg:", "", this.#commandLine);
    return lines;
  }

  #describeValue(name: string, value: SettingValue): string {
    return this.#spec(name)?.sensitive === true ? "****" : JSON.stringify(value);
  }
}

function isFile(source: Source): boolean {
  return source === "section" || source === "default-section";
}

function append(map: Map<string, SettingValue[]>, name: string, value: SettingValue): void {
  const values = map.get(name);
  if (values === undefined) map.set(name, [value]);
  else values.push(value);
}

function splitValue(text: string): [string, string | undefined] {
  const at = text.indexOf("=");
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}
