/** For a test: a parent that runs an endless module, prints its child's number, and waits to be killed. */
import { readFileSync } from "node:fs";
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

/** Seconds of processor time that a process has used (Linux counts hundredths). */
function processorTime(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ")[1]!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

// The module is surely in its loop when its process has used far more than a start takes.
const look = setInterval(() => {
  const [pid] = pool.processes;
  if (pid === undefined || processorTime(pid) < 1.5) return;
  clearInterval(look);
  process.stdout.write(String(pid));
}, 50);
setInterval(() => {}, 1000);
