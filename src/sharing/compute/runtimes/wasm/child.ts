/**
 * The process in which strangers' modules run: it reads one request after another from its standard input, answers on
 * its standard output, and holds no file, socket or secret. A module runs on this thread and can block it for good; so
 * a second thread waits on a pipe (descriptor 3) that ends when the parent is gone, and then kills the process.
 */
import process from "node:process";
import { Worker } from "node:worker_threads";
import type { RunOutcome } from "../../core/task-runner.ts";
import type { ReadyHeader, ReplyHeader, RunHeader } from "./child-messages.ts";
import { encodeFrame, FrameReader } from "./frame.ts";
import { type LoadedModule, loadModule, runModule } from "./run-module.ts";

/** The lifeline: a read that returns only when the other end of the pipe is closed. */
const WATCH = `
const { readSync } = require("node:fs");
try { while (readSync(3, new Uint8Array(1)) > 0); } catch {}
process.kill(process.pid, "SIGKILL");
`;

let loaded: { readonly memoryBytes: number; readonly module: LoadedModule } | undefined;
let code: { readonly id: string; readonly bytes: Uint8Array } | undefined;
let held = new Map<string, Uint8Array>();

function run(header: RunHeader, blobs: readonly Uint8Array[]): RunOutcome {
  const rest = [...blobs];
  if (header.sendsCode) code = { id: header.code, bytes: rest.shift()! };
  if (code?.id !== header.code) throw new Error("asked to run code that is not here");
  const inputs = new Map<string, Uint8Array>();
  for (const { id, sent } of header.inputs) {
    inputs.set(id, inputs.get(id) ?? (sent ? rest.shift()! : held.get(id)!));
  }
  held = inputs;
  const { memoryBytes } = header.limits;
  if (header.sendsCode || loaded?.memoryBytes !== memoryBytes) {
    const module = loadModule(code.bytes, memoryBytes);
    if ("ok" in module) {
      loaded = undefined;
      return module;
    }
    loaded = { memoryBytes, module };
  }
  return runModule(loaded.module, {
    params: header.params,
    inputs: header.inputs.map(({ id }) => inputs.get(id)!),
    seed: header.seed,
    limits: header.limits,
    reuse: header.reuse,
  });
}

function reply(outcome: RunOutcome): void {
  const residentBytes = process.memoryUsage.rss();
  const header: ReplyHeader = outcome.ok
    ? {
        ok: true,
        leafLength: outcome.value.leafLength,
        milliseconds: outcome.value.milliseconds,
        residentBytes,
      }
    : { ok: false, code: outcome.failure.code, text: outcome.failure.text, residentBytes };
  const blobs = outcome.ok ? [outcome.value.output, outcome.value.trace] : [];
  for (const piece of encodeFrame({ header, blobs })) process.stdout.write(piece);
}

new Worker(WATCH, {
  eval: true,
  env: {},
  stdin: false,
  resourceLimits: { maxOldGenerationSizeMb: 16 },
}).unref();
const reader = new FrameReader(() => Number.MAX_SAFE_INTEGER);
const ready: ReadyHeader = { ready: true };
for (const piece of encodeFrame({ header: ready, blobs: [] })) process.stdout.write(piece);
process.stdin.on("data", (bytes: Uint8Array) => {
  for (const frame of reader.push(bytes)) reply(run(frame.header as RunHeader, frame.blobs));
});
process.stdin.on("end", () => process.exit(0));
