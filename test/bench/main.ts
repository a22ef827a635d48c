/**
 * `npm run bench -- <name> [argument…]`: runs test/bench/<name>.ts, a module that exports `name` and `run`; without a
 * name, says what there is.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** What a benchmark exports. */
export interface Benchmark {
  /** One line on what it measures. */
  readonly name: string;
  run(args: readonly string[]): void | Promise<void>;
}

/** Benchmarks by their file's name: others of the folder are parts of one, and some run when they are loaded. */
function benchmarks(): string[] {
  const files = readdirSync(import.meta.dirname).filter((file) => file.endsWith(".ts"));
  const isOne = (file: string) =>
    /^export const name = /m.test(readFileSync(join(import.meta.dirname, file), "utf8"));
  return files.filter(isOne).map((file) => file.slice(0, -3));
}

const [wanted, ...args] = process.argv.slice(2);
const known = benchmarks();
if (wanted === undefined || !known.includes(wanted)) {
  console.log(`npm run bench -- <${known.join(" | ")}>`);
  process.exitCode = wanted === undefined ? 0 : 1;
} else {
  const benchmark = (await import(join(import.meta.dirname, `${wanted}.ts`))) as Benchmark;
  console.log(benchmark.name);
  await benchmark.run(args);
}
