/** The daemon of `freehold start` as a program. The cache comes first, so that all that follows is compiled once and not each time. */
import { enableCompileCache } from "node:module";

enableCompileCache();
const { FREEHOLD, runDaemon } = await import("./daemon.ts");

process.exitCode = await runDaemon(process.argv.slice(2), FREEHOLD);
// Nothing may keep a node alive that has ended: its locks and ports are free.
process.exit();
