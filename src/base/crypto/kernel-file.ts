/**
 * Reads a compiled kernel from kernels/<name>/<name>.wasm. The only place that knows where they lie: a browser
 * build replaces this file.
 */
import { readFileSync } from "node:fs";

const modules = new Map<string, WebAssembly.Module>();

/** The compiled module of a kernel, kept for the thread. Kernels have no imports. */
export function kernelModule(name: string): WebAssembly.Module {
  let module = modules.get(name);
  if (module === undefined) {
    const file = new URL(`../../../kernels/${name}/${name}.wasm`, import.meta.url);
    module = new WebAssembly.Module(readFileSync(file));
    modules.set(name, module);
  }
  return module;
}
