/** The sharing process of a dishonest peer: as the node's own, but that its tiles are false (FREEHOLD_TAMPERING says how). */
import { Socket } from "node:net";
import { serveSharing } from "#node/sharing-process.ts";
import { TAMPERINGS, TamperedRunner } from "./tampering.ts";

const tampering = TAMPERINGS.find((kind) => kind === process.env["FREEHOLD_TAMPERING"]) ?? "skip";
const ended = await serveSharing(new Socket({ fd: 3, readable: true, writable: true }), {
  providerRunner: (honest) => new TamperedRunner(honest, tampering),
});
process.exit(ended === "stopped" ? 0 : 1);
