import { type Json, type JsonObject, parseExact } from "#base/lib/json.ts";
import { CONVERSIONS } from "./conversions.ts";

type Format = "string" | "json" | "json-or-string";

function formatOf(method: string, match: (names: readonly string[], position: number) => boolean): Format {
  for (const [position, entry] of (CONVERSIONS[method] ?? []).entries()) {
    const mark = entry[0];
    const names = (mark === "=" || mark === "?" ? entry.slice(1) : entry).split("|");
    if (match(names, position)) return mark === "=" ? "json" : mark === "?" ? "json-or-string" : "string";
  }
  return "string";
}

function convert(text: string, format: Format): Json {
  if (format === "string") return text;
  try {
    return parseExact(text);
  } catch {
    if (format === "json-or-string") return text;
    throw new Error(`Error parsing JSON: ${text}`);
  }
}

/** Arguments by position, each as JSON or as a string by the method's table. @throws Error for the user. */
export function convertPositional(method: string, args: readonly string[]): Json[] {
  return args.map((arg, at) =>
    convert(
      arg,
      formatOf(method, (_names, position) => position === at),
    ),
  );
}

/** Arguments of the form `name=value`; those without `=` go by position, in the member `args`. */
export function convertNamed(method: string, args: readonly string[]): JsonObject {
  const named: JsonObject = {};
  const positional: Json[] = [];
  for (const arg of args) {
    const at = arg.indexOf("=");
    if (at < 0) {
      const index = positional.length;
      positional.push(
        convert(
          arg,
          formatOf(method, (_names, position) => position === index),
        ),
      );
      continue;
    }
    const name = arg.slice(0, at);
    named[name] = convert(
      arg.slice(at + 1),
      formatOf(method, (names) => names.includes(name)),
    );
  }
  if (positional.length > 0) named["args"] = positional;
  return named;
}
