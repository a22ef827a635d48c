import assert from "node:assert/strict";
import { test } from "node:test";
import { Credentials, makeCookie } from "./credentials.ts";

const basic = (pair: string): string => `Basic ${Buffer.from(pair).toString("base64")}`;

// From share/rpcauth/rpcauth.py: the password is cA773lm788buwYe4g4WT+05pKyNruVKjQ25x3n0DQcM=
const RPCAUTH =
  "rt:93648e835a54c573682c2eb19f882535$7681e9c5b74bdd85e78166031d2058e1069b3ed7ed967c93fc63abba06f31144";
const PASSWORD = "cA773lm788buwYe4g4WT+05pKyNruVKjQ25x3n0DQcM=";

test("a plain login lets its user in, and nobody else", () => {
  const credentials = new Credentials();
  credentials.addPlain("alice:se:cret");
  assert.equal(credentials.check(basic("alice:se:cret")), "alice");
  for (const header of [
    undefined,
    "",
    basic("alice:other"),
    basic("bob:se:cret"),
    basic("alice"),
    "Bearer x",
    "Basic",
    "Basic ***",
    basic("alice:se:cret").toLowerCase(),
  ]) {
    assert.equal(credentials.check(header), undefined, header);
  }
});

test("a hashed login takes the password that made it", () => {
  const credentials = new Credentials();
  assert.equal(credentials.addHashed(RPCAUTH), true);
  assert.equal(credentials.check(basic(`rt:${PASSWORD}`)), "rt");
  assert.equal(credentials.check(basic(`rt:${PASSWORD}x`)), undefined);
});

test("malformed -rpcauth entries are refused", () => {
  const credentials = new Credentials();
  for (const entry of ["", "foo", "foo:bar", "foo:bar:baz", "foo$bar:baz", "foo:bar$baz$x", "foo$bar$baz"]) {
    assert.equal(credentials.addHashed(entry), false, entry);
  }
  assert.equal(credentials.addHashed("foo:bar$baz"), true);
});

test("a cookie is 32 random bytes", () => {
  const [one, two] = [makeCookie(), makeCookie()];
  assert.match(one, /^__cookie__:[0-9a-f]{64}$/);
  assert.notEqual(one, two);
});

test("a whitelist names methods; several for one user leave what all allow", () => {
  const credentials = new Credentials();
  credentials.restrict(["a:getblockcount,help", "a: help, stop", "b:"], true);
  assert.deepEqual([...(credentials.methodsOf("a") ?? [])], ["help"]);
  assert.deepEqual([...(credentials.methodsOf("b") ?? ["x"])], []);
  assert.equal(credentials.methodsOf("c")?.size, 0);
});

test("without a whitelist, or with -rpcwhitelistdefault=0, others may call all", () => {
  const credentials = new Credentials();
  credentials.restrict(["a:help"], false);
  assert.equal(credentials.methodsOf("c"), undefined);
  assert.equal(credentials.methodsOf("a")?.size, 1);
});
