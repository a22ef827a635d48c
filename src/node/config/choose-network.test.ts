import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Network } from "#protocol/bitcoin/network.ts";
import { chooseNetwork, chooseSection } from "./choose-network.ts";
import { ConfigError, Settings } from "./settings.ts";

function network(...args: string[]): Network {
  const settings = new Settings();
  settings.readCommandLine(args);
  settings.network = chooseSection(settings);
  return chooseNetwork(settings);
}

function refused(args: string[], message: string): void {
  assert.throws(
    () => network(...args),
    (error) => error instanceof ConfigError && error.message === message,
  );
}

test("each network has its switch and its name", () => {
  assert.equal(network().name, "main");
  for (const [args, name] of [
    [["-testnet"], "test"],
    [["-chain=test"], "test"],
    [["-testnet4"], "testnet4"],
    [["-signet"], "signet"],
    [["-regtest"], "regtest"],
    [["-chain=regtest"], "regtest"],
    [["-chain=main"], "main"],
    [["-regtest=0"], "main"],
    [["-noregtest"], "main"],
  ] as const) {
    assert.equal(network(...args).name, name, args.join(" "));
  }
});

test("only one network at once", () => {
  const message =
    "Invalid combination of -regtest, -signet, -testnet, -testnet4 and -chain. Can use at most one.";
  refused(["-regtest", "-testnet"], message);
  refused(["-regtest", "-chain=regtest"], message);
});

test("deployments of regtest move", () => {
  const rules = network(
    "-regtest",
    "-testactivationheight=segwit@7",
    "-testactivationheight=bip34@2",
    "-test=bip94",
  ).consensus;
  assert.equal(rules.segwitHeight, 7);
  assert.equal(rules.bip34Height, 2);
  assert.equal(rules.enforceBip94, true);
  const { testdummy } = network("-regtest", "-vbparams=testdummy:10:20:30").consensus.deployments;
  assert.equal(testdummy?.startTime, 10);
  assert.equal(testdummy?.timeout, 20);
  assert.equal(testdummy?.minActivationHeight, 30);
});

test("their errors are Core's", () => {
  const height = (text: string) => ["-regtest", `-testactivationheight=${text}`];
  refused(height("segwit"), "Invalid format (segwit) for -testactivationheight=name@height.");
  refused(height("foo@1"), "Invalid name (foo@1) for -testactivationheight=name@height.");
  refused(height("segwit@x"), "Invalid height value (segwit@x) for -testactivationheight=name@height.");
  const bits = (text: string) => ["-regtest", `-vbparams=${text}`];
  refused(
    bits("testdummy:1"),
    "Version bits parameters malformed, expecting deployment:start:end[:min_activation_height]",
  );
  refused(bits("foo:1:2"), "Invalid deployment (foo)");
  refused(bits("testdummy:x:2"), "Invalid nStartTime (x)");
  refused(bits("testdummy:1:x"), "Invalid nTimeout (x)");
  refused(bits("testdummy:1:2:x"), "Invalid min_activation_height (x)");
});

test("a signet has one challenge, in hex", () => {
  assert.equal(network("-signet", "-signetchallenge=51").consensus.signetChallenge, "51");
  refused(
    ["-signet", "-signetchallenge=51", "-signetchallenge=52"],
    "-signetchallenge cannot be multiple values.",
  );
  refused(["-signet", "-signetchallenge=5"], "-signetchallenge must be hex, not '5'.");
});

test("a custom network comes from its file, under its own name", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "freehold-net-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "circle.json");
  writeFileSync(
    path,
    JSON.stringify({
      name: "circle",
      ports: { p2p: 18_555 },
      genesis: { message: "circle", time: 1_777_593_600 },
      addresses: { bech32: "circ" },
      pow: { limit: `7f${"f".repeat(62)}`, targetSpacing: 60 },
    }),
  );
  assert.equal(network("-chain=circle", `-networkfile=${path}`).rpcPort, 18_554);
  refused(
    ["-chain=other", `-networkfile=${path}`],
    "-networkfile describes chain circle; start with -chain=circle",
  );
  refused(
    ["-chain=circle"],
    "Unknown chain circle. For a custom network give its description with -networkfile=<file>.",
  );
  writeFileSync(path, "{");
  assert.throws(() => network("-chain=circle", `-networkfile=${path}`), ConfigError);
});
