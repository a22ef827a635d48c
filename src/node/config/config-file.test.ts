import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { parseConfigText, readConfigFiles } from "./config-file.ts";
import { ConfigError, Settings } from "./settings.ts";

function folderWith(t: TestContext, files: Record<string, string>): string {
  const folder = mkdtempSync(join(tmpdir(), "freehold-conf-"));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

function refused(run: () => unknown, message: string): void {
  assert.throws(run, (error) => error instanceof ConfigError && error.message === message);
}

test("lines, comments and sections", () => {
  const { options, sections } = parseConfigText(
    ["# all comment", " a = 1 # rest", "", "[regtest]", "port=2\r", "[odd]", "test.x=y"].join("\n"),
  );
  assert.deepEqual(options, [
    { key: "a", value: "1" },
    { key: "regtest.port", value: "2" },
    { key: "odd.test.x", value: "y" },
  ]);
  assert.deepEqual(sections, [
    { name: "regtest", line: 4 },
    { name: "odd", line: 6 },
    { name: "odd.test", line: 7 },
  ]);
});

test("unreadable lines are named", () => {
  refused(
    () => parseConfigText("\nnolisten"),
    "parse error on line 2: nolisten, if you intended to specify a negated option, use nolisten=1 instead",
  );
  refused(() => parseConfigText("word"), "parse error on line 1: word");
  refused(
    () => parseConfigText("-dash=1"),
    "parse error on line 1: -dash=1, options in configuration file must be specified without leading -",
  );
  refused(
    () => parseConfigText("rpcpassword=a#b"),
    "parse error on line 1, using # in rpcpassword can be ambiguous and should be avoided",
  );
});

test("a named file must be there, bitcoin.conf need not", (t) => {
  const folder = folderWith(t, {});
  mkdirSync(join(folder, "d"));
  const read = (...args: string[]) => {
    const settings = new Settings();
    settings.readCommandLine(args);
    return readConfigFiles(settings, folder, () => {});
  };
  assert.equal(read(), join(folder, "bitcoin.conf"));
  assert.equal(read("-noconf"), "");
  refused(() => read("-conf=x"), `specified config file "${join(folder, "x")}" could not be opened.`);
  refused(() => read("-conf=d"), `Config file "${join(folder, "d")}" is a directory.`);
});

test("files are included once, those of the chosen network's section too", (t) => {
  const folder = folderWith(t, {
    "bitcoin.conf":
      "regtest=1\nincludeconf=common.conf\n[regtest]\nincludeconf=own.conf\n[main]\nincludeconf=gone.conf",
    "common.conf": "uacomment=common\nincludeconf=deeper.conf",
    "own.conf": "uacomment=own",
  });
  const settings = new Settings();
  const shown: string[] = [];
  readConfigFiles(settings, folder, (text) => shown.push(text));
  settings.network = "regtest";
  assert.deepEqual(settings.list("uacomment"), ["own", "common"]);
  assert.deepEqual(shown, [
    "warning: -includeconf cannot be used from included files; ignoring -includeconf=deeper.conf",
  ]);
});

test("a missing included file is an error, unless includes are switched off", (t) => {
  const folder = folderWith(t, { "bitcoin.conf": "includeconf=gone.conf" });
  refused(
    () => readConfigFiles(new Settings(), folder, () => {}),
    "Failed to include configuration file gone.conf",
  );
  const settings = new Settings();
  settings.readCommandLine(["-noincludeconf"]);
  assert.doesNotThrow(() => readConfigFiles(settings, folder, () => {}));
});
