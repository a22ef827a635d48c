import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { readU32, writeU32 } from "#base/lib/bytes.ts";

const PYTHON = join(import.meta.dirname, "..", ".installed", "kernel", "bin", "python");

/** Why tests against Core's library are skipped, or false where test/interop/install.sh has installed it. */
export const NO_JUDGE: string | false = existsSync(PYTHON) ? false : "run test/interop/install.sh first";

interface Question {
  resolve(answer: Uint8Array): void;
  reject(error: Error): void;
}

/**
 * A Python process that answers frames in their order: each is a u32 length and as many bytes, both ways. Ask
 * many before the first answer, so that neither side waits. When the process ends, what was asked fails.
 */
export class Judge {
  readonly #process: ChildProcessByStdio<Writable, Readable, null>;
  readonly #questions: Question[] = [];
  #chunks: Uint8Array[] = [];
  #received = 0;
  #ended = false;

  /** @param script a file of this folder. */
  constructor(script: string) {
    this.#process = spawn(PYTHON, [join(import.meta.dirname, script)], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#process.stdout.on("data", (chunk: Uint8Array) => this.#receive(chunk));
    this.#process.on("close", (code, signal) => this.#fail(new Error(`${script} ended: ${code ?? signal}`)));
    // A write after its end is reported by "close".
    this.#process.stdin.on("error", () => undefined);
  }

  ask(frame: Uint8Array): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      if (this.#ended) return reject(new Error("the judge has ended"));
      this.#questions.push({ resolve, reject });
      const head = new Uint8Array(4);
      writeU32(head, 0, frame.length);
      this.#process.stdin.write(head);
      this.#process.stdin.write(frame);
    });
  }

  async close(): Promise<void> {
    if (this.#ended) return;
    const closed = once(this.#process, "close");
    this.#process.stdin.end();
    await closed;
  }

  #receive(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#received += chunk.length;
    if (this.#received < 4) return;
    const bytes = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks);
    let at = 0;
    while (bytes.length - at >= 4 && bytes.length - at - 4 >= readU32(bytes, at)) {
      const end = at + 4 + readU32(bytes, at);
      this.#questions.shift()!.resolve(bytes.slice(at + 4, end));
      at = end;
    }
    this.#chunks = at === bytes.length ? [] : [bytes.subarray(at)];
    this.#received = bytes.length - at;
  }

  #fail(error: Error): void {
    this.#ended = true;
    for (const question of this.#questions.splice(0)) question.reject(error);
  }
}
