/** The daemon: reads its options, runs the node, ends with Core's exit codes and texts (bitcoind.cpp). */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { coreDataDirectory, defaultDataDirectory } from "#node/config/data-directory.ts";
import { optionsHelp } from "#node/config/options-help.ts";
import { type ReadSettings, readArguments, readSettings } from "#node/config/read-settings.ts";
import { VERSION } from "#node/config/version.ts";

/** What a daemon does unless it is told otherwise. */
export interface DaemonKind {
  /** File in this folder, which is started again apart from the terminal. */
  readonly program: string;
  /** Data directory when none is named. */
  readonly folder: () => string;
  /** Values of options that nobody gave. */
  readonly defaults: Readonly<Record<string, string>>;
}

/** The daemon under Core's name: a plain node. */
export const BITCOIND: DaemonKind = { program: "bitcoind.ts", folder: coreDataDirectory, defaults: {} };

/** The daemon of `freehold start`: everything. */
export const FREEHOLD: DaemonKind = {
  program: "freehold-node.ts",
  folder: defaultDataDirectory,
  defaults: { api: "1", sharing: "1" },
};

/** What the parent of a detached daemon is told. */
const STARTED = "started";

const show = (text: string): void => void process.stderr.write(`${text.trimEnd()}\n`);

/** Runs until the node ends. @returns the exit code */
export async function runDaemon(args: readonly string[], kind: DaemonKind): Promise<number> {
  try {
    const settings = readArguments(args);
    if (["help", "help-debug", "h", "?"].some((name) => settings.isSet(name))) {
      process.stdout.write(optionsHelp(`Freehold daemon version v${VERSION} bitcoind`));
      return 0;
    }
    if (settings.boolean("version", false)) {
      process.stdout.write(`Freehold daemon version v${VERSION} bitcoind\n`);
      return 0;
    }
    const read = readSettings(settings, kind.folder(), show);
    for (const [name, value] of Object.entries(kind.defaults)) settings.softSet(name, value);
    const waits = settings.boolean("daemonwait", false);
    if (waits || settings.boolean("daemon", false)) return await detach(kind, args, waits);
    return await run(read);
  } catch (error) {
    showError(error);
    return 1;
  }
}

async function run(read: ReadSettings): Promise<number> {
  // As Core: what the node writes, seeds and keys among it, nobody else may read, whatever folder it lies in.
  process.umask(0o077);
  const stopping = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => stopping.abort());
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
  const { startNode } = await import("./main.ts");
  const node = await startNode(read, stopping.signal, show);
  // A bug somewhere must not cost what is not written yet: the node stops in order.
  process.on("uncaughtException", (error) => node.stop(error));
  process.on("SIGHUP", () => node.reopenLog());
  // The parent may be gone by now.
  if (process.connected) process.send?.(STARTED, undefined, undefined, () => {});
  const error = await node.ended;
  if (error === undefined) return 0;
  showError(error);
  return 1;
}

function showError(error: unknown): void {
  const { message, stack, name } = error as Error;
  show(`Error: ${message}`);
  // What has no text for the user is a bug, and its place helps to find it.
  if (["TypeError", "RangeError", "ReferenceError", "AssertionError"].includes(name)) show(stack ?? "");
}

/** Starts the daemon apart from this terminal; with `wait` returns when it has started, or failed to. */
function detach(kind: DaemonKind, args: readonly string[], wait: boolean): Promise<number> {
  process.stdout.write("Freehold starting\n");
  const child = spawn(
    process.execPath,
    [
      ...process.execArgv,
      join(import.meta.dirname, kind.program),
      ...args,
      "-nodaemon",
      "-nodaemonwait",
      "-noprinttoconsole",
    ],
    { detached: true, stdio: ["ignore", "ignore", wait ? "pipe" : "ignore", "ipc"] },
  );
  child.stderr?.pipe(process.stderr);
  return new Promise((resolve) => {
    const leave = (code: number) => {
      child.disconnect?.();
      child.unref();
      resolve(code);
    };
    if (!wait) child.once("spawn", () => leave(0));
    child.once("message", () => leave(0));
    child.once("error", () => leave(1));
    child.once("exit", (code) => resolve(code ?? 1));
  });
}
