import { OPTIONS, type OptionSpec } from "#node/config/options.ts";
import { DEFAULT_TIMEOUT } from "./endpoint.ts";

function own(
  help: string,
  value?: string,
  more: Partial<Pick<OptionSpec, "noNegation" | "noElision" | "networkOnly" | "sensitive">> = {},
): OptionSpec {
  return { category: "Options", help, ...(value === undefined ? {} : { value }), ...more };
}

/** Options that the node and its client read alike. */
const SHARED = [
  "chain",
  "regtest",
  "signet",
  "signetchallenge",
  "signetseednode",
  "testactivationheight",
  "testnet",
  "testnet4",
  "vbparams",
  "test",
  "networkfile",
  "includeconf",
  "help-debug",
  "h",
  "?",
] as const;

/** Options of bitcoin-cli; others of bitcoin.conf, which it shares with the node, are passed over. */
export const CLIENT_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  help: own("Print this help and exit"),
  version: own("Print the version and exit"),
  conf: own("Configuration file, relative to the data directory (default: bitcoin.conf)", "<file>"),
  datadir: own("Data directory", "<dir>", { noNegation: true }),
  color: own("Colours of -getinfo: always, auto, never (default: auto)", "<when>", { noNegation: true }),
  named: own("Pass arguments by name (name=value)"),
  rpcclienttimeout: own(`Seconds to wait for an answer, 0 for ever (default: ${DEFAULT_TIMEOUT})`, "<n>"),
  rpcconnect: own("Address of the node (default: 127.0.0.1)", "<ip>"),
  rpccookiefile: own("Place of the cookie, relative to the network folder (default: .cookie)", "<loc>"),
  rpcid: own("Identifier of the request (default: 1)", "<id>", { noNegation: true, noElision: true }),
  rpcpassword: own("Password", "<pw>", { sensitive: true }),
  rpcport: own("Port of the node (default: the network's)", "<port>", { networkOnly: true }),
  rpcuser: own("User", "<user>"),
  rpcwait: own("Wait for the node to start"),
  rpcwaittimeout: own("Seconds to wait with -rpcwait, 0 for ever (default: 0)", "<n>", { noNegation: true }),
  rpcwallet: own("Wallet to use", "<walletname>"),
  stdin: own("Read further arguments from standard input, one a line"),
  stdinrpcpass: own("Read the password from standard input, one line"),
  stdinwalletpassphrase: own("Read the wallet's passphrase from standard input, one line"),
  ipcconnect: own("Accepted for compatibility", "<address>"),
  addrinfo: own("Count the known addresses of each network"),
  generate: own("Mine blocks to a new address of the wallet: [blocks [tries]]"),
  getinfo: own("A summary of the node for people"),
  netinfo: own("A summary of the connections: [level [outonly]], or help"),
  ...Object.fromEntries(SHARED.map((name) => [name, OPTIONS[name]!])),
};

/** The text of -help. */
export function clientHelp(version: string): string {
  const lines = [
    version,
    "",
    "Usage:  bitcoin-cli [options] <command> [params]",
    "or:     bitcoin-cli [options] -named <command> [name=value]...",
    "or:     bitcoin-cli [options] help",
    "or:     bitcoin-cli [options] help <command>",
    "",
    "Options:",
    "",
  ];
  for (const [name, spec] of Object.entries(CLIENT_OPTIONS)) {
    if (spec.category === "hidden") continue;
    lines.push(`  -${name}${spec.value === undefined ? "" : `=${spec.value}`}`, `       ${spec.help}`, "");
  }
  return lines.join("\n");
}
