/** What the parts of WASI share. */
import type { Errno } from "./wasi-errno.ts";

/** A function as the module calls it; every 32-bit number is unsigned by then. */
export type WasiCall = (...args: never[]) => Errno;

/** What the module's clock always shows: 2000-01-01T00:00:00Z in nanoseconds. */
export const FIXED_TIME = 946_684_800_000_000_000n;
/** Longest list of vectors or subscriptions. */
export const MAX_LIST = 1024;
