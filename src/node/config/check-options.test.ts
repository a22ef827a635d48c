import assert from "node:assert/strict";
import { test } from "node:test";
import { main, regtest } from "#protocol/bitcoin/networks.ts";
import { checkOptions, parsePort } from "./check-options.ts";
import { ConfigError, Settings } from "./settings.ts";

function check(...args: string[]): string[] {
  const settings = new Settings();
  settings.readCommandLine(args);
  settings.network = "regtest";
  return checkOptions(settings, regtest());
}

function refused(args: string[], message: string): void {
  assert.throws(
    () => check(...args),
    (error) => error instanceof ConfigError && error.message === message,
    args.join(" "),
  );
}

test("nothing is wrong with nothing", () => {
  assert.deepEqual(check(), []);
});

test("options that contradict each other are refused with Core's texts", () => {
  refused(["-prune=-1"], "Prune cannot be configured with a negative value.");
  refused(["-prune=549"], "Prune configured below the minimum of 550 MiB.  Please use a higher number.");
  refused(["-prune=550", "-txindex"], "Prune mode is incompatible with -txindex.");
  refused(
    ["-prune=1", "-reindex-chainstate"],
    "Prune mode is incompatible with -reindex-chainstate. Use full -reindex instead.",
  );
  refused(["-bind=127.0.0.1", "-listen=0"], "Cannot set -bind or -whitebind together with -listen=0");
  refused(["-maxconnections=-1"], "-maxconnections must be greater or equal than zero");
  refused(
    ["-forcednsseed", "-dnsseed=0"],
    "Cannot set -forcednsseed to true when setting -dnsseed to false.",
  );
  refused(["-peerblockfilters"], "Cannot set -peerblockfilters without -blockfilterindex.");
  refused(["-blockfilterindex=x"], "Unknown -blockfilterindex value x.");
  refused(["-onlynet=x"], "Unknown network specified in -onlynet: 'x'");
  assert.deepEqual(check("-peerblockfilters", "-blockfilterindex", "-prune=1", "-onlynet=IPv4"), []);
});

test("ports are ports", () => {
  assert.deepEqual(["1", "65535", "0", "65536", "x", "", "-1", " 5"].map(parsePort), [
    1,
    65_535,
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
  refused(["-port=0"], "Invalid port specified in -port: '0'");
  refused(["-rpcport=99999"], "Invalid port specified in -rpcport: '99999'");
  refused(["-bind=127.0.0.1:99999"], "Invalid port specified in -bind: '127.0.0.1:99999'");
  refused(["-whitebind=noban@[::1]:x"], "Invalid port specified in -whitebind: 'noban@[::1]:x'");
  assert.deepEqual(check("-bind=::1", "-bind=[::1]:5=onion", "-zmqpubhashtx=unix:/x:y"), []);
});

test("-test is for regtest, and tells what it does not know", () => {
  assert.deepEqual(check("-test=x"), ['Unrecognised option "x" provided in -test=<option>.']);
  const settings = new Settings();
  settings.readCommandLine(["-test=addrman"]);
  settings.network = "main";
  assert.throws(() => checkOptions(settings, main), /-test=<option> can only be used with regtest/);
});

test("options of a network in the unnamed section, and unknown sections", () => {
  const settings = new Settings();
  settings.network = "regtest";
  settings.sections.push({ name: "testnot", file: "bitcoin.conf", line: 1 });
  assert.deepEqual(checkOptions(settings, regtest()), [
    "bitcoin.conf:1 Section [testnot] is not recognized.\n",
  ]);
  settings.addFileOption("port", "1");
  settings.addFileOption("addnode", "x");
  assert.throws(
    () => checkOptions(settings, regtest()),
    (error) =>
      error instanceof ConfigError &&
      error.message ===
        "Config setting for -addnode only applied on regtest network when in [regtest] section.\n" +
          "Config setting for -port only applied on regtest network when in [regtest] section.\n",
  );
});
