/**
 * Reads a compiled kernel from kernels/<name>/<name>.wasm. The only place that knows where they lie: a browser
 * build replaces this file.
 */
import { readFileSync } from "node:fs";

const modules = new Map<string, WebAssembly.Module>();

/**
 * A new instance of a kernel, with a memory of its own; the compiled code is shared within the thread. Kernels have
 * no imports.
 * @returns what it exports; that `Exports` says it truly is for the caller to see to.
 */
export function newKernel<Exports>(name: string): Exports {
  return new WebAssembly.Instance(kernelModule(name), {}).exports as Exports;
}

function kernelModule(name: string): WebAssembly.Module {
  let module = modules.get(name);
  if (module === undefined) {
    const file = new URL(`../../../kernels/${name}/${name}.wasm`, import.meta.url);
    module = new WebAssembly.Module(readFileSync(file));
    modules.set(name, module);
  }
  return module;
}
