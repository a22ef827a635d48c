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
const LIBRARY = join(NATIVE, "secp256k1.node");
const LOG = join(NATIVE, "build.log");

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

/** Builds the add-on. @returns what happened, for the log. */
function build(): string {
  const bcrypto = packageFolder("bcrypto");
  const headers = packageFolder("node-api-headers");
  if (process.platform === "win32") return "not built: no build for Windows";
  if (bcrypto === undefined || headers === undefined) {
    return "not built: the optional packages bcrypto and node-api-headers are not installed";
  }
  const library = join(bcrypto, "deps", "secp256k1");
  if (!existsSync(join(library, "src", "secp256k1.c"))) return `not built: no libsecp256k1 in ${library}`;
  const temporary = `${LIBRARY}.${process.pid}`;
  try {
    const compiler = process.env["CC"] || "cc";
    const run = spawnSync(compiler, compilerArguments(library, join(headers, "include"), temporary), {
      encoding: "utf8",
      timeout: 120_000,
      maxBuffer: 64 << 20,
    });
    if (run.error !== undefined) return `not built: ${compiler}: ${run.error.message}`;
    if (run.status !== 0) return `not built: ${compiler} ended with ${run.status}\n${run.stderr}`;
    renameSync(temporary, LIBRARY);
    return `built ${LIBRARY} with ${compiler}`;
  } finally {
    rmSync(temporary, { force: true });
  }
}

let report: string;
try {
  // An older library must not outlive a failed build of a newer source.
  rmSync(LIBRARY, { force: true });
  report = build();
} catch (error) {
  report = `not built: ${error instanceof Error ? error.message : String(error)}`;
}
try {
  writeFileSync(LOG, `${new Date().toISOString()} ${report}\n`);
} catch {
  // A read-only checkout: the add-on is only an optimisation.
}
process.exitCode = 0;
