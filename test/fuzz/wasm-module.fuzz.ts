import {
  echoCommand,
  echoKernel,
  endlessRecursion,
  floodCommand,
  i32,
  kernel,
  memoryHog,
  openCommand,
} from "#sharing/compute/core/test-modules.ts";
import { checkModule } from "#sharing/compute/core/wasm-module.ts";
import type { FuzzTarget } from "./fuzz.ts";

const LIMIT = 2 ** 24;

/** A stranger's module: whatever passes the check is still the engine's to refuse, and asks for no more than its limit. */
export const target: FuzzTarget = {
  name: "wasm module",
  seeds: [
    echoCommand,
    echoKernel(16),
    endlessRecursion,
    floodCommand,
    memoryHog,
    openCommand("in/0"),
    kernel({
      run: [0xfd, 12, ...new Array(16).fill(1), 0xfd, 21, 0],
      trace: { at: 0, length: 32, leaf: 16 },
    }),
    kernel({ run: [0x44, 0, 0, 0, 0, 0, 0, 0, 0, 0x1a, 0x42, 0x7f, 0x1a, 0x0e, 1, 0, 0, ...i32(0)] }),
    kernel({ extra: { 4: [1, 0x70, 0, 1], 9: [1, 0, 0x41, 0, 0x0b, 1, 0] } }),
  ],
  run(input) {
    const verdict = checkModule(input, LIMIT);
    if (!verdict.ok) return;
    if (verdict.module.initialPages * 65_536 > LIMIT) throw new Error("more memory than the limit");
    // Checking what was checked changes nothing: the engine sees what we saw.
    const again = checkModule(verdict.module.bytes, LIMIT);
    if (!again.ok || Buffer.compare(again.module.bytes, verdict.module.bytes) !== 0) {
      throw new Error("the rewritten module is not what was checked");
    }
    let module: WebAssembly.Module;
    try {
      module = new WebAssembly.Module(verdict.module.bytes);
    } catch (error) {
      if ((error as Error).name === "CompileError") return;
      throw error;
    }
    const imports = WebAssembly.Module.imports(module) as { kind: string; module: string }[];
    for (const { kind, module: from } of imports) {
      if (kind !== "function" || from !== "wasi_snapshot_preview1") throw new Error("a foreign import");
    }
  },
};
