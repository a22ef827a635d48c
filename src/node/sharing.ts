/**
 * The sharing process as a program: mesh, content, deals, storage, compute and the S3 door. It is started by the
 * ledger's process alone, over file descriptor 3, and ends with it. The cache comes first, so that all that follows is
 * compiled once and not each time.
 */
import { enableCompileCache } from "node:module";
import { Socket } from "node:net";

enableCompileCache();
const { serveSharing } = await import("./sharing-process.ts");

const ended = await serveSharing(new Socket({ fd: 3, readable: true, writable: true }));
if (ended !== "stopped") process.stderr.write(`${ended}\n`);
// Whatever still waits for a peer has lost its purpose.
process.exit(ended === "stopped" ? 0 : 1);
