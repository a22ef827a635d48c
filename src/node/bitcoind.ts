/** The daemon under Core's name: reads its options, runs the node, ends with Core's exit codes and texts. */
import { spawn } from "node:child_process";
import { enableCompileCache } from "node:module";
import { chooseNetwork, chooseSection } from "#node/config/choose-network.ts";
import { readConfigFiles } from "#node/config/config-file.ts";
import { coreDataDirectory, dataDirectory } from "#node/config/data-directory.ts";
import { optionsHelp } from "#node/config/options-help.ts";
import { ConfigError, Settings } from "#node/config/settings.ts";
import { VERSION } from "./version.ts";

enableCompileCache();

/** Runs until the node ends. @returns the exit code */
async function main(args: readonly string[]): Promise<number> {
  const settings = new Settings();
  try {
    settings.readCommandLine(args);
    if (settings.isSet("help") || args.some((arg) => /^--?(h|\?)$/.test(arg))) {
      process.stdout.write(optionsHelp(`Freehold daemon version v${VERSION} bitcoind`));
      return 0;
    }
    if (settings.isSet("version")) {
      process.stdout.write(`Freehold daemon version v${VERSION}\n`);
      return 0;
    }
    const folder = dataDirectory(settings, coreDataDirectory());
    readConfigFiles(settings, folder);
    settings.network = chooseSection(settings);
    const network = chooseNetwork(settings);
    refuseMisplaced(settings);
    if (settings.boolean("daemon", false) || settings.boolean("daemonwait", false)) {
      return await detach(args, settings.boolean("daemonwait", false));
    }
    const { startNode } = await import("./main.ts");
    const node = await startNode(settings, network, folder);
    process.send?.("started");
    const stop = () => node.stop();
    process.on("SIGINT", stop);
    process.on("SIGTERM", stop);
    const error = await node.ended;
    if (error === undefined) return 0;
    process.stderr.write(`Error: ${error.message}\n`);
    return 1;
  } catch (error) {
    process.stderr.write(`Error: ${(error as Error).message}\n`);
    // What has no text for the user is a bug, and its place helps to find it.
    if (!isForUser(error)) process.stderr.write(`${(error as Error).stack}\n`);
    return 1;
  }
}

function isForUser(error: unknown): boolean {
  return (
    error instanceof ConfigError ||
    ["ChainError", "DirectoryLockedError", "PeerStartError"].includes((error as Error).name)
  );
}

function refuseMisplaced(settings: Settings): void {
  const misplaced = settings.misplacedNetworkOptions();
  if (misplaced.length === 0) return;
  throw new ConfigError(
    misplaced
      .map(
        (name) =>
          `Config setting for -${name} only applied on ${settings.network} network when in [${settings.network}] section.`,
      )
      .join("\n"),
  );
}

/** Starts the daemon apart from this terminal; with `wait` returns when it has started, or failed to. */
function detach(args: readonly string[], wait: boolean): Promise<number> {
  process.stdout.write("Freehold starting\n");
  const rest = args.filter((arg) => !/^--?(no)?daemon(wait)?(=|$)/.test(arg));
  const child = spawn(
    process.execPath,
    [...process.execArgv, import.meta.filename, ...rest, "-daemon=0", "-daemonwait=0", "-printtoconsole=0"],
    { detached: true, stdio: ["ignore", "ignore", wait ? "inherit" : "ignore", "ipc"] },
  );
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

process.exitCode = await main(process.argv.slice(2));
// Nothing may keep a node alive that has ended: its locks and ports are free.
process.exit();
