import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { main, regtest } from "#protocol/bitcoin/networks.ts";
import { dataPaths, makeDataDirectories } from "./data-directory.ts";
import { ConfigError, Settings } from "./settings.ts";

function makeFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "freehold-data-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

function given(...args: string[]): Settings {
  const settings = new Settings();
  settings.readCommandLine(args);
  return settings;
}

test("each network has its folder, main the directory itself", (t) => {
  const base = makeFolder(t);
  assert.equal(dataPaths(given(), base, main).network, base);
  const paths = dataPaths(given(), base, regtest());
  const folder = join(base, "regtest");
  assert.deepEqual(
    [paths.network, paths.blocks, paths.debugLog, paths.pid, paths.cookie, paths.settings],
    [
      folder,
      join(folder, "blocks"),
      join(folder, "debug.log"),
      join(folder, "bitcoind.pid"),
      join(folder, ".cookie"),
      join(folder, "settings.json"),
    ],
  );
});

test("files are named, made elsewhere, or left out", (t) => {
  const base = makeFolder(t);
  const folder = join(base, "regtest");
  const paths = dataPaths(
    given("-debuglogfile=my.log", "-pid=/run/my.pid", "-rpccookiefile=", "-nosettings"),
    base,
    regtest(),
  );
  assert.equal(paths.debugLog, join(folder, "my.log"));
  assert.equal(paths.pid, "/run/my.pid");
  assert.equal(paths.cookie, join(folder, ".cookie"));
  assert.equal(paths.settings, undefined);
  assert.equal(dataPaths(given("-nodebuglogfile"), base, regtest()).debugLog, undefined);
});

test("blocks may lie elsewhere, in a folder of the network", (t) => {
  const base = makeFolder(t);
  const elsewhere = join(base, "elsewhere");
  mkdirSync(elsewhere);
  assert.equal(
    dataPaths(given(`-blocksdir=${elsewhere}`), base, regtest()).blocks,
    join(elsewhere, "regtest", "blocks"),
  );
  assert.throws(
    () => dataPaths(given(`-blocksdir=${base}/gone`), base, regtest()),
    (error) =>
      error instanceof ConfigError &&
      error.message === `Specified blocks directory "${base}/gone" does not exist.`,
  );
});

test("the folders are made for their owner alone", (t) => {
  const paths = dataPaths(given(), makeFolder(t), regtest());
  makeDataDirectories(paths);
  for (const path of [paths.blocks, paths.indexes, paths.wallets]) {
    assert.equal(statSync(path).mode & 0o777, 0o700);
  }
  assert.equal(existsSync(paths.chainstate), false);
});
