import assert from "node:assert/strict";
import { test } from "node:test";
import { cyclesOf, importsOf, layerOf, violationsOf } from "./check-layers.ts";

test("a file belongs to the longest row that is a prefix of its folder", () => {
  assert.equal(layerOf("node/config/settings.ts"), "node/config");
  assert.equal(layerOf("node/main.ts"), "node");
  assert.equal(layerOf("ledger/peers/handlers/blocks.ts"), "ledger/peers");
  assert.equal(layerOf("nowhere/thing.ts"), undefined);
});

test("imports of every form are found", () => {
  const source = [
    'import { a } from "#base/lib/a.ts";',
    'import type { B } from "./b.ts";',
    'export { c } from "./c.ts";',
    'import "./d.ts";',
    'const e = await import("./e.ts");',
    "import {",
    "  f,",
    '} from "node:fs";',
  ].join("\n");
  assert.deepEqual(importsOf(source), [
    { target: "#base/lib/a.ts", typeOnly: false },
    { target: "./b.ts", typeOnly: true },
    { target: "./c.ts", typeOnly: false },
    { target: "./d.ts", typeOnly: false },
    { target: "./e.ts", typeOnly: false },
    { target: "node:fs", typeOnly: false },
  ]);
});

const planted: readonly [path: string, source: string, complaint: RegExp | undefined][] = [
  [
    "money/wallet/coins.ts",
    'import { C } from "#ledger/chain/coins.ts";',
    /money\/wallet may not import ledger\/chain/,
  ],
  ["protocol/bitcoin/x.ts", 'import { readFileSync } from "node:fs";', /is pure/],
  ["protocol/bitcoin/x.test.ts", 'import { readFileSync } from "node:fs";', undefined],
  ["protocol/bitcoin/x.ts", 'import { C } from "../consensus/pow.ts";', /write #protocol\/consensus\/pow.ts/],
  ["base/lib/x.ts", 'import { C } from "../../../tools/layers.ts";', /outside src/],
  ["doors/cli/x.ts", 'import { C } from "#doors/rpc/method.ts";', /doors\/cli may not import doors\/rpc/],
  ["doors/cli/x.ts", 'import type { C } from "#doors/rpc/method.ts";', undefined],
  ["ledger/peers/handlers/x.ts", 'import { C } from "#ledger/chain/chain-state.ts";', undefined],
  ["odd/x.ts", "", /no row/],
];

for (const [path, source, complaint] of planted) {
  test(`${path} with ${source || "no import"}: ${complaint === undefined ? "allowed" : "a violation"}`, () => {
    const found = violationsOf(path, source);
    if (complaint === undefined) assert.deepEqual(found, []);
    else assert.match(found.join("\n"), complaint);
  });
}

test("a cycle of imports that run is found, one of types is not", () => {
  const cycle = new Map([
    ["base/lib/a.ts", 'import { b } from "./b.ts";'],
    ["base/lib/b.ts", 'import { a } from "./a.ts";'],
  ]);
  assert.deepEqual(cyclesOf(cycle), [["base/lib/a.ts", "base/lib/b.ts", "base/lib/a.ts"]]);
  cycle.set("base/lib/b.ts", 'import type { A } from "./a.ts";');
  assert.deepEqual(cyclesOf(cycle), []);
});
