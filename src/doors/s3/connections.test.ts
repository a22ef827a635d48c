/** Many connections at once: those on which nothing is asked make room for those that ask. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { openDoor } from "./test-support/open-door.ts";

/** One request whose answer is read, after which the connection is kept alive and idle. */
async function idleConnection(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  await once(socket, "connect");
  socket.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  let answer = "";
  while (!answer.endsWith("</Error>")) {
    const [piece] = (await once(socket, "data")) as [Buffer];
    answer += piece.toString("latin1");
  }
  assert.match(answer, /^HTTP\/1\.1 403 /);
  return socket;
}

test("idle connections do not keep a new one out", { timeout: 60_000 }, async (t) => {
  const door = await openDoor();
  const idle: Socket[] = [];
  t.after(async () => {
    for (const socket of idle) socket.destroy();
    await door.close();
  });
  for (let i = 0; i < 520; i += 20) {
    idle.push(...(await Promise.all(Array.from({ length: 20 }, () => idleConnection(door.port)))));
  }
  assert.equal((await door.client.send("PUT", "/bucket")).status, 200);
  const last = idle.at(-1)!;
  last.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const [piece] = (await once(last, "data")) as [Buffer];
  assert.match(piece.toString("latin1"), /^HTTP\/1\.1 403 /, "those that were used last are still there");
  assert.equal((await door.client.send("PUT", "/bucket/key", { body: "here" })).status, 200);
});
