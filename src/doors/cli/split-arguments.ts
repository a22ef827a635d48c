import { OPTIONS } from "#node/config/options.ts";

/** Options that choose the network or the folder: they find the node for every command. */
const PLACE = ["regtest", "signet", "testnet", "testnet4", "chain", "networkfile", "rpcport", "rpcconnect"];
/** Written with two dashes these are options of `freehold` itself. */
const OWN = ["datadir", "help", "version", "json", "network"];

/**
 * Takes the options of the daemon out of a command line. With one dash they are the daemon's whatever the command; with
 * two, those that find the node are, and after `start` all that the daemon knows. What follows `--` is left alone.
 * @returns what `freehold` reads itself, and options for the daemon with one dash
 */
export function splitArguments(args: readonly string[]): { own: string[]; daemon: string[] } {
  const own: string[] = [];
  const daemon: string[] = [];
  const isStart = args.includes("start");
  for (let at = 0; at < args.length; at++) {
    const arg = args[at]!;
    if (arg === "--") return { own: [...own, ...args.slice(at)], daemon };
    if (/^-[^-]./.test(arg)) {
      daemon.push(arg);
    } else if (isDaemons(arg, isStart)) {
      const next = args[at + 1];
      // `--name Bob` says the same as `--name=Bob`.
      const takesNext = takesValue(arg) && next !== undefined && !next.startsWith("-");
      daemon.push(takesNext ? `${arg.slice(1)}=${next}` : arg.slice(1));
      if (takesNext) at++;
    } else {
      own.push(arg);
    }
  }
  return { own, daemon };
}

function isDaemons(arg: string, isStart: boolean): boolean {
  const name = nameOf(arg);
  if (name === undefined || OWN.includes(name)) return false;
  return isStart ? Object.hasOwn(OPTIONS, name) : PLACE.includes(name);
}

/** The option's name, `dbcache` of `--dbcache=4` and `mdns` of `--nomdns`. */
function nameOf(arg: string): string | undefined {
  const name = /^--([a-z0-9-]+)(=|$)/.exec(arg)?.[1];
  if (name === undefined || Object.hasOwn(OPTIONS, name)) return name;
  return name.startsWith("no") ? name.slice(2) : name;
}

function takesValue(arg: string): boolean {
  const name = arg.slice(2);
  return Object.hasOwn(OPTIONS, name) && OPTIONS[name]?.value !== undefined;
}
