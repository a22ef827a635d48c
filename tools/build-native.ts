/**
 * Builds the optional add-on src/base/crypto/native/secp256k1.c with the machine's C compiler, from the
 * libsecp256k1 source in the package bcrypto. Run by the root `install` script: it always exits 0, says what it
 * did in native/build.log, and never leaves half a library behind. Without it signature checks run through
 * prebuilt packages, more slowly.
 */
import { spawnSync } from "node:child_process";
import { existsSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const NATIVE = join(import.meta.dirname, "..", "src", "base", "crypto", "native");
const SOURCE = join(NATIVE, "secp256k1.c");

/**
 * How that version of libsecp256k1 is built without its configure script. The last four matter for speed; the
 * ENABLE ones for Schnorr signatures.
 */
const DEFINES = [
  "USE_NUM_NONE=1",
  "USE_FIELD_INV_BUILTIN=1",
  "USE_SCALAR_INV_BUILTIN=1",
  "ENABLE_MODULE_EXTRAKEYS=1",
  "ENABLE_MODULE_SCHNORRSIG=1",
  "USE_ENDOMORPHISM=1",
  "ECMULT_WINDOW_SIZE=15",
  "ECMULT_GEN_PREC_BITS=4",
];

/** Folder of an installed package, `undefined` where it is not installed. */
function packageFolder(name: string): string | undefined {
  try {
    return dirname(createRequire(import.meta.url).resolve(`${name}/package.json`));
  } catch {
    return undefined;
  }
}

/** Arguments of the compiler. @param output where the library is written. */
function compilerArguments(library: string, headers: string, output: string): string[] {
  const shared =
    process.platform === "darwin" ? ["-bundle", "-undefined", "dynamic_lookup"] : ["-shared", "-fPIC"];
  const folders = [library, join(library, "src"), join(library, "include"), headers];
  return [
    "-O3",
    ...shared,
    "-fvisibility=hidden",
    "-w",
    ...DEFINES.map((define) => `-D${define}`),
    ...folders.map((folder) => `-I${folder}`),
    SOURCE,
    "-o",
    output,
  ];
}

/**
 * Builds secp256k1.node in a folder, in place of what was there: an older library must not outlive a failed
 * build of a newer source.
 * @returns what happened, for the log. Never throws.
 */
export function buildAddon(folder: string, compiler: string): string {
  const library = join(folder, "secp256k1.node");
  const temporary = `${library}.${process.pid}`;
  try {
    rmSync(library, { force: true });
    const refusal = compile(compiler, temporary);
    if (refusal !== undefined) return `not built: ${refusal}`;
    renameSync(temporary, library);
    return `built ${library} with ${compiler}`;
  } catch (error) {
    return `not built: ${error instanceof Error ? error.message : String(error)}`;
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** Compiles to `output`. @returns why not, `undefined` when it did. */
function compile(compiler: string, output: string): string | undefined {
  if (process.platform === "win32") return "no build for Windows";
  const bcrypto = packageFolder("bcrypto");
  const headers = packageFolder("node-api-headers");
  if (bcrypto === undefined || headers === undefined) {
    return "the optional packages bcrypto and node-api-headers are not installed";
  }
  const source = join(bcrypto, "deps", "secp256k1");
  if (!existsSync(join(source, "src", "secp256k1.c"))) return `no libsecp256k1 in ${source}`;
  const run = spawnSync(compiler, compilerArguments(source, join(headers, "include"), output), {
    encoding: "utf8",
    timeout: 120_000,
    maxBuffer: 64 << 20,
  });
  if (run.error !== undefined) return `${compiler}: ${run.error.message}`;
  if (run.status !== 0) return `${compiler} ended with ${run.status}\n${run.stderr}`;
  return undefined;
}

if (import.meta.main) {
  const report = buildAddon(NATIVE, process.env["CC"] || "cc");
  try {
    writeFileSync(join(NATIVE, "build.log"), `${new Date().toISOString()} ${report}\n`);
  } catch {
    // A read-only checkout: the add-on is only an optimisation.
  }
  process.exitCode = 0;
}
