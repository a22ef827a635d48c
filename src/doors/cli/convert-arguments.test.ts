import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type Json, stringify } from "#base/lib/json.ts";
import { CONVERSIONS } from "./conversions.ts";
import { convertNamed, convertPositional } from "./convert-arguments.ts";

const positional = (...words: [string, ...string[]]) =>
  stringify(convertPositional(words[0], words.slice(1)));
const named = (...words: [string, ...string[]]) => stringify(convertNamed(words[0], words.slice(1)));

test("words become JSON where the method takes no string", () => {
  assert.equal(positional("getblock", "00ff", "2"), '["00ff",2]');
  assert.equal(positional("getblock", "00ff", "true"), '["00ff",true]');
  assert.equal(positional("sendrawtransaction", "00", "0.10000000"), '["00",0.10000000]');
  assert.equal(positional("echojson", '{"a":[1]}', "null", '"s"'), '[{"a":[1]},null,"s"]');
  assert.equal(positional("echo", "1", "true"), '["1","true"]');
  assert.equal(positional("unknown", "1"), '["1"]');
  assert.equal(positional("toString", "1"), '["1"]');
  assert.throws(() => positional("getblockhash", "x"), /^Error: Error parsing JSON: x$/);
});

test("a height may stand where a hash may, and need not be quoted", () => {
  assert.equal(positional("getblockstats", "5"), "[5]");
  assert.equal(positional("getblockstats", "00ffx"), '["00ffx"]');
  assert.equal(positional("gettxoutsetinfo", "none", "00ffx"), '["none","00ffx"]');
});

test("named words, the last of a name counting", () => {
  assert.equal(named("getblock", "blockhash=00ff", "verbosity=2"), '{"blockhash":"00ff","verbosity":2}');
  assert.equal(named("getblock", "verbose=true", "blockhash=ff"), '{"verbose":true,"blockhash":"ff"}');
  assert.equal(named("getblock", "verbosity=1", "verbosity=2"), '{"verbosity":2}');
  assert.equal(named("echo", "arg0=1"), '{"arg0":"1"}');
});

test("words without a name go by position", () => {
  assert.equal(named("getblock", "00ff", "verbosity=2"), '{"verbosity":2,"args":["00ff"]}');
  assert.equal(named("getblock", "00ff", "2"), '{"args":["00ff",2]}');
  assert.equal(named("echojson", "args=[1]", "5"), '{"args":"[1]"}');
});

test("a word with = whose name is unknown may be a whole argument", () => {
  assert.equal(named("createwallet", "my=wallet"), '{"args":["my=wallet"]}');
  assert.equal(named("createwallet", "wallet_name=x", "blank=true"), '{"wallet_name":"x","blank":true}');
  assert.equal(named("testmempoolaccept", '["a=b"]'), '{"args":[["a=b"]]}');
  assert.equal(named("finalizepsbt", "cHNidA=="), '{"args":["cHNidA=="]}');
  assert.equal(named("getblock", "x=1"), '{"x":"1"}');
});

test("members of options have their own form", () => {
  assert.equal(
    named("dumptxoutset", "path", "rollback=5", "in_memory=true"),
    '{"rollback":5,"in_memory":true,"args":["path"]}',
  );
  assert.equal(named("dumptxoutset", "rollback=00ffx"), '{"rollback":"00ffx"}');
});

const SHAPES = join(import.meta.dirname, "../../../../shared/compat/rpc-shapes.json");

test("what Core takes as JSON is in the table", {
  skip: !existsSync(SHAPES) && `${SHAPES} is not there`,
}, () => {
  const shapes = JSON.parse(readFileSync(SHAPES, "utf8")) as Record<
    string,
    { args?: { name: string; type: string }[] }
  >;
  let checked = 0;
  for (const [method, { args = [] }] of Object.entries(shapes)) {
    for (const [i, { name, type }] of args.entries()) {
      const words: Json[] = convertPositional(
        method,
        Array.from({ length: i + 1 }, (_, at) => (at === i ? '"5"' : "0")),
      );
      const isJson = words[i] === "5";
      const expected = !["string"].includes(type);
      if (method === "echo" || type === "string or numeric") continue;
      assert.equal(isJson, method === "echojson" || expected, `${method} ${name}`);
      checked++;
    }
  }
  assert.ok(checked > 300);
  assert.ok(Object.keys(CONVERSIONS).length > 90);
});
