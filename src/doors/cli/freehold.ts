/** `freehold` as a program. The cache comes first, so that all that follows is compiled once and not each time. */
import { enableCompileCache } from "node:module";

enableCompileCache();
await import("./freehold-program.ts");
