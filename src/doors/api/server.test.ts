import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { systemClock } from "#base/lib/clock.ts";
import { silentLogger } from "#base/lib/logger.ts";
import type { ApiContext, SharingState } from "./context.ts";
import { EventHub } from "./event-hub.ts";
import { type ApiServer, openApiServer } from "./server.ts";
import type { SharingControl } from "./sharing-control.ts";

const TOKEN = "a-token-of-the-test";
const folder = mkdtempSync(join(tmpdir(), "freehold-api-"));
writeFileSync(join(folder, "index.html"), "<!doctype html><title>Freehold</title>");
const events = new EventHub();
let sharing: SharingState = { state: "off", reason: "no wallet" };
const context: ApiContext = {
  version: "0.1.0",
  name: "Alice",
  clock: systemClock,
  log: silentLogger,
  ledger: undefined,
  sharing: () => sharing,
  s3Origin: () => "http://127.0.0.1:9000",
  events,
  incoming: join(folder, "incoming"),
  jobs: join(folder, "jobs"),
};
let api: ApiServer;

before(async () => {
  api = await openApiServer({ port: 0, orNext: false, token: TOKEN, page: folder }, context);
});
after(async () => {
  await api.close();
  rmSync(folder, { recursive: true });
});

interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly text: string;
}

/** A request whose Host and other headers are what the test says. */
function ask(
  method: string,
  path: string,
  headers: Record<string, string> = {},
  body?: string,
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const call = request(
    { host: "127.0.0.1", port: api.port, method, path, headers, agent: false },
    (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text }),
      );
    },
  );
  call.on("error", reject);
  call.end(body);
  return promise;
}

const bearer = { authorization: `Bearer ${TOKEN}` };

test("a request without a credential, or with a wrong one, is refused and learns nothing", async () => {
  assert.equal((await ask("GET", "/api/status")).status, 401);
  assert.equal((await ask("GET", "/api/status", { authorization: "Bearer wrong" })).status, 401);
  assert.equal((await ask("GET", "/api/status", { authorization: "Basic eDp5" })).status, 401);
  assert.equal((await ask("GET", "/api/events")).status, 401);
  assert.equal((await ask("GET", "/api/openapi.json")).status, 401);
  assert.equal((await ask("GET", "/api/status", bearer)).status, 200);
});

test("a rebound host name is refused even with the token", async () => {
  for (const host of [
    "evil.example",
    `evil.example:${api.port}`,
    "127.0.0.1",
    "127.0.0.1:1",
    `localhost.evil:${api.port}`,
  ]) {
    assert.equal((await ask("GET", "/api/status", { ...bearer, host })).status, 421, host);
    assert.equal((await ask("GET", "/", { host })).status, 421, host);
  }
  for (const host of [`127.0.0.1:${api.port}`, `localhost:${api.port}`, `[::1]:${api.port}`]) {
    assert.equal((await ask("GET", "/api/status", { ...bearer, host })).status, 200, host);
  }
});

test("requests of other pages are refused, also with a session", async () => {
  const session = await login();
  for (const origin of [
    "http://evil.example",
    "null",
    `http://127.0.0.1:${api.port + 1}`,
    `https://127.0.0.1:${api.port}`,
  ]) {
    assert.equal((await ask("GET", "/api/status", { cookie: session, origin })).status, 403, origin);
  }
  const own = `http://127.0.0.1:${api.port}`;
  assert.equal((await ask("GET", "/api/status", { cookie: session, origin: own })).status, 200);
  for (const site of ["cross-site", "same-site"]) {
    assert.equal(
      (await ask("GET", "/api/status", { cookie: session, "sec-fetch-site": site })).status,
      403,
      site,
    );
  }
  assert.equal(
    (await ask("GET", "/", { "sec-fetch-site": "cross-site" })).status,
    200,
    "a link elsewhere may lead here",
  );
});

async function login(): Promise<string> {
  const key = new URL(api.loginLink()).hash.slice("#k=".length);
  const answer = await ask(
    "POST",
    "/api/session",
    { "content-type": "application/json" },
    JSON.stringify({ key }),
  );
  assert.equal(answer.status, 204, answer.text);
  const cookie = String(answer.headers["set-cookie"]);
  assert.match(cookie, /HttpOnly; SameSite=Strict$/);
  return cookie.split(";", 1)[0]!;
}

test("a login link works once, and logging out ends the session", async () => {
  const key = new URL(api.loginLink()).hash.slice("#k=".length);
  const json = { "content-type": "application/json" };
  assert.equal((await ask("POST", "/api/session", json, JSON.stringify({ key }))).status, 204);
  assert.equal((await ask("POST", "/api/session", json, JSON.stringify({ key }))).status, 401);
  assert.equal((await ask("POST", "/api/session", json, JSON.stringify({ key: "guess" }))).status, 401);
  const session = await login();
  assert.equal((await ask("GET", "/api/status", { cookie: session })).status, 200);
  assert.equal((await ask("DELETE", "/api/session", { cookie: session })).status, 204);
  assert.equal((await ask("GET", "/api/status", { cookie: session })).status, 401);
});

test("the page comes without a credential, with a policy that lets in nothing foreign", async () => {
  const page = await ask("GET", "/");
  assert.equal(page.status, 200);
  const policy = String(page.headers["content-security-policy"]);
  assert.match(policy, /default-src 'none'/);
  assert.match(policy, /connect-src 'self' http:\/\/127\.0\.0\.1:9000;/);
  assert.doesNotMatch(policy, /unsafe/);
  assert.equal(page.headers["cache-control"], "no-store");
  assert.equal(page.headers["server-timing"], 'disk;desc="http://127.0.0.1:9000"');
  assert.equal((await ask("GET", "/../server.ts")).status, 403);
});

