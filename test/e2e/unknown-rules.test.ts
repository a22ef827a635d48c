import assert from "node:assert/strict";
import { test } from "node:test";
import { startNode } from "./node-process.ts";

/** Height of the last block of the third period of 144: after it what was signalled is active. */
const LAST = 3 * 144 - 1;
const ADDRESS = "bcrt1qft5p2uhsdcdc3l2ua4ap5qqfg4pjaqlp250x7us7a8qqhrxrxfsqseac85";

test("rules that miners activated and we do not know are warned of", async () => {
  // Versionbit 27, of no deployment.
  await using node = await startNode({ args: ["-blockversion=671088640"] });
  await node.rpc("generatetoaddress", [LAST - 1, ADDRESS]);
  assert.deepEqual((await node.rpc("getblockchaininfo")).warnings, []);
  await node.rpc("generatetoaddress", [1, ADDRESS]);
  const warning = "Unknown new rules activated (versionbit 27)";
  assert.deepEqual((await node.rpc("getblockchaininfo")).warnings, [warning]);
  assert.deepEqual((await node.rpc("getnetworkinfo")).warnings, [warning]);
});
