/**
 * Long random runs by hand: `npm run soak` lists them, `npm run soak -- <name> [arguments]` does one in full.
 * Each is a module test/soak/<name>.ts that exports `run(args)`; a failed run throws.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";

const folder = join(import.meta.dirname, "soak");
const names = readdirSync(folder)
  .filter((file) => file.endsWith(".ts"))
  .map((file) => file.slice(0, -3));
const [name, ...args] = process.argv.slice(2);
if (name === undefined || !names.includes(name)) {
  console.log(`Usage: npm run soak -- <name> [arguments]\nNames: ${names.join(", ")}`);
  process.exitCode = name === undefined ? 0 : 2;
} else {
  const module = (await import(join(folder, `${name}.ts`))) as { run(args: string[]): Promise<void> };
  await module.run(args);
}
