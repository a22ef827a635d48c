import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { ApiClient, ApiRefusal } from "./api-client.ts";

/** A node that refuses the first `refusals` requests with a reason. */
async function nodeThat(t: TestContext, refusals: number, reason: string) {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    if (asked.length > refusals) response.end("[]");
    else response.writeHead(503).end(JSON.stringify({ error: reason }));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  t.after(() => server.close().closeAllConnections());
  const { port } = server.address() as AddressInfo;
  return { asked, address: `http://127.0.0.1:${port}` };
}

test("what is asked of a sharing process that starts waits for it", async (t) => {
  const { asked, address } = await nodeThat(t, 2, "the sharing process is starting: it starts");
  const patient = new ApiClient(address, "token", undefined, 60_000);
  assert.deepEqual(await patient.get("/peers"), []);
  assert.deepEqual(asked, ["GET /api/peers", "GET /api/peers", "GET /api/peers"]);
});

test("nothing else is waited for, and nobody who was not told to waits", async (t) => {
  const off = "the sharing process is off: the wallet freehold is locked";
  const locked = await nodeThat(t, 9, off);
  await assert.rejects(new ApiClient(locked.address, "token", undefined, 60_000).get("/peers"), {
    message: off,
  });
  assert.equal(locked.asked.length, 1);
  const starts = await nodeThat(t, 9, "the sharing process is starting: it starts");
  await assert.rejects(new ApiClient(starts.address, "token").get("/peers"), ApiRefusal);
  assert.equal(starts.asked.length, 1);
});
