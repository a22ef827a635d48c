/**
 * Proves that each checked-in kernels/<name>/<name>.wasm is what its source compiles to, byte for byte, and that
 * it has no imports: a kernel is numbers in, numbers out. Exits 1 otherwise. Mended by `npm run kernels`.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { compileKernel, KERNELS, kernelNames } from "./build-kernels.ts";

/** What is wrong with a kernel; empty when nothing is. */
async function problemsOf(name: string): Promise<string[]> {
  const file = `kernels/${name}/${name}.wasm`;
  let present: Uint8Array<ArrayBuffer>;
  try {
    present = new Uint8Array(readFileSync(join(KERNELS, name, `${name}.wasm`)));
  } catch {
    return [`${file}: is missing; run npm run kernels`];
  }
  const problems: string[] = [];
  const built = await compileKernel(name);
  if (Buffer.compare(built, present) !== 0) {
    problems.push(`${file}: is not what its source compiles to; run npm run kernels`);
  }
  const imports = WebAssembly.Module.imports(new WebAssembly.Module(present));
  if (imports.length > 0) problems.push(`${file}: has imports: ${JSON.stringify(imports)}`);
  return problems;
}

const names = kernelNames();
const problems: string[] = [];
for (const name of names) problems.push(...(await problemsOf(name)));
for (const problem of problems) console.error(problem);
console.log(`kernels: ${names.length} rebuilt, ${problems.length} problems`);
process.exitCode = problems.length === 0 ? 0 : 1;
