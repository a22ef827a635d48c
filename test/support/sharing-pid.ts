/** Finds a node's sharing process, which nobody but its parent is told of. */
import { readdirSync, readFileSync } from "node:fs";

/** The process id of the sharing process of a ledger's process; undefined where it has none now. Linux alone. */
export function sharingPidOf(main: number): number | undefined {
  for (const name of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry))) {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "utf8");
      const [, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      if (Number(parent) !== main) continue;
      if (readFileSync(`/proc/${name}/cmdline`, "utf8").includes("sharing.ts")) return Number(name);
    } catch {
      // It has just ended.
    }
  }
  return undefined;
}
