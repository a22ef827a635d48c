/**
 * Sizes of the parts that an object was put together from, as text beside its headers in the log: runs of equal sizes,
 * `16777216*639 1234`. A program that does not know of them passes over them.
 */
import type { PartRun } from "../file-store.ts";
import type { Attributes } from "./log-entry.ts";

/** Its name among the headers of an object, none of which is called so. */
export const PART_SIZES = "partSizes";
/** Longest text: as of a header. Some 900 parts, each of another size than the one before; of equal ones any number. */
const MAX_TEXT = 8192;

/** Headers that also tell the sizes; as they are where the sizes change so often that they have no room. */
export function withPartSizes(
  headers: Attributes | undefined,
  sizes: readonly number[],
): Attributes | undefined {
  const runs: { size: number; count: number }[] = [];
  for (const size of sizes) {
    const last = runs.at(-1);
    if (last?.size === size) last.count++;
    else runs.push({ size, count: 1 });
  }
  const text = runs.map(({ size, count }) => (count === 1 ? `${size}` : `${size}*${count}`)).join(" ");
  return text.length > MAX_TEXT ? headers : { ...headers, [PART_SIZES]: text };
}

/** Undefined where it does not add up to the object: then nothing is known. */
export function readPartSizes(text: string, objectSize: number): readonly PartRun[] | undefined {
  const runs: PartRun[] = [];
  let sum = 0;
  for (const run of text.split(" ")) {
    const found = /^(\d{1,15})(?:\*(\d{1,5}))?$/.exec(run);
    if (found === null) return undefined;
    const size = Number(found[1]);
    const count = Number(found[2] ?? 1);
    sum += size * count;
    runs.push({ size, count });
  }
  return sum === objectSize ? runs : undefined;
}
