/** Words of a command line as arguments of a call (Core's rpc/client.cpp). */
import type { Json, JsonObject } from "#base/lib/json.ts";
import { parseExact } from "#base/lib/parse-json.ts";
import { CONVERSIONS } from "./conversions.ts";

/** How a word is read; `bare` strings are not in the table. */
type Format = "bare" | "string" | "json" | "json-or-string";

const MARKS: Readonly<Record<string, Format>> = { $: "string", "=": "json", "?": "json-or-string" };

interface Parameter {
  readonly position: number;
  readonly name: string;
  readonly format: Format;
}

/** The parameters of a method that the table knows, in its order. */
function parametersOf(method: string): Parameter[] {
  if (!Object.hasOwn(CONVERSIONS, method)) return [];
  return CONVERSIONS[method]!.split(" ").flatMap((word, position) =>
    word.split("|").flatMap((entry): Parameter[] => {
      const format = MARKS[entry.charAt(0)];
      return format === undefined ? [] : [{ position, name: entry.slice(1), format }];
    }),
  );
}

function convert(text: string, format: Format | undefined): Json {
  if (format !== "json" && format !== "json-or-string") return text;
  const value = tryParse(text);
  if (value !== undefined) return value;
  if (format === "json-or-string") return text;
  throw new Error(`Error parsing JSON: ${text}`);
}

function tryParse(text: string): Json | undefined {
  try {
    return parseExact(text);
  } catch {
    return undefined;
  }
}

/** Arguments by position, each as JSON or as a string by the method's table. @throws Error for the user. */
export function convertPositional(method: string, args: readonly string[]): Json[] {
  const parameters = parametersOf(method);
  return args.map((arg, at) => convert(arg, parameters.find(({ position }) => position === at)?.format));
}

/**
 * Arguments of the form `name=value`; those without `=` go by position, in the member `args`. So does a word whose
 * name is not known, where the next position takes a string with `=`, or JSON that the word is.
 * @throws Error for the user.
 */
export function convertNamed(method: string, args: readonly string[]): JsonObject {
  const parameters = parametersOf(method);
  const named: JsonObject = {};
  const positional: Json[] = [];
  for (const arg of args) {
    const at = arg.indexOf("=");
    const next = parameters.find(({ position }) => position === positional.length)?.format;
    if (at < 0) {
      positional.push(convert(arg, next));
      continue;
    }
    const name = arg.slice(0, at);
    const format = parameters.find((parameter) => parameter.name === name)?.format;
    if (format === undefined && next === "string") positional.push(arg);
    else {
      const whole = format === undefined && next === "json" ? tryParse(arg) : undefined;
      if (whole !== undefined) positional.push(whole);
      else named[name] = convert(arg.slice(at + 1), format);
    }
  }
  // A member `args` that was given by name stays as it is.
  if (positional.length > 0 && named["args"] === undefined) named["args"] = positional;
  return named;
}
