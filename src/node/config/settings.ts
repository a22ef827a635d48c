/**
 * Options from the command line and configuration files, with Core's precedence and negation (common/args.cpp,
 * common/settings.cpp): the command line before a network's section before the unnamed section; on the command
 * line the last value wins, in a file the first; `-noname` clears what came before it.
 */
import { OPTIONS, type OptionSpec } from "./options.ts";

/** A value as given: text, or the boolean that negation stands for. */
export type SettingValue = string | boolean;

/** Bad options: the text is shown as `Error: <text>` and the program ends with exit code 1. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** Splits `regtest.nolisten` into section, name and whether it is negated. */
export function interpretKey(text: string): { section: string; name: string; negated: boolean } {
  const dot = text.indexOf(".");
  const section = dot < 0 ? "" : text.slice(0, dot);
  const rest = dot < 0 ? text : text.slice(dot + 1);
  const negated = rest.startsWith("no");
  return { section, name: negated ? rest.slice(2) : rest, negated };
}

/** As C's atoi: the leading integer, 0 where there is none. */
export function leadingInteger(text: string): number {
  const match = /^\s*([+-]?\d+)/.exec(text);
  return match === null ? 0 : Number(match[1]);
}

/** An empty value means true, a number its truth, anything else false. */
export function interpretBoolean(text: string): boolean {
  return text === "" || leadingInteger(text) !== 0;
}

function interpretValue(
  name: string,
  negated: boolean,
  spec: OptionSpec,
  value: string | undefined,
): SettingValue {
  if (!negated) return value ?? "";
  if (spec.noNegation) throw new ConfigError(`Negating of -${name} is meaningless and therefore forbidden`);
  // A double negative, -nofoo=0, says yes.
  return value !== undefined && !interpretBoolean(value);
}

/** The values of one option in one source, with what negation cleared left out. */
class Span {
  readonly values: readonly SettingValue[];
  readonly negations: number;
  readonly lastNegated: boolean;

  constructor(all: readonly SettingValue[]) {
    this.negations = all.lastIndexOf(false) + 1;
    this.values = all.slice(this.negations);
    this.lastNegated = all.length > 0 && all.at(-1) === false;
  }
}

type OptionTable = Readonly<Record<string, OptionSpec>>;

/** All options of this run. */
export class Settings {
  readonly #options: OptionTable;
  readonly #commandLine = new Map<string, SettingValue[]>();
  readonly #sections = new Map<string, Map<string, SettingValue[]>>();
  readonly #soft = new Map<string, string>();
  /** Section of the chosen network (`main`, `test`, `testnet4`, `signet`, `regtest`, or a custom name). */
  network = "main";
  /** What was odd but no error, for the log. */
  readonly warnings: string[] = [];

  constructor(options: OptionTable = OPTIONS) {
    this.#options = options;
  }

  #spec(name: string): OptionSpec | undefined {
    return Object.hasOwn(this.#options, name) ? this.#options[name] : undefined;
  }

