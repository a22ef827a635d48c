import assert from "node:assert/strict";
import { test } from "node:test";
import { hostPort } from "./host-port.ts";

test("an IPv6 address stands in brackets before its port, others stand as they are", () => {
  assert.equal(hostPort("127.0.0.1", 8332), "127.0.0.1:8332");
  assert.equal(hostPort("localhost", 1), "localhost:1");
  assert.equal(hostPort("::1", 8332), "[::1]:8332");
});
