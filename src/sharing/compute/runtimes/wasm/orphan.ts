/** For a test: a parent that runs an endless module, prints its child's number, and waits to be killed. */
import { systemClock } from "#base/lib/clock.ts";
import { endlessLoop } from "../../core/test-modules.ts";
import { WasmPool } from "./wasm-pool.ts";

const pool = new WasmPool({ lanes: 1 }, { clock: systemClock });
const limits = { memoryBytes: 2 ** 20, outputBytes: 0, traceBytes: 0, milliseconds: 60_000 };
void pool.run(
  {
    owner: "stranger",
    code: { id: "loop", bytes: async () => endlessLoop },
    inputs: [],
    params: new Uint8Array(0),
    seed: new Uint8Array(32),
    limits,
  },
  new AbortController().signal,
);
// The module needs a moment to be in its loop; the number is told when it surely is.
setTimeout(() => process.stdout.write(String(pool.processes[0])), 1500);
setInterval(() => {}, 1000);