  /**
   * Reads arguments such as `-name`, `--name=value`, `-noname`.
   * @throws ConfigError for what Core refuses.
   */
  readCommandLine(args: readonly string[]): void {
    for (const arg of args) {
      if (!arg.startsWith("-") || arg === "-") {
        throw new ConfigError(
          `Command line contains unexpected token '${arg}', see bitcoind -h for a list of options.`,
        );
      }
      const [key, value] = splitValue(arg.replace(/^--?/, ""));
      const { section, name, negated } = interpretKey(key);
      const spec = this.#spec(name);
      if (spec === undefined || section !== "") {
        throw new ConfigError(`Error parsing command line arguments: Invalid parameter ${arg}`);
      }
      if (name === "includeconf" && !negated) {
        throw new ConfigError(
          `Error parsing command line arguments: -includeconf cannot be used from commandline; -includeconf=${JSON.stringify(value ?? "")}`,
        );
      }
      append(this.#commandLine, name, interpretValue(name, negated, spec, value));
    }
  }

  /** Adds what a configuration file says. @throws ConfigError */
  addFileOption(key: string, value: string): void {
    const { section, name, negated } = interpretKey(key);
    const spec = this.#spec(name);
    if (name === "conf") {
      throw new ConfigError(
        "conf cannot be set in the configuration file; use includeconf= if you want to include additional config files",
      );
    }
    if (spec === undefined) {
      this.warnings.push(`Ignoring unknown configuration value ${key}`);
      return;
    }
    let options = this.#sections.get(section);
    if (options === undefined) {
      options = new Map();
      this.#sections.set(section, options);
    }
    append(options, name, interpretValue(name, negated, spec, value));
  }

  /** Sets a value that applies only where nobody gave one (Core's SoftSetArg). */
  softSet(name: string, value: string | boolean): void {
    if (!this.isSet(name) && !this.#soft.has(name)) {
      this.#soft.set(name, typeof value === "string" ? value : value ? "1" : "0");
    }
  }

  /** Sources in order of precedence. */
  #spans(name: string): { span: Span; isFile: boolean }[] {
    const spans = [{ span: new Span(this.#commandLine.get(name) ?? []), isFile: false }];
    const add = (section: string) => {
      const values = this.#sections.get(section)?.get(name);
      if (values !== undefined) spans.push({ span: new Span(values), isFile: true });
    };
    add(this.network);
    if (this.#spec(name)?.networkOnly !== true || this.network === "main") add("");
    return spans;
  }

  #value(name: string): SettingValue | undefined {
    if (this.#spec(name) === undefined) throw new Error(`no option -${name} is declared`);
    for (const { span, isFile } of this.#spans(name)) {
      if (span.values.length > 0) return isFile ? span.values[0] : span.values.at(-1);
      if (span.lastNegated) return false;
    }
    return this.#soft.get(name);
  }

  isSet(name: string): boolean {
    return this.#spans(name).some(({ span }) => span.values.length > 0 || span.lastNegated);
  }

  isNegated(name: string): boolean {
    return this.#value(name) === false;
  }

  string(name: string): string | undefined;
  string(name: string, otherwise: string): string;
  string(name: string, otherwise?: string): string | undefined {
    const value = this.#value(name);
    if (value === undefined) return otherwise;
    return typeof value === "string" ? value : value ? "1" : "0";
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

  /** Every value of an option that may be given several times, over all sources. */
  list(name: string): string[] {
    const all: string[] = [];
    for (const { span } of this.#spans(name)) {
      for (const value of span.values) all.push(typeof value === "string" ? value : value ? "1" : "0");
      if (span.negations > 0) return all;
    }
    if (all.length === 0) {
      const soft = this.#soft.get(name);
      if (soft !== undefined) all.push(soft);
    }
    return all;
  }

  /** Options that stand in the unnamed section though they count for main alone, and nowhere better. */
  misplacedNetworkOptions(): string[] {
    if (this.network === "main") return [];
    const unnamed = this.#sections.get("") ?? new Map<string, SettingValue[]>();
    return [...unnamed.keys()].filter((name) => this.#spec(name)?.networkOnly === true && !this.isSet(name));
  }

  /** Sections that occur in files. */
  get sections(): string[] {
    return [...this.#sections.keys()].filter((section) => section !== "");
  }

  /** Chain options of the command line and the unnamed section, before a network is chosen. */
  chainValue(name: string): SettingValue | undefined {
    const commandLine = new Span(this.#commandLine.get(name) ?? []);
    if (commandLine.values.length > 0) return commandLine.values.at(-1);
    if (commandLine.lastNegated) return false;
    const file = new Span(this.#sections.get("")?.get(name) ?? []);
    // Here Core takes the last value of a file too (backwards compatibility).
    return file.values.length > 0 ? file.values.at(-1) : file.lastNegated ? false : undefined;
  }

  /** The options of the command line for the log, secrets masked. */
  describe(): string[] {
    const lines: string[] = [];
    for (const [name, values] of this.#commandLine) {
      for (const value of values) lines.push(`Command-line arg: ${name}=${this.#describeValue(name, value)}`);
    }
    for (const [section, options] of this.#sections) {
      for (const [name, values] of options) {
        for (const value of values) {
          lines.push(
            `Config file arg: ${section === "" ? "" : `[${section}] `}${name}=${this.#describeValue(name, value)}`,
          );
        }
      }
    }
    return lines;
  }

  #describeValue(name: string, value: SettingValue): string {
    return this.#spec(name)?.sensitive === true ? "****" : JSON.stringify(value);
  }
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
