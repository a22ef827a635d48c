import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type ApiServer, openApiServer } from "../server.ts";
import type { JobQuery, JobView, RenderRequest, SharingControl } from "../sharing-control.ts";
import { testContext } from "../test-support/test-context.ts";

const TOKEN = "a-token-of-the-test";
const ID = "ab".repeat(16);
const folder = mkdtempSync(join(tmpdir(), "freehold-jobs-"));
const job: JobView = {
  id: ID,
  kind: "render",
  title: "scene.glb",
  state: "running",
  created: 1,
  tasks: [{ index: 0, state: "waiting", attempts: [] }],
  counts: { total: 1, verified: 0 },
};
let rendered: RenderRequest | undefined;
const asked: JobQuery[] = [];
/** The methods that these routes ask for. */
const control: Partial<SharingControl> = {
  jobs: async (query) => {
    asked.push(query);
    return [job];
  },
  job: async ({ id }) =>
    ID.startsWith(id) ? { ok: true, value: job } : { ok: false, reason: `no job ${id}` },
  cancelJob: async () => ({ ok: true, value: { ...job, state: "cancelled" } }),
  removeJob: async ({ id }) =>
    id === ID ? { ok: true, value: job } : { ok: false, reason: `job ${id} is under way: cancel it first` },
  render: async (request) => {
    rendered = request;
    return request.scene === "/missing"
      ? { ok: false, reason: "/missing: no such file" }
      : { ok: true, value: job };
  },
};
let api: ApiServer;

before(async () => {
  mkdirSync(join(folder, "jobs", ID), { recursive: true });
  for (const name of ["picture.png", "tile-3.png", "a.html", "journal", "job"]) {
    writeFileSync(join(folder, "jobs", ID, name), name);
  }
  writeFileSync(join(folder, "secret"), "what nobody may read");
  const context = testContext(folder, { state: "running", control: control as SharingControl });
  api = await openApiServer({ port: 0, orNext: false, token: TOKEN, page: folder }, context);
});
after(async () => {
  await api.close();
  rmSync(folder, { recursive: true });
});

function ask(method: string, path: string, body?: object): Promise<Response> {
  return fetch(`http://127.0.0.1:${api.port}/api${path}`, {
    method,
    headers: {
      authorization: `Bearer ${TOKEN}`,
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

test("jobs are listed page by page, shown by the start of their id, cancelled, and removed", async () => {
  assert.deepEqual(await (await ask("GET", "/jobs")).json(), [job]);
  assert.deepEqual(await (await ask("GET", `/jobs?limit=7&after=12-${ID}`)).json(), [job]);
  assert.deepEqual(asked, [{ limit: 200 }, { limit: 7, after: { created: 12, id: ID } }]);
  for (const wrong of ["limit=0", "limit=1001", `after=${ID}`, "after=1-ab", `after=-1-${ID}`]) {
    assert.equal((await ask("GET", `/jobs?${wrong}`)).status, 400, wrong);
  }
  assert.deepEqual(await (await ask("GET", `/jobs/${ID.slice(0, 6)}`)).json(), job);
  assert.equal((await ask("GET", "/jobs/ffff")).status, 404);
  assert.equal((await ask("GET", "/jobs/not-hex")).status, 400);
  const cancelled = (await (await ask("POST", `/jobs/${ID}/cancel`)).json()) as JobView;
  assert.equal(cancelled.state, "cancelled");
  assert.deepEqual(await (await ask("DELETE", `/jobs/${ID}`)).json(), job);
  const running = await ask("DELETE", "/jobs/abab");
  assert.equal(running.status, 409);
  assert.match(await running.text(), /cancel it first/);
});

test("a render is checked before it is asked for, and a refusal has its reason", async () => {
  const request = { scene: "/scene.glb", width: 640, height: 360, samples: 64 };
  assert.deepEqual(await (await ask("POST", "/jobs/render", request)).json(), job);
  assert.deepEqual(rendered, request);
  for (const wrong of [
    { ...request, width: 0 },
    { ...request, samples: "x" },
    { width: 1, height: 1 },
  ]) {
    assert.equal((await ask("POST", "/jobs/render", wrong)).status, 400, JSON.stringify(wrong));
  }
  const missing = await ask("POST", "/jobs/render", { ...request, scene: "/missing" });
  assert.equal(missing.status, 409);
  assert.match(await missing.text(), /no such file/);
});

test("a job's pictures are shown, its other outputs saved, and nothing beside them is served", async () => {
  for (const name of ["picture.png", "tile-3.png"]) {
    const picture = await ask("GET", `/jobs/${ID}/files/${name}`);
    assert.equal(picture.headers.get("content-type"), "image/png");
    assert.equal(await picture.text(), name);
  }
  const page = await ask("GET", `/jobs/${ID}/files/a.html`);
  assert.equal(page.headers.get("content-type"), "application/octet-stream");
  assert.match(page.headers.get("content-disposition") ?? "", /^attachment/);
  assert.equal(page.headers.get("x-content-type-options"), "nosniff");
  await page.text();
  for (const name of ["journal", "job", "missing", "..%2F..%2Fsecret", "..", ".hidden", "%00"]) {
    const refused = await ask("GET", `/jobs/${ID}/files/${name}`);
    assert.ok(refused.status === 404 || refused.status === 400, `${name}: ${refused.status}`);
    assert.ok(!(await refused.text()).includes("what nobody may read"));
  }
});
