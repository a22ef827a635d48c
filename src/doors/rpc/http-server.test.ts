import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent, type IncomingHttpHeaders, request } from "node:http";
import { connect } from "node:net";
import { type TestContext, test } from "node:test";
import type { Json } from "#base/lib/json.ts";
import { silentLogger } from "#base/lib/logger.ts";
import { Credentials } from "./credentials.ts";
import { RpcDispatcher } from "./dispatcher.ts";
import { parseSubnet, RpcServer, type RpcServerOptions } from "./http-server.ts";
import type { RpcMethod } from "./method.ts";

const LOGIN = "user:password";

interface Held {
  readonly method: RpcMethod<null>;
  /** Calls that wait, by order of arrival. */
  readonly waiting: ((value: Json) => void)[];
}

/** A method that waits until the test lets it go, or the caller or the server goes. */
function held(): Held {
  const waiting: ((value: Json) => void)[] = [];
  return {
    waiting,
    method: {
      name: "wait",
      category: "hidden",
      help: "",
      params: [{ name: "text", type: "string", help: "" }],
      result: "",
      run: (_context, args, call) =>
        new Promise<Json>((resolve) => {
          waiting.push(resolve);
          call.signal.addEventListener("abort", () => resolve("ended"));
          if (args.has("text")) resolve(`${args.string("text").length} ${call.wallet ?? "-"} ${call.user}`);
        }),
    },
  };
}

async function serve(t: TestContext, options: Partial<RpcServerOptions> = {}) {
  const { method, waiting } = held();
  const dispatcher = new RpcDispatcher(null, [method]);
  dispatcher.warmup = undefined;
  const credentials = new Credentials();
  credentials.addPlain(LOGIN);
  credentials.addPlain("limited:password");
  credentials.restrict(["limited:help"], false);
  const server = new RpcServer(
    {
      binds: [{ host: "127.0.0.1", port: 0 }],
      allow: [],
      threads: 4,
      workQueue: 4,
      timeout: 30,
      ...options,
    },
    { dispatcher, credentials, log: silentLogger },
  );
  await server.listen();
  t.after(() => server.close());
  return { server, waiting };
}

interface Sent {
  method?: string;
  path?: string;
  login?: string | undefined;
  body?: string;
  agent?: Agent;
}

interface Reply {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
}

function send(
  port: number,
  { method = "POST", path = "/", login = LOGIN, body = "", agent }: Sent,
): Promise<Reply> {
  const headers: Record<string, string> = {};
  if (login !== "") headers["Authorization"] = `Basic ${Buffer.from(login).toString("base64")}`;
  return new Promise((resolve, reject) => {
    const call = request(
      { host: "127.0.0.1", port, method, path, headers, agent: agent ?? false },
      (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (chunk: string) => {
          text += chunk;
        });
        response.on("end", () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text }),
        );
      },
    );
    call.on("error", reject);
    call.end(body);
  });
}

const call = (text?: string) =>
  JSON.stringify({ jsonrpc: "2.0", id: 1, method: "wait", params: text === undefined ? [] : [text] });

async function until(done: () => boolean): Promise<void> {
  while (!done()) await new Promise((resolve) => setImmediate(resolve));
}

test("a call with the right login is answered as application/json", async (t) => {
  const { server } = await serve(t);
  const reply = await send(server.port, { body: call("abc") });
  assert.equal(reply.status, 200);
  assert.equal(reply.headers["content-type"], "application/json");
  assert.equal(reply.text, '{"jsonrpc":"2.0","result":"3 - user","id":1}\n');
});

test("who has no login, or a wrong one, gets 401", async (t) => {
  const { server } = await serve(t);
  for (const login of ["", "user:wrong", "nobody:password"]) {
    const reply = await send(server.port, { login, body: call("x") });
    assert.equal(reply.status, 401, login);
    assert.equal(reply.headers["www-authenticate"], 'Basic realm="jsonrpc"');
    assert.equal(reply.text, "");
  }
});

test("a wrong password costs its sender a quarter of a second", async (t) => {
  const { server } = await serve(t);
  const before = performance.now();
  await send(server.port, { login: "user:wrong", body: call("x") });
  assert.ok(performance.now() - before >= 245);
});

test("a method outside the whitelist gets 403", async (t) => {
  const { server } = await serve(t);
  const reply = await send(server.port, { login: "limited:password", body: call("x") });
  assert.deepEqual([reply.status, reply.text], [403, ""]);
});

test("only POST to / and /wallet/… is served", async (t) => {
  const { server } = await serve(t);
  const get = await send(server.port, { method: "GET" });
  assert.deepEqual([get.status, get.text], [405, "JSONRPC server handles only POST requests"]);
  assert.equal((await send(server.port, { path: "/other" })).status, 404);
  assert.equal((await send(server.port, { method: "GET", path: "/other" })).status, 404);
  const wallet = await send(server.port, { path: "/wallet/my%20wallet", body: call("x") });
  assert.equal((JSON.parse(wallet.text) as { result: string }).result, "1 my wallet user");
  assert.equal((await send(server.port, { path: "/wallet/%zz", body: call("x") })).status, 200);
});

test("a connection is kept for further calls", async (t) => {
  const { server } = await serve(t);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  const ports = new Set<number | undefined>();
  agent.on("free", (socket) => ports.add(socket.localPort));
  for (let i = 0; i < 5; i++) {
    const reply = await send(server.port, { agent, body: call("x") });
    assert.notEqual(reply.headers.connection, "close");
  }
  assert.equal(ports.size, 1);
});

