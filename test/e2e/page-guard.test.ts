/** Other people's pages in the same browser, logged in as it is: they can neither read the node nor make it do anything. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { DemoPeer } from "../../demo/peer.ts";
import { room, type Visit, visit } from "../support/browsing.ts";
import { CHROMIUM, openChromium } from "../support/chromium.ts";

const skip = CHROMIUM === undefined ? "Chromium is not installed (test/interop/install-browser.sh)" : false;
const options = { skip, timeout: 60_000 } as const;

let parent: string;
let browser: Browser;
let alice: DemoPeer;
let foreign: Server;
let home: Visit;

before(async () => {
  if (skip !== false) return;
  parent = await mkdtemp(join(tmpdir(), "freehold-guard-"));
  alice = await DemoPeer.create("Alice", { parent });
  foreign = createServer((_request, response) => {
    response.setHeader("content-type", "text/html");
    response.end("<!doctype html><title>Somebody else's page</title><iframe name='inner'></iframe>");
  });
  await new Promise<void>((resolve) => foreign.listen(0, "127.0.0.1", resolve));
  [browser] = await Promise.all([openChromium(), alice.start()]);
  home = await visit(browser, alice);
  await alice.api.post("/wallet/new", {});
  await alice.sharing();
  await room(home.page, "money").getByText("to spend").waitFor();
});

after(async () => {
  await browser?.close();
  await alice?.stop();
  foreign?.close();
  if (parent !== undefined) await rm(parent, { recursive: true, force: true });
});

test("the session is a cookie that no script reads and no other site sends", options, async () => {
  const cookies = await home.context.cookies();
  assert.equal(cookies.length, 1);
  const { httpOnly, sameSite, expires } = cookies[0]!;
  assert.deepEqual({ httpOnly, sameSite, expires }, { httpOnly: true, sameSite: "Strict", expires: -1 });
  assert.equal(await home.page.evaluate("document.cookie"), "");
  assert.equal(await home.page.evaluate("Object.keys(localStorage).length"), 0, "no secret in the storage");
});

test("no script that is not the page's own runs there, and nobody is told of it", options, async () => {
  const { page } = home;
  const ran = await page.evaluate<boolean>(`(() => {
    const script = document.createElement("script");
    script.textContent = "globalThis.foreign = true";
    document.body.append(script);
    return "foreign" in globalThis;
  })()`);
  assert.equal(ran, false);
  const port = (foreign.address() as AddressInfo).port;
  const told = page.evaluate(
    `fetch("http://127.0.0.1:${port}/?secret", { mode: "no-cors" }).then(() => "told", String)`,
  );
  assert.match(String(await told), /TypeError/);
});

// A port of this machine is another origin of the same site: the browser sends the cookie along. A name is another site.
for (const name of ["127.0.0.1", "evil.test"]) {
  test(`a page at ${name} can not read, post, frame or follow the node`, options, async () => {
    const page = await home.context.newPage();
    await page.goto(`http://${name}:${(foreign.address() as AddressInfo).port}/`);
    const { address } = alice.api;
    const before = await alice.api.get<{ balance: unknown }>("/wallet");

    const read = (path: string, init: object) =>
      page.evaluate<string>(
        `fetch(${JSON.stringify(address + path)}, ${JSON.stringify(init)}).then((r) => r.type + r.status, (e) => e.name)`,
      );
    for (const path of ["/api/status", "/api/wallet/history", "/api/events", "/api/openapi.json"]) {
      assert.equal(await read(path, { credentials: "include" }), "TypeError", `${name} reads ${path}`);
    }
    // What the browser sends without asking first, the node refuses: nothing is switched on, as is seen below.
    const json = JSON.stringify({ limitBytes: 1_000_000 });
    const sent = { method: "POST", mode: "no-cors", credentials: "include", body: json };
    for (const path of ["/api/peers/invitations", "/api/host/start"]) {
      assert.equal(await read(path, sent), "TypeError", `${name} posts to ${path}`);
    }
    assert.equal(await statusOf(page, "/api/provider/start", () => submitForm(page, address)), 403);
    const event = page.evaluate<string>(
      `new Promise((done) => { const s = new EventSource(${JSON.stringify(`${address}/api/events`)}, { withCredentials: true }); s.onopen = () => done("open"); s.onerror = () => done("refused"); })`,
    );
    assert.equal(await event, "refused");
    // Nor does it get the page into a frame of its own, to have it clicked.
    await page.evaluate(`document.querySelector("iframe").src = ${JSON.stringify(`${address}/`)}`);
    await page.waitForTimeout(0);
    const frame = page.frames().find((other) => other !== page.mainFrame());
    assert.equal(await frame?.locator("#root > *").count(), 0);

    const { sharing } = await alice.api.get<{
      sharing: { provider: { on: boolean }; host: { on: boolean } };
    }>("/status");
    assert.deepEqual([sharing.provider.on, sharing.host.on], [false, false]);
    assert.deepEqual((await alice.api.get<{ balance: unknown }>("/wallet")).balance, before.balance);
    await page.close();
  });
}

test(
  "the page reaches the disk's door by either name of this machine, and no other page does",
  options,
  async () => {
    const presign = { method: "PUT", bucket: "photos", key: "a.jpg", seconds: 600 };
    const { url } = await alice.api.post<{ url: string }>("/files/presign", presign);
    const { port } = new URL(alice.api.address);
    const put = async (origin: string) => {
      const page = await home.context.newPage();
      await page.goto(`${origin}/`);
      // What the browser lets a script read, whatever the door has to say: nobody keeps files for Alice yet.
      const told = await page.evaluate<string>(
        `fetch(${JSON.stringify(url)}, { method: "PUT", body: "x", headers: { "content-type": "image/jpeg" } })
        .then(async (answer) => (await answer.text()).match(/<Code>(\\w+)/)?.[1] ?? "stored", (error) => error.name)`,
      );
      await page.close();
      return told;
    };
    for (const name of ["127.0.0.1", "localhost"])
      assert.equal(await put(`http://${name}:${port}`), "NoSuchBucket");
    const stranger = (foreign.address() as AddressInfo).port;
    for (const name of ["127.0.0.1", "localhost"])
      assert.equal(await put(`http://${name}:${stranger}`), "TypeError");
  },
);

test("a name that was rebound to this machine gets neither the page nor the API", options, async () => {
  const page = await home.context.newPage();
  const { port } = new URL(alice.api.address);
  for (const path of ["/", "/api/status", "/api/openapi.json"]) {
    const response = await page.goto(`http://rebound.test:${port}${path}`);
    assert.equal(response?.status(), 421, path);
  }
  assert.equal(await page.locator("#root").count(), 0);
  await page.close();
});

test("without a token, with a wrong one, and with a used link there is nothing", options, async () => {
  const { address } = alice.api;
  const status = async (headers: Record<string, string>) =>
    (await fetch(`${address}/api/wallet`, { headers })).status;
  assert.equal(await status({}), 401);
  assert.equal(await status({ authorization: "Bearer guess" }), 401);
  assert.equal(await status({ cookie: `freehold-session-${new URL(address).port}=guess` }), 401);
  const { key } = await alice.api.post<{ key: string }>("/login-links", {});
  const login = async () =>
    (
      await fetch(`${address}/api/session`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ key }),
      })
    ).status;
  assert.deepEqual([await login(), await login()], [204, 401]);
});

/** The status of the answer to a request that the page is made to send; its script does not see it. */
async function statusOf(page: Page, path: string, send: () => Promise<unknown>): Promise<number> {
  const answer = page.waitForResponse((response) => response.url().endsWith(path));
  await send();
  return (await answer).status();
}

async function submitForm(page: Page, address: string): Promise<void> {
  await page.evaluate(`(() => {
    const form = document.createElement("form");
    form.method = "post";
    form.target = "inner";
    form.action = ${JSON.stringify(`${address}/api/provider/start`)};
    document.body.append(form);
    form.submit();
  })()`);
}
