/** One child process, as the pool holds it: start, one run at a time, kill. */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { Clock } from "#base/lib/clock.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import { errorCode } from "#base/store/disk-error.ts";
import { failRun, MAX_LEAF, MAX_LEAVES, type RunOutcome, type RunTask } from "../../core/task-runner.ts";
import { type RunHeader, readyHeader, replyHeader } from "./child-messages.ts";
import { encodeFrame, type Frame, FrameReader } from "./frame.ts";

const ROOT = fileURLToPath(new URL("../../../../../", import.meta.url));
const ENTRY = fileURLToPath(new URL("child.ts", import.meta.url));

/**
 * No files but our own code, no processes, no add-ons (Node's permission model), no code from text. The optimising
 * compiler alone, since a task's functions run long. A small heap: what a task uses is linear memory.
 */
const FLAGS = [
  "--no-liftoff",
  "--permission",
  `--allow-fs-read=${ROOT}src/`,
  `--allow-fs-read=${ROOT}kernels/`,
  `--allow-fs-read=${ROOT}node_modules/`,
  `--allow-fs-read=${ROOT}package.json`,
  "--allow-worker",
  "--disallow-code-generation-from-strings",
  "--disable-warning=SecurityWarning",
  "--disable-warning=ExperimentalWarning",
  "--max-old-space-size=128",
  "--no-addons",
];

/** What a child may hold beyond the limits of its task: Node itself, compiled code, copies of input and output. */
const OVERHEAD_BYTES = 384 * 2 ** 20;
/** Larger than this after a run, it is not used again. */
const RETIRE_BYTES = 512 * 2 ** 20;
const WATCH_INTERVAL = 100;
/** Milliseconds in which a child must have started; a busy machine takes seconds. */
const START_LIMIT = 60_000;

interface Running {
  readonly task: RunTask;
  readonly end: (outcome: RunOutcome) => void;
}

export class WasmChild {
  /** Whose modules it has run; undefined while it has run none. */
  owner: string | undefined;
  /** The id of the code it holds. */
  code: string | undefined;
  readonly #process: ChildProcess;
  readonly #clock: Clock;
  #inputs = new Set<string>();
  #running: Running | undefined;
  #gone = false;
  #retired = false;
  readonly #exited: Promise<void>;
  readonly #started = Promise.withResolvers<void>();

  /** Starts a process; undefined when the system gives none. */
  static start(clock: Clock, program = process.execPath): WasmChild | undefined {
    try {
      const child = spawn(program, [...FLAGS, ENTRY], {
        stdio: ["pipe", "pipe", "ignore", "pipe"],
        env: {},
        cwd: ROOT,
      });
      if (child.pid !== undefined) return new WasmChild(clock, child);
      // Told again later, by an event that would end this process if nobody listened.
      child.on("error", () => {});
    } catch (error) {
      if (errorCode(error) === undefined) throw error;
    }
    return undefined;
  }

