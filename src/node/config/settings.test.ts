import assert from "node:assert/strict";
import { test } from "node:test";
import type { OptionSpec } from "./options.ts";
import { ConfigError, interpretKey, leadingInteger, Settings } from "./settings.ts";

const option = (more: Partial<OptionSpec> = {}): OptionSpec => ({ category: "Options", help: "", ...more });

const TABLE = {
  plain: option(),
  conf: option(),
  includeconf: option(),
  regtest: option(),
  port: option({ networkOnly: true }),
  datadir: option({ noNegation: true }),
  loglevel: option({ noNegation: true, noElision: true }),
  rpcpassword: option({ sensitive: true }),
};

interface Given {
  args?: string[];
  /** Lines of the unnamed section. */
  file?: [string, string][];
  network?: string;
  dynamic?: Record<string, string | boolean>;
}

function read({ args = [], file = [], network = "regtest", dynamic = {} }: Given): Settings {
  const settings = new Settings(TABLE);
  settings.readCommandLine(args);
  for (const [key, value] of file) settings.addFileOption(key, value);
  for (const [name, value] of Object.entries(dynamic))
    settings.addDynamicOption(name, value, JSON.stringify(value));
  settings.network = network;
  return settings;
}

test("a key splits into section, name and negation", () => {
  assert.deepEqual(interpretKey("regtest.noport"), { section: "regtest", name: "port", negated: true });
  assert.deepEqual(interpretKey("port"), { section: "", name: "port", negated: false });
  assert.deepEqual(interpretKey("a.b.c"), { section: "a", name: "b.c", negated: false });
});

test("integers are read as C's atoi does", () => {
  assert.deepEqual(["12", " 7x", "-3", "x", "", "+5"].map(leadingInteger), [12, 7, -3, 0, 0, 5]);
});

test("the last argument wins, the first line of a file", () => {
  assert.equal(read({ args: ["-plain=1", "--plain=2"] }).string("plain"), "2");
  assert.equal(
    read({
      file: [
        ["plain", "1"],
        ["plain", "2"],
      ],
    }).string("plain"),
    "1",
  );
});

test("the command line stands above settings.json, that above a section, that above the unnamed section", () => {
  const file: [string, string][] = [
    ["plain", "unnamed"],
    ["regtest.plain", "section"],
  ];
  assert.equal(read({ file, network: "main" }).string("plain"), "unnamed");
  assert.equal(read({ file }).string("plain"), "section");
  assert.equal(read({ file, dynamic: { plain: "dynamic" } }).string("plain"), "dynamic");
  assert.equal(
    read({ file, dynamic: { plain: "dynamic" }, args: ["-plain=argument"] }).string("plain"),
    "argument",
  );
});

test("options of one network do not count in the unnamed section elsewhere, though their negation does", () => {
  const file: [string, string][] = [["port", "1"]];
  assert.equal(read({ file, network: "main" }).string("port"), "1");
  assert.equal(read({ file }).string("port"), undefined);
  assert.deepEqual(read({ file }).list("port"), []);
  assert.deepEqual(read({ file }).misplacedNetworkOptions(), ["port"]);
  assert.deepEqual(read({ file: [...file, ["regtest.port", "2"]] }).misplacedNetworkOptions(), []);
  assert.deepEqual(read({ file, args: ["-port=2"] }).misplacedNetworkOptions(), []);
  assert.equal(read({ file: [["noport", "1"]] }).isNegated("port"), true);
});

test("negation clears what stood before, and a value after it counts again", () => {
  assert.equal(read({ args: ["-plain=a", "-noplain"] }).boolean("plain", true), false);
  assert.equal(read({ args: ["-noplain"] }).string("plain"), "0");
  assert.equal(read({ args: ["-noplain"] }).integer("plain"), 0);
  assert.deepEqual(read({ args: ["-plain=a", "-noplain", "-plain=b"] }).list("plain"), ["b"]);
  assert.equal(read({ args: ["-noplain", "-plain=b"] }).isNegated("plain"), false);
});

