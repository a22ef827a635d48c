import { type ChildProcessByStdio, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import type { RejectionResult } from "#protocol/consensus/rejection.ts";

/** What Core said of one block; see judge-blocks.py. */
export interface Judgement {
  /** False where it failed before it could be connected. */
  readonly ok: boolean;
  readonly isNew: boolean;
  /** Display hash of the tip, and its height. */
  readonly tip: string;
  readonly height: number;
  /** Last verdict by display hash: Core's state as text, `Valid` for a connected block. */
  readonly checked: ReadonlyMap<string, Verdict>;
}

export interface Verdict {
  readonly result: RejectionResult | undefined;
  readonly text: string;
}

/** Core's BlockValidationResult by number. */
const RESULTS: readonly (RejectionResult | undefined)[] = [
  undefined,
  "consensus",
  "cached-invalid",
  "invalid-header",
  "mutated",
  "missing-prev",
  "invalid-prev",
  "time-future",
  "header-low-work",
];

interface Answer {
  readonly ok?: boolean;
  readonly isNew?: boolean;
  readonly tip: string;
  readonly height: number;
  readonly checked?: readonly (readonly [string, number, number, string])[];
  readonly error?: string;
}

const ROOT = join(import.meta.dirname, "../../..");

/**
 * The Python that has py-bitcoinkernel: FREEHOLD_KERNEL_PYTHON, or the environment that test/interop/install.sh
 * makes; `undefined` where neither is there.
 */
export function kernelPython(): string | undefined {
  const named = process.env["FREEHOLD_KERNEL_PYTHON"];
  if (named !== undefined && named !== "") return named;
  const installed = join(ROOT, "test/interop/.venv/bin/python");
  return existsSync(installed) ? installed : undefined;
}

/** What a test prints when it is skipped for want of the library. */
export const NO_KERNEL = "Bitcoin Core's library is not here: run test/interop/install.sh";

/** Bitcoin Core's consensus library in a process of its own, on a fresh regtest chain in memory. */
export class KernelJudge implements AsyncDisposable {
  readonly #process: ChildProcessByStdio<Writable, Readable, null>;
  readonly #waiting: { resolve(answer: Answer): void; reject(error: Error): void }[] = [];
  #input = Buffer.alloc(0);
  #ended: Error | undefined;

  constructor(python: string) {
    this.#process = spawn(python, [join(import.meta.dirname, "judge-blocks.py")], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#process.stdout.on("data", (bytes: Buffer) => this.#take(bytes));
    this.#process.on("error", (error) => this.#end(error));
    this.#process.on("exit", (code) => this.#end(new Error(`the judge ended with code ${code}`)));
    // A broken pipe shows as the exit above.
    this.#process.stdin.on("error", () => {});
  }

  /** Hands in a block; waits for the verdict. Calls may overlap, and are answered in order. */
  async judge(raw: Uint8Array): Promise<Judgement> {
    const answer = await this.#ask(raw);
    if (answer.error !== undefined) throw new Error(`the judge says: ${answer.error}`);
    const checked = new Map<string, Verdict>();
    for (const [hash, mode, result, text] of answer.checked ?? []) {
      // Mode 2 is a failed disk or the like.
      if (mode === 2) throw new Error(`the judge failed at ${hash}: ${text}`);
      checked.set(hash, { result: RESULTS[result], text });
    }
    const { ok = false, isNew = false, tip, height } = answer;
    return { ok, isNew, tip, height, checked };
  }

  #ask(raw: Uint8Array): Promise<Answer> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    const head = Buffer.alloc(4);
    head.writeUInt32LE(raw.length);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#process.stdin.write(head);
      this.#process.stdin.write(raw);
    });
  }

  #take(bytes: Buffer): void {
    this.#input = Buffer.concat([this.#input, bytes]);
    while (this.#input.length >= 4) {
      const end = 4 + this.#input.readUInt32LE(0);
      if (this.#input.length < end) return;
      const text = this.#input.toString("utf8", 4, end);
      this.#input = this.#input.subarray(end);
      this.#waiting.shift()?.resolve(JSON.parse(text) as Answer);
    }
  }

  #end(error: Error): void {
    this.#ended = error;
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }

  /** Ends the process and waits for it. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const gone = new Promise((resolve) => this.#process.once("exit", resolve));
    this.#process.stdin.end();
    await gone;
  }
}
