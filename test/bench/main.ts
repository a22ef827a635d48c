/**
 * `npm run bench -- <name> [argument…]`: runs test/bench/<name>.ts, a module that exports `name` and `run`; without a
 * name, says what there is.
 */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

/** What a benchmark exports. */
export interface Benchmark {
  /** One line on what it measures. */
  readonly name: string;
  run(args: readonly string[]): void | Promise<void>;
}

function isBenchmark(module: object): module is Benchmark {
  return "run" in module && typeof module.run === "function" && "name" in module;
}

const [wanted, ...args] = process.argv.slice(2);
const path = wanted === undefined ? undefined : join(import.meta.dirname, `${wanted}.ts`);
if (path === undefined || wanted === "main" || !/^[\w-]+$/.test(wanted!) || !existsSync(path)) {
  const names = readdirSync(import.meta.dirname).filter((file) => file.endsWith(".ts") && file !== "main.ts");
  console.log(`npm run bench -- <${names.map((file) => file.slice(0, -3)).join(" | ")}>`);
  process.exitCode = wanted === undefined ? 0 : 1;
} else {
  const module: object = await import(path);
  if (isBenchmark(module)) {
    console.log(module.name);
    await module.run(args);
  }
}
