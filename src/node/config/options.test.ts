import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { OPTIONS, WITHOUT_EFFECT } from "./options.ts";
import { optionsHelp } from "./options-help.ts";

const ROOT = join(import.meta.dirname, "../../..");
const CORE = join(ROOT, "../shared/compat/options.json");

test("every option of Core is known", { skip: !existsSync(CORE) && `${CORE} is not there` }, () => {
  const { bitcoind } = JSON.parse(readFileSync(CORE, "utf8")) as {
    bitcoind: Record<string, { value?: string }>;
  };
  const names = Object.keys(bitcoind);
  assert.ok(names.length > 170);
  assert.deepEqual(
    names.filter((name) => !Object.hasOwn(OPTIONS, name)),
    [],
  );
});

test("the help says of no option that is read that it has no effect", () => {
  const read = new Set<string>();
  for (const file of globSync("src/node/**/*.ts", { cwd: ROOT })) {
    if (file.endsWith(".test.ts") || file.endsWith("check-options.ts")) continue;
    const text = readFileSync(join(ROOT, file), "utf8");
    for (const [, name] of text.matchAll(
      /settings\.(?:string|boolean|integer|list|path|isSet)\("([^"]+)"/g,
    )) {
      read.add(name!);
    }
  }
  assert.ok(read.size > 60);
  assert.deepEqual(
    [...read].filter((name) => OPTIONS[name]?.help === WITHOUT_EFFECT),
    [],
  );
});

test("the help names every option that is not hidden", () => {
  const help = optionsHelp("title");
  for (const [name, { category }] of Object.entries(OPTIONS)) {
    const line = new RegExp(`^  -${name.replace("?", "\\?")}(=|$)`, "m");
    assert.equal(line.test(help), category !== "hidden", name);
  }
});
