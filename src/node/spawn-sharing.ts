import { spawn } from "node:child_process";
import { join } from "node:path";
import type { Duplex, Readable } from "node:stream";
import type { Logger } from "#base/lib/logger.ts";

const PROGRAM = join(import.meta.dirname, "sharing.ts");
/** Characters of one line of the child's standard error that are held until its end comes. */
const MAX_LINE = 2000;

/**
 * A busy mesh makes many small objects a second: left to itself, V8 doubles the space for the young ones up to
 * 128 MB, most of which stays resident, and lets the old ones grow to several times what lives (180 MB where 35 MB
 * did), each holding the buffer that it described; and before its first full collection it lets them grow to hundreds
 * of MB. With these bounds both are collected more often, at no speed that was measured.
 */
const BOUNDED_HEAP = ["--max-semi-space-size=8", "--heap-growing-percent=30", "--initial-old-space-size=48"];
/**
 * Shards and messages pass through the process as buffers of 64 KiB to 3 MiB. glibc learns from the first that is
 * freed to keep all such in its heaps, one per thread, which then hold several times what is in use and never shrink:
 * 450 MB resident where 150 MB were held. With fixed thresholds such buffers, from a message of Noise (just under
 * 64 KiB) on, are mapped one by one and go back to the system at once.
 */
const BOUNDED_MALLOC = {
  MALLOC_ARENA_MAX: "2",
  MALLOC_MMAP_THRESHOLD_: String(48 * 1024),
  MALLOC_TRIM_THRESHOLD_: String(4 * 1024 * 1024),
};

/** The sharing process, as who supervises it sees it. */
export interface SharingChild {
  readonly pid: number;
  /** The link's end on this side. */
  readonly pipe: Duplex;
  /** Settles with how it ended. */
  readonly ended: Promise<string>;
  kill(signal: NodeJS.Signals): void;
}

/**
 * Starts the sharing process. Its end of the link is file descriptor 3, a socket that no other process has: it reads
 * its end when this process dies, however that comes about. What it writes goes to the log line by line; that it can
 * not fill it is the business of who hands that in.
 * @throws Error when the system has no process to give
 */
export function spawnSharing(log: Logger, program: string = PROGRAM): SharingChild {
  const child = spawn(process.execPath, [...keptFlags(), ...BOUNDED_HEAP, program], {
    stdio: ["ignore", "ignore", "pipe", "pipe"],
    // What the user's shell holds is no business of a process that reads what strangers send.
    env: { ...keptEnvironment(), ...BOUNDED_MALLOC },
  });
  const ended = new Promise<string>((resolve) => {
    // Heard from the first on: unheard, it would end this process.
    child.on("error", (error) => resolve(error.message));
    child.once("exit", (code, signal) =>
      resolve(signal === null ? `it ended with code ${code}` : `it was ended by ${signal}`),
    );
  });
  // Without descriptors there are no streams either.
  const { stderr } = child;
  if (child.pid === undefined || stderr === null || stderr === undefined) {
    throw new Error("the system gives no process");
  }
  writeLines(stderr as Readable, log);
  const pipe = child.stdio[3] as Duplex;
  return { pid: child.pid, pipe, ended, kill: (signal) => void child.kill(signal) };
}

/** Of our own flags: a debugger's port, a heap's size or a module loaded first are this process's alone. */
function keptFlags(): string[] {
  const kept = ["--disable-warning=", "--no-warnings", "--no-deprecation"];
  return process.execArgv.filter((flag) => kept.some((name) => flag.startsWith(name)));
}

function keptEnvironment(): NodeJS.ProcessEnv {
  const kept = ["PATH", "HOME", "TMPDIR", "LANG", "TZ", "NODE_COMPILE_CACHE", "UV_THREADPOOL_SIZE"];
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => kept.includes(name) || name.startsWith("FREEHOLD_")),
  );
}

/** Hands what the child writes to the log. */
function writeLines(stream: Readable, log: Logger): void {
  let rest = "";
  const write = (line: string) => log.info(`sharing: ${line}`);
  stream.setEncoding("utf8").on("data", (text: string) => {
    const all = (rest + text).split("\n");
    rest = (all.pop() ?? "").slice(0, MAX_LINE);
    for (const line of all) write(line);
  });
  stream.on("error", () => {});
  stream.on("end", () => {
    if (rest !== "") write(rest);
  });
}
