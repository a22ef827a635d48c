/**
 * Runs every test of the house: `npm test`, or `npm test -- <path part>…` for some. Prints what was skipped and
 * why. With FREEHOLD_NO_SKIP=1 (as .ci/run sets it, after it installed everything) a skipped test is a failure.
 */
import { globSync } from "node:fs";
import { join } from "node:path";
import { run } from "node:test";
import { spec } from "node:test/reporters";

const root = join(import.meta.dirname, "..");
const wanted = process.argv.slice(2);
const files = globSync(["src/**/*.test.ts", "test/**/*.test.ts", "tools/**/*.test.ts", "demo/**/*.test.ts"], {
  cwd: root,
  exclude: (path) => path.includes("node_modules") || path.includes(".installed"),
})
  .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)))
  .sort()
  .map((file) => join(root, file));

let passed = 0;
let failed = 0;
const skipped: string[] = [];

const stream = run({ files, concurrency: 2, timeout: 900_000, cwd: root });
stream.on("test:pass", (event) => {
  if (event.details.type === "suite") return;
  if (event.skip !== undefined && event.skip !== false) {
    skipped.push(`${event.name}: ${event.skip === true ? "no reason given" : event.skip}`);
  } else passed++;
});
stream.on("test:fail", (event) => {
  if (event.details.type !== "suite") failed++;
});
stream.compose(new spec()).pipe(process.stdout);
stream.on("end", () => {
  // After the reporter's own summary, which ends with the details of failures.
  setImmediate(() => {
    for (const line of skipped) console.log(`skipped: ${line}`);
    const forbidden = process.env["FREEHOLD_NO_SKIP"] === "1" && skipped.length > 0;
    if (forbidden)
      console.log("Skipped tests count as failures here: everything they need was to be installed.");
    console.log(`${passed} passed, ${failed} failed, ${skipped.length} skipped`);
    process.exitCode = failed > 0 || forbidden || passed === 0 ? 1 : 0;
  });
});
