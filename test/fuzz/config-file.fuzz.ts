import { parseConfigText } from "#node/config/config-file.ts";
import { ConfigError, Settings } from "#node/config/settings.ts";
import type { FuzzTarget } from "./fuzz.ts";

const SEEDS = [
  "regtest=1\n# a comment\n[regtest]\nport=18444 # here too\nnolisten=1\nmain.rpcport=1\n",
  "rpcpassword=x\r\n[main]\r\nincludeconf=a.conf\r\ndebug=net\r\ndebug=mempool\r\n",
  "noproxy=0\n-bad=1\nword\n[",
];

/** A configuration file is read, or refused with a text for the user. */
export const target: FuzzTarget = {
  name: "configuration files",
  seeds: SEEDS.map((text) => new TextEncoder().encode(text)),
  run(input) {
    try {
      const settings = new Settings();
      for (const { key, value } of parseConfigText(new TextDecoder().decode(input)).options) {
        settings.addFileOption(key, value);
      }
      settings.network = "regtest";
      for (const name of ["port", "debug", "listen", "proxy"]) {
        settings.list(name);
        settings.integer(name, 0);
        settings.boolean(name, false);
      }
      settings.misplacedNetworkOptions();
      settings.describe();
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
    }
  },
};
