/**
 * JSON as Core's UniValue prints it: fractions with sixteen significant digits, its own layout when indented, and
 * numbers that must keep their exact text.
 */

export type Json = string | number | boolean | null | JsonNumber | Json[] | JsonObject;
/** A member that is `undefined` is left out. */
export interface JsonObject {
  [name: string]: Json | undefined;
}

/** A number that is printed exactly as written here. */
export class JsonNumber {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** All members, in order, of parsed objects that have a name twice: the object itself keeps the first of each. */
const repeated = new WeakMap<JsonObject, readonly [string, Json][]>();

/** Remembers what {@link membersOf} tells of an object in which a name stands twice. */
export function keepRepeated(object: JsonObject, members: readonly [string, Json][]): void {
  repeated.set(object, members);
}

/** The members as they were written: a name that was given twice comes twice. */
export function membersOf(object: JsonObject): readonly [string, Json][] {
  const members = repeated.get(object);
  if (members !== undefined) return members;
  return Object.entries(object).filter((member): member is [string, Json] => member[1] !== undefined);
}

/** The JSON text of `value`; `indent` spaces a level, 0 for one line. */
export function stringify(value: Json, indent = 0): string {
  return write(value, indent, 1);
}

function write(value: Json, indent: number, level: number): string {
  if (value === null) return "null";
  if (typeof value === "string") return quote(value);
  if (typeof value === "number") return formatNumber(value);
  if (typeof value === "boolean") return String(value);
  if (value instanceof JsonNumber) return value.text;
  const inner = Array.isArray(value)
    ? value.map((item) => write(item, indent, level + 1))
    : membersOf(value).map(
        ([name, item]) => `${quote(name)}:${indent > 0 ? " " : ""}${write(item, indent, level + 1)}`,
      );
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  if (indent === 0) return `${open}${inner.join(",")}${close}`;
  const lines = inner.map(
    (text, i) => `${" ".repeat(indent * level)}${text}${i < inner.length - 1 ? "," : ""}\n`,
  );
  return `${open}\n${lines.join("")}${" ".repeat(indent * (level - 1))}${close}`;
}

function quote(text: string): string {
  // UniValue also escapes DEL, which JSON.stringify leaves.
  return JSON.stringify(text).replaceAll("\u007f", "\\u007f");
}

/** As C++ prints a double with setprecision(16): `%.16g`. */
export function formatNumber(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e16) return value === 0 ? "0" : String(value);
  const [mantissa, power] = value.toExponential(15).split("e") as [string, string];
  const exponent = Number(power);
  if (exponent < -4 || exponent >= 16) {
    const digits = mantissa.includes(".") ? mantissa.replace(/\.?0+$/, "") : mantissa;
    return `${digits}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
  }
  const text = value.toFixed(Math.max(0, 15 - exponent));
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

/**
 * Decimal text to an integer of 10^-decimals units, as Core's ParseFixedPoint: at most that many decimals,
 * exponents allowed, below 10^18 in magnitude. `undefined` when it is not such a number.
 */
export function parseFixedPoint(text: string, decimals: number): bigint | undefined {
  const match = /^(-?)(0|[1-9]\d*)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text);
  if (match === null) return undefined;
  const [, sign, whole, fraction = "", power = "0"] = match;
  let digits = `${whole}${fraction}`.replace(/^0+/, "");
  let exponent = Number(power) - fraction.length + decimals;
  while (digits.endsWith("0")) {
    digits = digits.slice(0, -1);
    exponent++;
  }
  if (digits === "") return 0n;
  if (exponent < 0 || digits.length + exponent > 18) return undefined;
  const value = BigInt(digits + "0".repeat(exponent));
  return sign === "-" ? -value : value;
}
