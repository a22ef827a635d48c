import assert from "node:assert/strict";
import { test } from "node:test";
import type { SocketLayer } from "#ledger/peers/socket.ts";
import { Settings } from "#node/config/settings.ts";
import { loopbackOnly, wantsProxy } from "./loopback-sockets.ts";

test("a proxy for all, not one for onion addresses alone", () => {
  const wants = (...args: string[]) => {
    const settings = new Settings();
    settings.readCommandLine(args);
    return wantsProxy(settings);
  };
  assert.equal(wants(), false);
  assert.equal(wants("-proxy=127.0.0.1:9050"), true);
  assert.equal(wants("-proxy=unix:/run/tor"), true);
  assert.equal(wants("-proxy=127.0.0.1:9050=ipv4"), true);
  assert.equal(wants("-proxy=127.0.0.1:9050=onion"), false);
  assert.equal(wants("-proxy=127.0.0.1:9050", "-noproxy"), false);
  assert.equal(wants("-proxy=0"), false);
});

test("nothing leaves this machine, not even a question for a name", async () => {
  const dialled: string[] = [];
  const real: SocketLayer = {
    dial: (target) => {
      dialled.push(target.host);
      return Promise.reject(new Error("dialled"));
    },
    listen: () => Promise.reject(new Error("listened")),
    resolve: async () => ["1.2.3.4"],
    interfaces: () => ["1.2.3.4"],
  };
  const sockets = loopbackOnly(real);
  const options = { timeout: 1, signal: new AbortController().signal };
  for (const host of ["1.2.3.4", "example.org", "localhost", "2001:db8::1", "::ffff:1.2.3.4"]) {
    await assert.rejects(sockets.dial({ host, port: 1 }, options), /around the proxy/);
  }
  for (const host of ["127.0.0.1", "127.8.8.8", "::1"]) {
    await assert.rejects(sockets.dial({ host, port: 1 }, options), /dialled/);
  }
  assert.deepEqual(dialled, ["127.0.0.1", "127.8.8.8", "::1"]);
  assert.deepEqual(await sockets.resolve("example.org"), []);
  assert.deepEqual(sockets.interfaces(), []);
});
