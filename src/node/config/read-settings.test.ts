import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { writeDynamicSettings } from "./dynamic-settings.ts";
import { readArguments, readSettings } from "./read-settings.ts";
import { ConfigError } from "./settings.ts";

function makeFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "freehold-read-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

function read(args: string[], otherwise: string) {
  const shown: string[] = [];
  return { ...readSettings(readArguments(args), otherwise, (text) => shown.push(text)), shown };
}

function refused(run: () => unknown, message: string | RegExp): void {
  assert.throws(
    run,
    (error) =>
      error instanceof ConfigError &&
      (typeof message === "string" ? error.message === message : message.test(error.message)),
  );
}

test("the default directory is made, a named one must be there", (t) => {
  const folder = makeFolder(t);
  const fresh = join(folder, "a", "b");
  assert.equal(read(["-regtest"], fresh).folder, fresh);
  assert.equal(existsSync(join(fresh, "wallets")), true);
  assert.equal(existsSync(join(fresh, "regtest", "wallets")), true);
  const gone = join(folder, "gone");
  refused(() => read([`-datadir=${gone}`], fresh), `Specified data directory "${gone}" does not exist.`);
});

test("stages are named as Core names them", (t) => {
  const folder = makeFolder(t);
  refused(() => readArguments(["-x"]), "Error parsing command line arguments: Invalid parameter -x");
  refused(
    () => read(["word", `-datadir=${folder}`], folder),
    "Command line contains unexpected token 'word', see bitcoind -h for a list of options.",
  );
  writeFileSync(join(folder, "bitcoin.conf"), "word");
  refused(() => read([], folder), "Error reading configuration file: parse error on line 1: word");
  writeFileSync(join(folder, "bitcoin.conf"), "regtest=1\ntestnet=1");
  refused(() => read([], folder), /^Invalid combination of -regtest/);
});

test("a file may move the data directory, whose own bitcoin.conf must not be ignored in silence", (t) => {
  const folder = makeFolder(t);
  const data = join(folder, "data");
  mkdirSync(data);
  const config = join(folder, "bitcoin.conf");
  writeFileSync(config, `datadir=${data}`);
  assert.equal(read([], folder).folder, data);
  writeFileSync(join(data, "bitcoin.conf"), "");
  refused(
    () => read([], folder),
    `Data directory "${data}" contains a "bitcoin.conf" file which is ignored, because a different configuration file "${config}" from data directory "${folder}" is being used instead. Possible ways to address this would be to:\n- Delete or rename the "bitcoin.conf" file in data directory "${data}".\n- Change datadir= or conf= options to specify one configuration file, not two, and use includeconf= to include any other configuration files.\n- Set allowignoredconf=1 option to treat this condition as a warning, not an error.`,
  );
  assert.match(read(["-allowignoredconf"], folder).settings.warnings[0] ?? "", /which is ignored/);
  assert.match(
    read(["-noconf", `-datadir=${data}`], folder).settings.warnings[0] ?? "",
    /explicitly ignored using -noconf/,
  );
  writeFileSync(config, "datadir=/nowhere/at/all");
  refused(
    () => read([], folder),
    'Error reading configuration file: specified data directory "/nowhere/at/all" does not exist.',
  );
});

test("settings.json is read, and kept as it is", (t) => {
  const folder = makeFolder(t);
  mkdirSync(join(folder, "regtest"));
  const path = join(folder, "regtest", "settings.json");
  writeFileSync(path, '{"maxmempool": "7", "server": false, "unknown": 1}');
  const { settings } = read(["-regtest"], folder);
  assert.equal(settings.string("maxmempool"), "7");
  assert.equal(settings.isNegated("server"), true);
  assert.deepEqual(settings.warnings, ["Ignoring unknown rw_settings value unknown"]);
  assert.deepEqual(settings.describe().slice(0, 3), [
    'Setting file arg: maxmempool = "7"',
    "Setting file arg: server = false",
    "Setting file arg: unknown = 1",
  ]);
  assert.equal(read(["-regtest", "-nosettings"], folder).settings.isSet("maxmempool"), false);
  writeDynamicSettings(path);
  const { _warning_, ...rest } = JSON.parse(readFileSync(path, "utf8"));
  assert.match(_warning_, /automatically generated/);
  assert.deepEqual(rest, { maxmempool: "7", server: false, unknown: 1 });
  writeFileSync(path, "{");
  refused(
    () => read(["-regtest"], folder),
    /^Settings file could not be read:\n- Settings file .* does not contain valid JSON\./,
  );
  writeFileSync(path, "[]");
  refused(() => read(["-regtest"], folder), /Found non-object value \[\] in settings file/);
});

test("warnings are shown", (t) => {
  const folder = makeFolder(t);
  writeFileSync(join(folder, "bitcoin.conf"), "regtest=1\n[testnot]\n");
  assert.deepEqual(read([], folder).shown, [
    `Warning: ${join(folder, "bitcoin.conf")}:2 Section [testnot] is not recognized.\n`,
  ]);
});
