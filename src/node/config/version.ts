import { readFileSync } from "node:fs";
import { join } from "node:path";

/** Freehold's own version, from package.json. */
export const VERSION: string = (
  JSON.parse(readFileSync(join(import.meta.dirname, "../../../package.json"), "utf8")) as {
    version: string;
  }
).version;

/** What old clients take for Core's version in getnetworkinfo. */
export const CLIENT_VERSION = 290000;
/** Version of the p2p protocol that we speak (wtxid relay and all before it). */
export const PROTOCOL_VERSION = 70016;
