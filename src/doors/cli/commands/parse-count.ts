import { UsageError } from "../cli-context.ts";

/** A whole number of an option, in `min` … `max`. @throws UsageError that names the option */
export function parseCount(text: string, option: string, min: number, max: number): number {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new UsageError(`${option} ${text}: a whole number from ${min} to ${max} is needed`);
}
