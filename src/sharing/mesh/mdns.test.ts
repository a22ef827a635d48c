/** Peers of one network find each other by multicast DNS (RFC 6762), with nothing told to either. */
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { test } from "node:test";
import { openTestMesh, until } from "./mesh-world.ts";

const GROUP = "224.0.0.251";
const PORT = 5353;

/** Whether what this machine sends to the group of mDNS comes back to it. */
async function multicastWorks(): Promise<boolean> {
  const socket = createSocket({ type: "udp4", reuseAddr: true });
  const probe = `freehold ${process.pid}`;
  try {
    return await new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), 5000);
      const answer = (works: boolean): void => {
        clearTimeout(timer);
        resolve(works);
      };
      socket.on("error", () => answer(false));
      socket.on("message", (message) => {
        if (message.toString() === probe) answer(true);
      });
      socket.bind(PORT, () => {
        socket.addMembership(GROUP);
        socket.setMulticastLoopback(true);
        socket.send(probe, PORT, GROUP, (error) => {
          if (error !== null) answer(false);
        });
      });
    });
  } finally {
    socket.close();
  }
}

test("two peers on one network find each other, as strangers", async (context) => {
  if (!(await multicastWorks())) {
    context.skip("multicast does not work on this machine");
    return;
  }
  const one = await openTestMesh(context, { mdns: true, name: "one" });
  const silent = await openTestMesh(context, { name: "silent" });
  const two = await openTestMesh(context, { mdns: true, name: "two" });
  await until(() => one.view(two.self)?.connected === true && two.view(one.self)?.connected === true);
  assert.equal(one.view(two.self)?.name, "two");
  assert.equal(two.view(one.self)?.standing, "stranger");
  assert.equal(one.view(silent.self), undefined);
});