  private constructor(clock: Clock, child: ChildProcess) {
    this.#clock = clock;
    this.#process = child;
    this.#exited = new Promise((resolve) => {
      const ended = (): void => {
        this.#gone = true;
        resolve();
        this.#end(
          failRun("crashed", `the process ended (${this.#process.signalCode ?? this.#process.exitCode})`),
        );
      };
      this.#process.on("exit", ended);
      this.#process.on("error", ended);
    });
    const reader = new FrameReader(() => this.#replyLimit());
    this.#output.on("data", (bytes: Uint8Array) => this.#take(reader, bytes));
    this.#input.on("error", () => this.kill());
    // A child is never what keeps this process up; it dies with it by its lifeline.
    this.#process.unref();
    for (const stream of this.#process.stdio) (stream as { unref?(): void } | null)?.unref?.();
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  get gone(): boolean {
    return this.#gone;
  }

  /** When it can take a task, or is gone. */
  get ready(): Promise<void> {
    return Promise.race([this.#started.promise, this.#exited]);
  }

  get busy(): boolean {
    return this.#running !== undefined;
  }

  /** Whether it can take another task of its owner. */
  get usable(): boolean {
    return !this.#gone && !this.#retired && !this.busy;
  }

  get #input(): Writable {
    return this.#process.stdin!;
  }

  get #output(): Readable {
    return this.#process.stdout!;
  }

  /** Whether it holds the code and the inputs of this task from its last run. */
  holds(task: RunTask): boolean {
    return this.code === task.code.id && task.inputs.every(({ id }) => this.#inputs.has(id));
  }

  /** Runs a task; resolves when it has ended, one way or another. */
  async run(task: RunTask, signal: AbortSignal): Promise<RunOutcome> {
    this.owner = task.owner;
    const frame = await this.#frameOf(task);
    if ("ok" in frame) return frame;
    if (signal.aborted) return failRun("cancelled", "cancelled");
    this.code = task.code.id;
    this.#inputs = new Set(task.inputs.map(({ id }) => id));
    const outcome = new Promise<RunOutcome>((resolve) => {
      this.#running = { task, end: resolve };
    });
    // Ended before it began: nobody is left to say so.
    if (this.#gone) this.#end(failRun("crashed", "the process has ended"));
    const stop = this.#guard(task, signal);
    for (const piece of encodeFrame(frame)) this.#input.write(piece);
    const result = await outcome;
    stop();
    return result;
  }

  /** Ends the process at once; resolves when it is gone. */
  async kill(): Promise<void> {
    this.#retired = true;
    this.#process.kill("SIGKILL");
    await this.#exited;
  }

  /** Time limit, cancellation, and the size of the process. */
  #guard(task: RunTask, signal: AbortSignal): () => void {
    const stopClock = this.#limitTime(task);
    const cancel = (): void => this.#stop(failRun("cancelled", "cancelled"));
    signal.addEventListener("abort", cancel, { once: true });
    const stopWatch = this.#watchSize(task);
    return () => {
      stopClock();
      stopWatch();
      signal.removeEventListener("abort", cancel);
    };
  }

  /** The task's time counts from when its process is there to take it. */
  #limitTime({ limits: { milliseconds } }: RunTask): () => void {
    let ended = false;
    let stop = this.#clock.after(START_LIMIT, () =>
      this.#stop(failRun("crashed", "the process did not start")),
    );
    void this.#started.promise.then(() => {
      stop();
      if (ended) return;
      stop = this.#clock.after(milliseconds, () =>
        this.#stop(failRun("time-limit", `took longer than its ${milliseconds} ms`)),
      );
    });
    return () => {
      ended = true;
      stop();
    };
  }

  /** The engine's own memory (a compiler's, above all) has no limit of its own, so the process is watched. */
  #watchSize(task: RunTask): () => void {
    const limit = task.limits.memoryBytes + 2 * (task.limits.outputBytes + task.limits.traceBytes);
    let stop = (): void => {};
    const look = (): void => {
      if (residentBytes(this.pid) > limit + OVERHEAD_BYTES) {
        this.#stop(failRun("memory-limit", "its process grew beyond its limits"));
      } else stop = this.#clock.after(WATCH_INTERVAL, look);
    };
    stop = this.#clock.after(WATCH_INTERVAL, look);
    return () => stop();
  }

  /** Kills the process and ends the run with this reason once nothing of it is left. */
  #stop(outcome: RunOutcome): void {
    const running = this.#running;
    if (running === undefined) return;
    this.#running = { task: running.task, end: () => running.end(outcome) };
    void this.kill();
  }

  #end(outcome: RunOutcome): void {
    const running = this.#running;
    this.#running = undefined;
    running?.end(outcome);
  }

  /** Only what the child does not hold from its last run is read and sent. */
  async #frameOf(task: RunTask): Promise<Frame | RunOutcome> {
    const blobs: Uint8Array[] = [];
    const inputs: { id: string; sent: boolean }[] = [];
    const sendsCode = this.code !== task.code.id;
    const seen = new Set<string>();
    try {
      if (sendsCode) blobs.push(await task.code.bytes());
      for (const { id, bytes } of task.inputs) {
        const sent = !this.#inputs.has(id) && !seen.has(id);
        seen.add(id);
        if (sent) blobs.push(await bytes());
        inputs.push({ id, sent });
      }
    } catch (error) {
      return failRun("no-input", error instanceof Error ? error.message : "code or input can not be read");
    }
    const { params, seed, limits } = task;
    const reuse = task.reuse === true;
    const header: RunHeader = { code: task.code.id, sendsCode, inputs, params, seed, limits, reuse };
    return { header, blobs };
  }

  #replyLimit(): number {
    const limits = this.#running?.task.limits;
    // A command's output is wrapped in CBOR with the names of its files.
    return limits === undefined ? 0 : limits.outputBytes + limits.traceBytes + 2 ** 21;
  }

  #take(reader: FrameReader, bytes: Uint8Array): void {
    try {
      for (const frame of reader.push(bytes)) this.#finish(frame);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.#stop(failRun("output-limit", error.message));
      // Between two runs it has nothing to say at all.
      void this.kill();
    }
  }

  #finish(frame: Frame): void {
    if (readyHeader.safeParse(frame.header).success) {
      this.#started.resolve();
      return;
    }
    const parsed = replyHeader.safeParse(frame.header);
    if (!parsed.success) throw new DecodeError("a reply that is none");
    const header = parsed.data;
    if (header.residentBytes > RETIRE_BYTES) this.#retired = true;
    if (!header.ok) {
      this.code = undefined;
      this.#inputs.clear();
      this.#end(failRun(header.code, header.text));
      return;
    }
    const [output, trace] = frame.blobs;
    if (output === undefined || trace === undefined) throw new DecodeError("a reply without its output");
    const { leafLength, milliseconds } = header;
    const fits = trace.length === 0 || (leafLength > 0 && trace.length % leafLength === 0);
    if (!fits) throw new DecodeError("a trace of no whole leaves");
    if (leafLength > MAX_LEAF || trace.length > leafLength * MAX_LEAVES) {
      throw new DecodeError("more leaves, or longer ones, than a trace may have");
    }
    this.#end({ ok: true, value: { output, trace, leafLength, milliseconds } });
  }
}

/** Bytes of memory a process holds; 0 where the system does not tell (no /proc). */
function residentBytes(pid: number | undefined): number {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, "latin1").split(" ")[1]) * 4096;
  } catch {
    return 0;
  }
}
