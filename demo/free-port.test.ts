import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { freePort } from "./free-port.ts";

/** A thread with modules of its own asks for ports as another process does. */
const ASKING = `
  const { parentPort, workerData } = require("node:worker_threads");
  import(workerData).then(async ({ freePort }) => {
    const ports = [];
    for (let i = 0; i < 20; i++) ports.push(await freePort());
    parentPort.postMessage(ports);
    parentPort.once("message", () => process.exit());
  });
`;

test("no port comes twice, here or elsewhere, nor is one that the system hands out", async () => {
  const mine = await Promise.all(Array.from({ length: 40 }, () => freePort()));
  assert.equal(new Set(mine).size, 40);
  const workers = [1, 2, 3].map(
    () => new Worker(ASKING, { eval: true, workerData: import.meta.resolve("./free-port.ts") }),
  );
  const theirs = await Promise.all(workers.map(async (worker) => (await once(worker, "message"))[0]));
  for (const worker of workers) worker.postMessage("end");
  assert.equal(new Set([...mine, ...theirs.flat()]).size, 40 + 3 * 20);
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  assert.ok(Math.max(...mine, ...theirs.flat()) < Math.min(port, 32_768), `the system gave ${port}`);
});

test("a port that somebody listens on is passed over", async () => {
  const next = (await freePort()) + 1;
  const server = createServer().listen(next, "127.0.0.1");
  await once(server, "listening");
  assert.equal(await freePort(), next + 1);
  server.close();
});
