import { OPTIONS, type OptionSpec } from "#node/config/options.ts";

const own = (help: string, value?: string): OptionSpec => ({
  category: "Options",
  help,
  ...(value === undefined ? {} : { value }),
});

/** Options of bitcoin-cli. Those of the node are accepted too, since both read one bitcoin.conf. */
export const CLIENT_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  ...Object.fromEntries(
    Object.entries(OPTIONS).map(([name, spec]) => [
      name,
      { ...spec, category: "hidden" } satisfies OptionSpec,
    ]),
  ),
  conf: own("Configuration file, relative to the data directory", "<file>"),
  datadir: own("Data directory", "<dir>"),
  named: own("Pass arguments by name (name=value)"),
  rpcclienttimeout: own("Seconds to wait for an answer, 0 for ever (default: 900)", "<n>"),
  rpcconnect: own("Address of the node (default: 127.0.0.1)", "<ip>"),
  rpccookiefile: own("Place of the cookie", "<loc>"),
  rpcpassword: { ...own("Password", "<pw>"), sensitive: true },
  rpcport: { ...own("Port of RPC", "<port>"), networkOnly: true },
  rpcuser: own("User", "<user>"),
  rpcid: own("Identifier of the request", "<id>"),
  rpcwait: own("Wait for the node to start"),
  rpcwaittimeout: own("Seconds to wait with -rpcwait, 0 for ever", "<n>"),
  rpcwallet: own("Wallet to use", "<walletname>"),
  stdin: own("Read further arguments from standard input, one a line"),
  stdinrpcpass: own("Read the password from standard input"),
  stdinwalletpassphrase: own("Read the wallet's passphrase from standard input"),
  color: own("Colour: always, auto, never", "<when>"),
  addrinfo: own("Count the known addresses of each network"),
  generate: own("Mine blocks to a new address of the wallet"),
  getinfo: own("A summary of the node for people"),
  netinfo: own("A summary of the connections", "<level>"),
  ipcconnect: own("Accepted for compatibility", "<address>"),
};
