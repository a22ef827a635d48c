/**
 * `freehold`, the one command people type. Its exit codes are stable: 0 done, 1 an error, 2 the command line makes
 * no sense, 3 no node is running.
 */
import { statfsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { Command, CommanderError } from "commander";
import { VERSION } from "#node/config/version.ts";
import { BackgroundNode, Starting } from "./background-node.ts";
import { CliContext, type CommonOptions, UsageError } from "./cli-context.ts";
import { filesCommands } from "./commands/files-commands.ts";
import { hostCommands } from "./commands/host-commands.ts";
import { jobCommands } from "./commands/job-commands.ts";
import { peerCommands } from "./commands/peer-commands.ts";
import { provideCommands } from "./commands/provide-commands.ts";
import { renderCommands } from "./commands/render-commands.ts";
import { runCommands } from "./commands/run-commands.ts";
import { walletCommands } from "./commands/wallet-commands.ts";
import { errorText } from "./error-text.ts";
import {
  formatStart,
  formatStatus,
  type NodeStatus,
  type Paint,
  painter,
  progressText,
} from "./format-status.ts";
import { NotRunning } from "./not-running.ts";
import { ProgressLine } from "./progress-line.ts";
import { splitArguments } from "./split-arguments.ts";

const EXIT = { error: 1, usage: 2, notRunning: 3 } as const;
/** Between two looks at a node that takes in blocks, ms. */
const PROGRESS_INTERVAL = 1000;
/** Between two looks at a sharing process that starts, ms, and how often. */
const GLANCE = 200;
const SHARING_GLANCES = 50;

type Options = CommonOptions;

const { own, daemon } = splitArguments(process.argv.slice(2));
const program = new Command("freehold");
const context = new CliContext((options) => open(options));

function open({ network, datadir }: Options, isNew = false): BackgroundNode {
  return new BackgroundNode({ network, datadir, options: daemon, isNew });
}

async function start(options: Options): Promise<void> {
  const node = open(options, true);
  const line = new ProgressLine();
  let isNew = false;
  try {
    if (!(await isRunning(node))) {
      await node.start((text) => line.show(text));
      isNew = true;
    }
    if (line.isShown && options.json !== true) await followImport(node, line);
  } finally {
    line.end();
  }
  const status = await settled(node);
  const login = await node.loginLink();
  const places = { rpc: node.rpcAddress, freeBytes: freeBytes(node.datadir), login };
  context.print(
    options,
    { ...status, started: isNew, rpc: places.rpc, ...(login === undefined ? {} : { dashboard: login }) },
    `${isNew ? "Started." : "Already running."}\n${formatStart(status, places, paint())}\n\n${shown(status)}`,
  );
}

/** The status once the sharing process runs, or says why not; for a while. */
async function settled(node: BackgroundNode): Promise<NodeStatus> {
  for (let glances = 0; ; glances++) {
    const status = await node.status();
    if (status.sharing?.state !== "starting" || glances >= SHARING_GLANCES) return status;
    await sleep(GLANCE);
  }
}

function freeBytes(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

async function isRunning(node: BackgroundNode): Promise<boolean> {
  try {
    await node.ask(["uptime"]);
    return true;
  } catch (error) {
    // With wrong credentials it is another's node, or one that has just ended: its lock will tell.
    return error instanceof Starting;
  }
}

/** Shows how blocks of the disk come in, until they have. Ctrl-C leaves the node to it. */
async function followImport(node: BackgroundNode, line: ProgressLine): Promise<void> {
  for (;;) {
    const status = await node.status().catch((error: Error) => {
      if (error instanceof Starting) return undefined;
      throw error;
    });
    if (status?.mempool.loaded === true) return;
    if (status !== undefined) {
      line.show(`Taking in blocks  ${progressText(status.progress)}  height ${status.height}`);
    }
    await sleep(PROGRESS_INTERVAL);
  }
}

async function stop(options: Options): Promise<void> {
  const node = open(options);
  const line = new ProgressLine();
  line.show("Stopping");
  try {
    await node.stop();
  } finally {
    line.end();
  }
  context.print(options, { running: false, stopped: true }, "Stopped.");
}

async function status(options: Options): Promise<void> {
  const state = await open(options).status();
  context.print(options, state, shown(state));
}

async function printLoginLink(options: Options): Promise<void> {
  const api = context.api(options);
  const { key } = await api.post<{ key: string }>("/login-links");
  const link = `${api.address}/#k=${key}`;
  context.print(options, { link }, link);
}

function shown(state: NodeStatus): string {
  return formatStatus(state, Math.floor(Date.now() / 1000), paint());
}

function paint(): Paint {
  return painter(process.stdout.isTTY === true);
}

/** Tells of an error. @returns the exit code */
function fail(error: Error): number {
  const isJson = own.includes("--json");
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return 0;
    // People were told already.
    const isHelp = error.code === "commander.help";
    const text = isHelp ? "a command is missing" : error.message.replace(/^error: /, "");
    if (isJson) process.stdout.write(`${JSON.stringify({ error: text })}\n`);
    return EXIT.usage;
  }
  if (error instanceof UsageError) {
    if (isJson) process.stdout.write(`${JSON.stringify({ error: error.message })}\n`);
    else process.stderr.write(`Error: ${error.message}\n`);
    return EXIT.usage;
  }
  if (error instanceof NotRunning || error instanceof Starting) {
    const state = { running: false, starting: error instanceof Starting, message: error.message };
    if (isJson) process.stdout.write(`${JSON.stringify(state)}\n`);
    else process.stderr.write(`${error.message}\n`);
    return EXIT.notRunning;
  }
  const text = errorText(error);
  if (isJson) process.stdout.write(`${JSON.stringify({ error: text })}\n`);
  else process.stderr.write(`Error: ${text}\n`);
  return EXIT.error;
}

/** Whoever reads our output may have had enough (`| head`), or its disk may be full. */
function outputEnds(error: NodeJS.ErrnoException): never {
  if (error.code === "EPIPE") process.exit(0);
  process.stderr.write(`Error: the output cannot be written: ${error.message}\n`);
  process.exit(EXIT.error);
}

process.stdout.on("error", outputEnds);
process.stderr.on("error", () => undefined);
program
  .description("Owned, not rented: a bitcoin node and wallet, a cloud disk and a render farm.")
  .version(VERSION)
  .exitOverride()
  .configureHelp({ showGlobalOptions: true })
  .addHelpText(
    "after",
    "\nOptions of the daemon, such as --regtest, --name=Bob or --dbcache=1000, may follow `start`; one dash will do.",
  );
context.command(program, "start", "start the node in the background").action(start);
context.command(program, "stop", "stop it").action(stop);
context.command(program, "status", "show what it does").action(status);
context.command(program, "open", "print a link that logs a browser in, once").action(printLoginLink);
walletCommands(program, context);
peerCommands(program, context);
filesCommands(program, context);
hostCommands(program, context);
renderCommands(program, context);
runCommands(program, context);
jobCommands(program, context);
provideCommands(program, context);

try {
  await program.parseAsync(own, { from: "user" });
} catch (error) {
  process.exitCode = fail(error as Error);
}
