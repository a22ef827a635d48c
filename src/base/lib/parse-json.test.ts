import assert from "node:assert/strict";
import { test } from "node:test";
import { type Json, JsonNumber, type JsonObject, membersOf, stringify } from "./json.ts";
import { parseExact, parseJson } from "./parse-json.ts";

/** A small generator of numbers that are the same in every run. */
function* draws(seed: number): Generator<number> {
  for (let state = seed; ; ) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield state >>> 8;
  }
}

const PIECES = [
  ...'{}[],:"\\ \t\n\r\u000b\u00a0\u0000\u001fnu+-.eE0129/x',
  ...[
    "null",
    "true",
    "false",
    "1.5e-3",
    "-0",
    '"a"',
    '"a":',
    "\\n",
    "\\u0041",
    "\\ud83d\\ude00",
    "é😀",
    "\ufeff",
  ],
];

test("what is JSON, and what it says, is as the language's own parser has it", () => {
  const random = draws(7);
  const draw = (below: number) => random.next().value! % below;
  let accepted = 0;
  for (let run = 0; run < 60_000; run++) {
    const text = Array.from({ length: 1 + draw(9) }, () => PIECES[draw(PIECES.length)]).join("");
    const theirs = attempt(() => JSON.parse(text) as Json);
    const ours = attempt(() => parseExact(text));
    assert.equal(attempt(() => parseJson(text)) === undefined, ours === undefined);
    // Of a name that stands twice the language's parser keeps the last, of which our text tells too.
    assert.equal(ours === undefined, theirs === undefined, JSON.stringify(text));
    if (ours !== undefined) assert.deepEqual(JSON.parse(stringify(ours)), theirs, JSON.stringify(text));
    if (ours !== undefined) accepted++;
  }
  assert.ok(accepted > 1500, `${accepted} of 60000 were JSON`);
});

function attempt<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    assert.ok(error instanceof SyntaxError);
    return undefined;
  }
}

test("of a name that stands twice the first counts, and all are kept", () => {
  const object = parseJson('{"a":1,"b":{"x":[],"x":null},"a":2,"\\u0061":3}') as JsonObject;
  assert.deepEqual(object, { a: 1, b: { x: [] } });
  assert.deepEqual(
    membersOf(object).map(([name]) => name),
    ["a", "b", "a", "a"],
  );
  assert.equal(stringify(object), '{"a":1,"b":{"x":[],"x":null},"a":2,"a":3}');
  assert.deepEqual(membersOf({ a: 1, b: undefined }), [["a", 1]]);
});

test("a member may have any name", () => {
  const object = parseJson('{"__proto__":{"a":1},"constructor":2,"":3,"__proto__":4}') as JsonObject;
  assert.equal(object["a"], undefined);
  assert.equal(stringify(object), '{"__proto__":{"a":1},"constructor":2,"":3,"__proto__":4}');
});

test("numbers that a double cannot hold keep their text", () => {
  const texts = ["12345678901234567890", "-9007199254740992", "1e400", "-1e999"];
  for (const text of texts) assert.deepEqual(parseJson(text), new JsonNumber(text));
  assert.deepEqual(
    parseJson("[9007199254740991,1.10000000,1e3,-0,1E-400]"),
    [9_007_199_254_740_991, 1.1, 1000, -0, 0],
  );
});

test("exact parsing keeps numbers as they were written", () => {
  const { a, b } = parseExact('{"a": 1.10000000, "b": [12345678901234567890]}') as {
    a: JsonNumber;
    b: JsonNumber[];
  };
  assert.equal(a.text, "1.10000000");
  assert.equal(b[0]?.text, "12345678901234567890");
  assert.equal(stringify(parseExact('{"x":[1e3,true,null,"s"]}')), '{"x":[1e3,true,null,"s"]}');
});

test("nesting ends at 512 levels, and half a surrogate pair is no text", () => {
  const nested = (levels: number) => "[".repeat(levels) + "]".repeat(levels);
  assert.equal(stringify(parseJson(nested(512))), nested(512));
  assert.equal(stringify(parseJson(`[${nested(511)},${nested(511)}]`)), `[${nested(511)},${nested(511)}]`);
  for (const text of [
    nested(513),
    '{"a":'.repeat(513),
    "[".repeat(2_000_000),
    '"\\ud800"',
    '"\\ude00\\ud83d"',
  ]) {
    assert.throws(() => parseJson(text), SyntaxError);
  }
});

test("long texts take no long time and no deep stack", () => {
  const megabytes = 4_000_000;
  for (const text of ['"', "\\", "a", "é"].map((part) => part.repeat(megabytes))) {
    assert.equal(parseJson(JSON.stringify(text)), text);
  }
  assert.deepEqual(parseJson("9".repeat(megabytes)), new JsonNumber("9".repeat(megabytes)));
  assert.equal(parseJson(`${" ".repeat(megabytes)}1`), 1);
  assert.equal((parseJson(`[${"1,".repeat(megabytes / 10)}1]`) as Json[]).length, megabytes / 10 + 1);
});
