/**
 * Compiles the kernels: kernels/<name>/<name>.ts, with what it imports, to kernels/<name>/<name>.wasm. The
 * results are checked in, so that nobody needs the compiler to run Freehold; check-kernels.ts proves them equal
 * to their sources.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** The part of the compiler's interface used here. Its own types bring AssemblyScript's globals along, so they are kept out. */
interface Compiler {
  main(
    args: readonly string[],
    api: {
      readFile(path: string, base: string): string | null;
      writeFile(path: string, contents: Uint8Array | string): void;
    },
  ): Promise<{ error: Error | null; stderr: { toString(): string } }>;
}

async function loadCompiler(): Promise<Compiler> {
  const name: string = "assemblyscript/asc";
  return (await import(name)) as Compiler;
}

/** Folder of the kernels. */
export const KERNELS = join(import.meta.dirname, "..", "kernels");

/** Names of all kernels. */
export function kernelNames(): string[] {
  const folders = readdirSync(KERNELS, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return folders
    .map((entry) => entry.name)
    .filter((name) => existsSync(join(KERNELS, name, `${name}.ts`)))
    .sort();
}

/**
 * Compiles one kernel. The same bytes come out on every machine: paths are relative to kernels/, and the
 * compiler's version is pinned in package.json.
 * @param edit changes the text of a source file before it is compiled, for tests that need a kernel that is not ours
 * @throws Error with the compiler's messages.
 */
export async function compileKernel(
  name: string,
  edit: (path: string, text: string) => string = (_path, text) => text,
): Promise<Uint8Array> {
  const output = "out.wasm";
  let binary: Uint8Array | undefined;
  const compiler = await loadCompiler();
  const { error, stderr } = await compiler.main(
    [
      `${name}/${name}.ts`,
      ...["--baseDir", KERNELS],
      ...["--outFile", output],
      "-O3",
      ...["--runtime", "stub"],
      "--noAssert",
      ...["--enable", "simd"],
      // A variant of another kernel, for engines that have it.
      ...(name.endsWith("-relaxed") ? ["--enable", "relaxed-simd"] : []),
      ...["--initialMemory", "1"],
    ],
    {
      readFile: (path, base) => {
        const file = join(base, path);
        return existsSync(file) ? edit(path, readFileSync(file, "utf8")) : null;
      },
      writeFile: (path, contents) => {
        if (path === output && typeof contents !== "string") binary = contents;
      },
    },
  );
  if (error !== null || binary === undefined) throw new Error(`kernel ${name}: ${stderr.toString()}`);
  return binary;
}

if (import.meta.main) {
  for (const name of kernelNames()) {
    const binary = await compileKernel(name);
    writeFileSync(join(KERNELS, name, `${name}.wasm`), binary);
    console.log(`kernels/${name}/${name}.wasm: ${binary.length} bytes`);
  }
}