test("a body may be long, but not endless", async (t) => {
  const { server } = await serve(t);
  const long = await send(server.port, { body: call("x".repeat(8_000_000)) });
  assert.match(long.text, /"result":"8000000 /);
  const endless = await send(server.port, { body: " ".repeat(0x0200_0001) });
  assert.equal(endless.status, 413);
});

test("a path may be long, but headers are bounded, and garbage is refused", async (t) => {
  const { server } = await serve(t);
  assert.equal((await send(server.port, { method: "GET", path: `/${"x".repeat(1000)}` })).status, 404);
  assert.equal((await send(server.port, { method: "GET", path: `/${"x".repeat(10_000)}` })).status, 400);
  const socket = connect(server.port, "127.0.0.1");
  socket.end("nonsense\r\n\r\n");
  const [answer] = (await once(socket, "data")) as [Buffer];
  assert.ok(answer.toString("latin1").startsWith("HTTP/1.1 400 Bad Request\r\n"));
});

test("a request without a host is served", async (t) => {
  const { server } = await serve(t);
  const socket = connect(server.port, "127.0.0.1");
  const login = Buffer.from(LOGIN).toString("base64");
  const body = '{"method":"wait","params":["abc"]}';
  const head = `POST / HTTP/1.1\r\nAuthorization: Basic ${login}\r\nConnection: close`;
  socket.end(`${head}\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  let text = "";
  for await (const chunk of socket) text += String(chunk);
  assert.match(text, /^HTTP\/1\.1 200 /);
  assert.match(text, /"3 - user"/);
});

test("who sends no whole request in time is cut off without a word", async (t) => {
  const { server } = await serve(t, { timeout: 0.2 });
  const login = Buffer.from(LOGIN).toString("base64");
  for (const part of [
    "",
    "POST / HTTP/1.1\r\nHost: x\r\n",
    `POST / HTTP/1.1\r\nAuthorization: Basic ${login}\r\nContent-Length: 9\r\n\r\nabc`,
  ]) {
    const start = performance.now();
    const socket = connect(server.port, "127.0.0.1");
    socket.write(part);
    let text = "";
    for await (const chunk of socket) text += String(chunk);
    assert.equal(text, "", part);
    const waited = performance.now() - start;
    assert.ok(waited > 150 && waited < 10_000, `${part}: ${waited} ms`);
  }
});

test("calls beyond the threads wait in turn, beyond the queue they get 503", async (t) => {
  const { server, waiting } = await serve(t, { threads: 1, workQueue: 1 });
  const first = send(server.port, { body: call() });
  await until(() => waiting.length === 1);
  const second = send(server.port, { body: call() });
  let refused: Reply;
  do {
    refused = await send(server.port, { body: "{}", login: LOGIN });
  } while (refused.status !== 503);
  assert.equal(refused.text, "Work queue depth exceeded");
  assert.equal(waiting.length, 1);
  waiting[0]?.("one");
  assert.match((await first).text, /"one"/);
  await until(() => waiting.length === 2);
  waiting[1]?.("two");
  assert.match((await second).text, /"two"/);
});

test("a client that goes away ends its call", async (t) => {
  const { server, waiting } = await serve(t, { threads: 1 });
  const socket = connect(server.port, "127.0.0.1");
  await once(socket, "connect");
  const body = call();
  socket.write(
    `POST / HTTP/1.1\r\nHost: x\r\nAuthorization: Basic ${Buffer.from(LOGIN).toString("base64")}\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  await until(() => waiting.length === 1);
  socket.destroy();
  // The one thread is free again only when the first call has ended.
  assert.equal((await send(server.port, { body: call("x") })).status, 200);
});

test("a drained server ends calls that wait and takes none", async (t) => {
  const { server, waiting } = await serve(t);
  const agent = new Agent({ keepAlive: true });
  t.after(() => agent.destroy());
  const long = send(server.port, { body: call(), agent });
  await until(() => waiting.length === 1);
  const drained = server.drain();
  assert.equal(server.drain(), drained, "nobody waits twice for a call that does not end");
  await drained;
  const reply = await long;
  assert.match(reply.text, /"ended"/);
  assert.equal(reply.headers.connection, "close");
  assert.equal((await send(server.port, { body: call("x") })).status, 503);
  await server.close();
  await assert.rejects(send(server.port, { body: call("x") }), { code: "ECONNREFUSED" });
});

test("a port that is taken is an error", async (t) => {
  const { server } = await serve(t);
  const other = new RpcServer(
    { binds: [{ host: "127.0.0.1", port: server.port }], allow: [], threads: 1, workQueue: 1, timeout: 1 },
    { dispatcher: new RpcDispatcher(null, []), credentials: new Credentials(), log: silentLogger },
  );
  await assert.rejects(other.listen(), /Unable to bind any endpoint for RPC server/);
});

test("subnets are addresses, prefixes or masks", () => {
  assert.deepEqual(parseSubnet("10.0.0.1"), { address: "10.0.0.1", prefix: 32, family: "ipv4" });
  assert.deepEqual(parseSubnet("10.0.0.0/8"), { address: "10.0.0.0", prefix: 8, family: "ipv4" });
  assert.deepEqual(parseSubnet("10.0.0.0/255.255.0.0"), { address: "10.0.0.0", prefix: 16, family: "ipv4" });
  assert.deepEqual(parseSubnet("0.0.0.0/0"), { address: "0.0.0.0", prefix: 0, family: "ipv4" });
  assert.deepEqual(parseSubnet("fd00::/8"), { address: "fd00::", prefix: 8, family: "ipv6" });
  for (const text of [
    "",
    "x",
    "10.0.0.0/33",
    "10.0.0.0/255.0.255.0",
    "::1/129",
    "::1/255.0.0.0",
    "10.0.0.0/-1",
  ]) {
    assert.equal(parseSubnet(text), undefined, text);
  }
});