test("a double negative says yes and is remarked on", () => {
  const settings = read({ args: ["-noplain=0"] });
  assert.equal(settings.boolean("plain", false), true);
  assert.equal(settings.string("plain"), "1");
  assert.deepEqual(settings.warnings, ["Parsed potentially confusing double-negative -plain=0"]);
});

test("a bare option and an empty value mean yes; other text than a number means no", () => {
  assert.equal(read({ args: ["-plain"] }).boolean("plain", false), true);
  assert.equal(read({ args: ["-plain="] }).boolean("plain", false), true);
  assert.equal(read({ args: ["-plain=2"] }).boolean("plain", false), true);
  assert.equal(read({ args: ["-plain=yes"] }).boolean("plain", true), false);
});

test("lists join all sources, until a negation", () => {
  const file: [string, string][] = [
    ["plain", "3"],
    ["regtest.plain", "2"],
  ];
  assert.deepEqual(read({ file, args: ["-plain=1"] }).list("plain"), ["1", "2", "3"]);
  assert.deepEqual(read({ file, args: ["-noplain"] }).list("plain"), []);
  // Core's files come back to life when a value follows the negation.
  assert.deepEqual(read({ file, args: ["-noplain", "-plain=1"] }).list("plain"), ["1", "2", "3"]);
});

test("soft settings apply only where nobody said anything", () => {
  const silent = read({});
  silent.softSet("plain", true);
  silent.softSet("plain", false);
  assert.equal(silent.boolean("plain", false), true);
  const spoken = read({ args: ["-plain=0"] });
  spoken.softSet("plain", true);
  assert.equal(spoken.boolean("plain", true), false);
});

test("switches of a network ignore negation and take a file's last value", () => {
  assert.equal(read({ args: ["-noregtest"], file: [["regtest", "1"]] }).chainFlag("regtest"), true);
  assert.equal(
    read({
      file: [
        ["regtest", "1"],
        ["regtest", "0"],
      ],
    }).chainFlag("regtest"),
    false,
  );
  assert.equal(read({ file: [["main.regtest", "1"]] }).chainFlag("regtest"), false);
});

test("arguments end at the first that is no option", () => {
  const settings = new Settings(TABLE);
  settings.readCommandLine(["-plain=1", "word", "-unknown"]);
  assert.equal(settings.unexpectedToken, "word");
  assert.equal(read({ args: ["-", "-unknown"] }).unexpectedToken, undefined);
});

test("what Core refuses is refused with its texts", () => {
  const refused = (args: string[], message: string) =>
    assert.throws(
      () => new Settings(TABLE).readCommandLine(args),
      (error) => error instanceof ConfigError && error.message === message,
    );
  refused(["-unknown=1"], "Invalid parameter -unknown=1");
  refused(["-regtest.plain"], "Invalid parameter -regtest.plain");
  refused(["-nodatadir"], "Negating of -datadir is meaningless and therefore forbidden");
  refused(["-loglevel"], "Can not set -loglevel with no value. Please specify value with -loglevel=value.");
  refused(["-includeconf=a.conf"], '-includeconf cannot be used from commandline; -includeconf="a.conf"');
  assert.doesNotThrow(() => new Settings(TABLE).readCommandLine(["-noincludeconf"]));
});

test("the log shows what was given, secrets masked", () => {
  const settings = read({ args: ["-rpcpassword=x", "-plain"], file: [["regtest.port", "5"]] });
  assert.deepEqual(settings.describe(), [
    'Config file arg: [regtest] port="5"',
    'Command-line arg: plain=""',
    "Command-line arg: rpcpassword=****",
  ]);
});

test("an unknown line of a file is passed over with a warning, conf is an error", () => {
  const settings = read({ file: [["unknown", "1"]] });
  assert.deepEqual(settings.warnings, ["Ignoring unknown configuration value unknown"]);
  assert.throws(() => settings.addFileOption("conf", "x"), /conf cannot be set in the configuration file/);
});
