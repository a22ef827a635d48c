import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const ROOT = join(import.meta.dirname, "..", "..");
const SHARED = join(ROOT, "..", "shared", "vectors");

/** Path of a vector file under ../shared/vectors, or `undefined` where that folder is not beside the checkout. */
export function sharedVector(name: string): string | undefined {
  const path = join(SHARED, name);
  return existsSync(path) ? path : undefined;
}

/** Path of a file in the package bitcore-lib, whose test data is an older copy of Bitcoin Core's vectors. */
export function bitcoreVector(name: string): string {
  const entry = createRequire(import.meta.url).resolve("bitcore-lib");
  return join(dirname(entry), "test", "data", name);
}

/** What a test prints when it is skipped for want of ../shared. */
export const NO_SHARED = "the vectors of ../shared are not here";