test("events reach a reader, bytes as hex", async () => {
  const answer = await fetch(`http://127.0.0.1:${api.port}/api/events`, { headers: bearer });
  const reader = answer.body!.getReader();
  const { value: first } = await reader.read();
  assert.match(new TextDecoder().decode(first), /retry/);
  events.emit({ type: "sharing", state: "starting", reason: "again" });
  const { value: second } = await reader.read();
  assert.equal(
    new TextDecoder().decode(second),
    'data: {"type":"sharing","state":"starting","reason":"again"}\n\n',
  );
  await reader.cancel();
});

test("a stream of events ends when its session is logged out, and no other does", async () => {
  const [leaves, stays] = [await login(), await login()];
  const follow = async (cookie: string) => {
    const answer = await fetch(`http://127.0.0.1:${api.port}/api/events`, { headers: { cookie } });
    const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
    assert.match((await reader.read()).value!, /retry/);
    return reader;
  };
  const [ends, goesOn] = [await follow(leaves), await follow(stays)];
  assert.equal((await ask("DELETE", "/api/session", { cookie: leaves })).status, 204);
  assert.equal((await ends.read()).done, true);
  events.emit({ type: "mempool", transactions: 1, bytes: 2 });
  assert.match((await goesOn.read()).value!, /mempool/);
  await goesOn.cancel();
});

test("an upload keeps its name as far as it is plain, in a folder of its own", async () => {
  const headers = { ...bearer, "content-type": "application/octet-stream" };
  const nameOf = async (name: string) => {
    const query = new URLSearchParams({ extension: "glb", name });
    const saved = await ask("POST", `/api/incoming?${query}`, headers, "glTF…");
    assert.equal(saved.status, 200, saved.text);
    const { path } = JSON.parse(saved.text) as { path: string };
    assert.equal(readFileSync(path, "utf8"), "glTF…");
    assert.equal(dirname(dirname(path)), join(folder, "incoming"));
    return basename(path);
  };
  assert.equal(await nameOf("Still Life ü.glb"), "Still Life ü.glb");
  assert.equal(await nameOf("scene.GLB"), "scene.glb");
  assert.equal(await nameOf("../../etc/passwd"), "_.._etc_passwd.glb");
  assert.equal(await nameOf("..\\x\u202e\u0000y"), "_x_y.glb");
  assert.equal(await nameOf("..."), "upload.glb");
  assert.equal(Buffer.byteLength(await nameOf("é".repeat(200))), 104);
  assert.equal((await ask("POST", `/api/incoming?name=${"x".repeat(256)}`, headers, "x")).status, 400);
});

test("an upload is kept under a name of ours, and an empty one is refused", async () => {
  const headers = { ...bearer, "content-type": "application/octet-stream" };
  const saved = await ask("POST", "/api/incoming?extension=glb", headers, "glTF…");
  assert.equal(saved.status, 200, saved.text);
  assert.equal(readFileSync(JSON.parse(saved.text).path, "utf8"), "glTF…");
  assert.equal((await ask("POST", "/api/incoming", headers, "")).status, 400);
  assert.equal((await ask("POST", "/api/incoming?extension=..%2Fx", headers, "x")).status, 400);
});

test("a bad body and an unknown path get an error that says so", async () => {
  const answer = await ask("POST", "/api/session", { "content-type": "application/json" }, "{");
  assert.equal(answer.status, 400);
  assert.match(JSON.parse(answer.text).error, /JSON/);
  const json = { "content-type": "application/json" };
  const told = async (body: object) =>
    JSON.parse((await ask("POST", "/api/session", json, JSON.stringify(body))).text).error;
  assert.equal(await told({ key: "x".repeat(101) }), "`key` is longer than 100 characters");
  assert.equal(await told({ key: "x", other: 1 }), "the body has a field `other` too much");
  assert.equal(await told({ key: [] }), "`key` must be string");
  assert.equal(await told({}), "the body must have required property 'key'");
  assert.equal((await ask("GET", "/api/nothing", bearer)).status, 404);
});

test("OpenAPI describes every route", async () => {
  const document = JSON.parse((await ask("GET", "/api/openapi.json", bearer)).text);
  assert.equal(document.openapi, "3.1.0");
  assert.ok(document.paths["/api/status"].get.summary.length > 0);
  for (const [path, methods] of Object.entries<Record<string, { summary?: string }>>(document.paths)) {
    for (const [method, { summary }] of Object.entries(methods)) assert.ok(summary, `${method} ${path}`);
  }
});

test("a port in use: the next free one where that is wanted, else an error that names it", async () => {
  const blocker = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => blocker.once("listening", resolve));
  const { port } = blocker.address() as { port: number };
  const options = { port, token: TOKEN, page: undefined };
  await assert.rejects(openApiServer({ ...options, orNext: false }, context), new RegExp(`${port}.*in use`));
  const other = await openApiServer({ ...options, orNext: true }, { ...context, events: new EventHub() });
  assert.ok(other.port > port);
  await other.close();
  blocker.close();
});

test("a sharing process that dies while it is asked leaves the rest of the status", async (t) => {
  t.after(() => {
    sharing = { state: "off", reason: "no wallet" };
  });
  const error = Object.assign(new Error("the pipe failed"), { statusCode: 503 });
  sharing = {
    state: "running",
    control: { status: () => Promise.reject(error) } as unknown as SharingControl,
  };
  const { status, text } = await ask("GET", "/api/status", bearer);
  assert.equal(status, 200);
  const answer = JSON.parse(text) as { name: string; sharing: unknown };
  assert.equal(answer.name, "Alice");
  assert.deepEqual(answer.sharing, { state: "starting", reason: "the pipe failed" });
});
