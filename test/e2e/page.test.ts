/**
 * The page in a real Chromium over real peers, by hand: inviting, paying, storing, a host that dies, reading back,
 * rendering with a cheat among the helpers. Each part goes on from what the one before it left.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { freePort } from "../../demo/free-port.ts";
import { DemoPeer, until } from "../../demo/peer.ts";
import { buildScene } from "../../demo/scene/build-scene.ts";
import { assertSound, loginLink, room, tabTo, type Visit, visit } from "../support/browsing.ts";
import { CHROMIUM, openChromium } from "../support/chromium.ts";
import { sharingPidOf } from "../support/sharing-pid.ts";

const skip = CHROMIUM === undefined ? "Chromium is not installed (test/interop/install-browser.sh)" : false;
const options = { skip, timeout: 180_000 } as const;

const DROPPED = 200_000;
const CHOSEN = 150_000;
/** Satoshi. */
const PAYMENT = 1_234_567;

let parent: string;
let browser: Browser;
const peers: DemoPeer[] = [];
let alice: DemoPeer;
let bob: DemoPeer;
let carol: DemoPeer;
let dave: DemoPeer;
let atAlice: Visit;
let atBob: Visit;

before(async () => {
  if (skip !== false) return;
  parent = await mkdtemp(join(tmpdir(), "freehold-page-"));
  const [port, disk] = [await freePort(), await freePort()];
  for (const name of ["Alice", "Bob", "Carol", "Dave"]) {
    // Alice's page stays where it is when she starts again.
    const page = name === "Alice" ? { apiPort: port } : {};
    const ports = name === "Alice" ? [`-apiport=${port}`, `-s3port=${disk}`] : [];
    const options = ["-hostaway=2", "-hostdead=4", ...ports];
    peers.push(await DemoPeer.create(name, { parent, options, ...page }));
  }
  [alice, bob, carol, dave] = peers as [DemoPeer, DemoPeer, DemoPeer, DemoPeer];
  [browser] = await Promise.all([openChromium(), alice.start(), bob.start()]);
});

after(async () => {
  await browser?.close();
  await Promise.all(peers.map((peer) => peer.stop()));
  if (parent !== undefined) await rm(parent, { recursive: true, force: true });
});

/** Bytes that the page and the test make alike. */
function bytesOf(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * i * 31 + (i >> 7)) & 255);
}
const BYTES_IN_PAGE = "Uint8Array.from({ length }, (_, i) => (i * i * 31 + (i >> 7)) & 255)";

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

test("an empty node has a page that says what to do, and comes alive by itself", options, async () => {
  atAlice = await visit(browser, alice);
  const { page } = atAlice;
  await room(page, "money").getByText("freehold wallet new").waitFor();
  assert.equal(await page.evaluate("location.hash"), "", "the link's key is gone from the address bar");
  await assertSound(page, "empty");
  assert.deepEqual(atAlice.complaints, [], "nothing is asked of what does not run");
  await alice.api.post("/wallet/new", {});
  await alice.sharing();
  await room(page, "money").getByText("to spend").waitFor();
  await room(page, "network").getByText("Nobody is here yet").waitFor();
});

test("the keyboard alone invites a friend, who joins by keyboard", options, async () => {
  const { page } = atAlice;
  await bob.api.post("/wallet/new", {});
  await bob.sharing();
  await tabTo(page, page.getByRole("button", { name: "Invite" }));
  await page.keyboard.press("Enter");
  const invitation = room(page, "network").locator(".copyable code");
  await invitation.waitFor();
  await tabTo(page, room(page, "network").getByRole("button", { name: "Copy" }));
  await page.keyboard.press("Space");
  await page.getByRole("button", { name: "Copied" }).waitFor();
  const link = (await invitation.textContent()) ?? "";
  assert.equal(await page.evaluate("navigator.clipboard.readText()"), link);
  await assertSound(page, "invitation", [360]);

  atBob = await visit(browser, bob);
  const other = atBob.page;
  await tabTo(other, other.getByRole("button", { name: "Join" }));
  await other.keyboard.press("Enter");
  await tabTo(other, other.getByLabel("Invitation that you were sent"));
  await other.keyboard.insertText("hello");
  await other.keyboard.press("Enter");
  const refusal = room(other, "network").getByRole("alert").filter({ hasText: "neither an invitation" });
  await refusal.waitFor();
  await tabTo(other, other.getByRole("button", { name: "Join" }).first());
  await other.keyboard.press("Enter");
  await refusal.waitFor({ state: "detached" });
  await other.keyboard.press("Enter");
  await tabTo(other, other.getByLabel("Invitation that you were sent"));
  await other.keyboard.insertText(link);
  await other.keyboard.press("Enter");
  await other.locator(".node.near", { hasText: "Alice" }).waitFor();
  await page.locator(".node.near", { hasText: "Bob" }).waitFor();
  await tabTo(page, page.getByRole("button", { name: "Invite" }));
  await page.keyboard.press("Enter");
  await invitation.waitFor({ state: "detached" });

  await Promise.all([carol.start(), dave.start()]);
  for (const peer of [carol, dave]) {
    await peer.api.post("/wallet/new", {});
    await peer.sharing();
    await peer.api.post("/peers", { link });
    await page.locator(".node.near", { hasText: peer.name }).waitFor();
  }
});

test("a payment is reviewed with its fee, made by keyboard, and appears on both pages", options, async () => {
  const { page } = atAlice;
  await until(async () => {
    const counts = await Promise.all(peers.map((peer) => peer.rpc<number>("getconnectioncount")));
    return counts.every((count) => count > 0) ? true : undefined;
  }, "their ledgers to connect");
  const { address } = await alice.api.post<{ address: string }>("/wallet/addresses", {});
  await carol.rpc("generatetoaddress", 1, address);
  const { address: own } = await carol.api.post<{ address: string }>("/wallet/addresses", {});
  await carol.rpc("generatetoaddress", 100, own);
  await room(page, "money").getByText("50 BTC to spend").waitFor();
  // What was mined does not push what was paid out of sight.
  const history = (query: string) => carol.api.get<readonly unknown[]>(`/wallet/history?limit=20${query}`);
  assert.deepEqual([(await history("")).length, (await history("&mined=false")).length], [20, 0]);
  // The page asks for the chain and for the wallet one by one, and may have asked for the chain a block before.
  await room(page, "chain").locator(".figure").filter({ hasText: /^101$/ }).waitFor();

  // What Bob's page shows to be paid to.
  const money = room(atBob.page, "money");
  await money.getByRole("button", { name: "Receive" }).click();
  const to = (await money.locator(".copyable code").textContent()) ?? "";
  assert.match(to, /^bcrt1q/);
  await assertSound(atBob.page, "receiving", [360]);

  await tabTo(page, page.getByRole("button", { name: "Pay", exact: true }));
  await page.keyboard.press("Enter");
  await tabTo(page, page.getByLabel("To which address"));
  await page.keyboard.insertText("bcrt1qnobody");
  await page.keyboard.press("Tab");
  const refused = (what: RegExp) =>
    room(page, "money").getByRole("alert").filter({ hasText: what }).waitFor();
  for (const wrong of ["0.5", "1,5", "1e4"]) {
    await page.keyboard.press("ControlOrMeta+a");
    await page.keyboard.insertText(wrong);
    await page.keyboard.press("Enter");
    await refused(/whole number of satoshi/);
  }
  await page.keyboard.press("ControlOrMeta+a");
  await page.keyboard.insertText(PAYMENT.toLocaleString("en"));
  await page.keyboard.press("Enter");
  await refused(/Invalid address/);
  await assertSound(page, "a refused payment", [360]);
  await tabTo(page, page.getByRole("button", { name: "Switch between dark and light" }));
  await tabTo(page, page.getByLabel("To which address"));
  await page.keyboard.press("ControlOrMeta+a");
  await page.keyboard.insertText(to);
  await page.keyboard.press("Enter");
  const review = room(page, "money").locator("dl");
  await review.waitFor();
  const shown = (await review.textContent()) ?? "";
  assert.ok(shown.includes(to), shown);
  const fee = Number(/Fee([\d,]+) sat/.exec(shown)?.[1]?.replaceAll(",", ""));
  assert.ok(fee > 0 && fee < 10_000, shown);
  assert.ok(shown.includes("Amount0.01234567 BTC"), shown);
  await assertSound(page, "review", [360]);
  await page.getByRole("button", { name: "Back" }).click();
  assert.equal(await page.getByLabel("To which address").inputValue(), to, "what was typed is still there");
  assert.equal(await page.getByLabel("Amount in sat").inputValue(), PAYMENT.toLocaleString("en"));
  await page.getByRole("button", { name: "Review" }).click();
  await review.waitFor();
  await tabTo(page, page.getByRole("button", { name: "Pay now" }));
  await page.keyboard.press("Enter");
  await room(page, "money").getByText("Paid. Transaction").waitFor();

  const paid = `${(PAYMENT + fee) / 1e8} BTC`;
  await room(page, "money").locator(".payments .out", { hasText: paid }).waitFor();
  const arrived = money.locator(".payments .in", { hasText: `${PAYMENT / 1e8} BTC` });
  await arrived.getByText("waits for a block").waitFor();
  await money.getByText("arriving").waitFor();
  await carol.rpc("generatetoaddress", 1, own);
  await arrived.getByText("1 block").waitFor();
  await money.getByText(`${PAYMENT / 1e8} BTC to spend`).waitFor();
  // The address is used, so the next payer is shown another.
  await money.locator(".copyable code").filter({ hasNotText: to }).waitFor();
  assert.equal((await bob.api.get<{ balance: { trusted: number } }>("/wallet")).balance.trusted, PAYMENT);
});

test(
  "files dropped and chosen are kept by friends, and their shards are chosen by keyboard",
  options,
  async () => {
    const { page } = atAlice;
    await tabTo(atBob.page, atBob.page.getByRole("button", { name: "Lend disk space (10.0 GiB)" }));
    await atBob.page.keyboard.press("Enter");
    await room(atBob.page, "files").getByText("of 10.0 GiB for friends").waitFor();
    // What is lent again is lent by the rules of before.
    const rules = { limitBytes: 3 * 2 ** 30, limitBytesPerAccount: 2 ** 30, keepDays: 7 };
    await bob.api.post("/host/start", rules);
    await room(atBob.page, "files").getByText("of 3.0 GiB for friends").waitFor();
    await tabTo(atBob.page, atBob.page.getByRole("button", { name: "Stop keeping new files" }));
    await atBob.page.keyboard.press("Enter");
    await tabTo(atBob.page, atBob.page.getByRole("button", { name: "Lend disk space (3.0 GiB)" }));
    await atBob.page.keyboard.press("Enter");
    await room(atBob.page, "files").getByText("of 3.0 GiB for friends").waitFor();
    const { limitBytes, limitBytesPerAccount, keepDays } = await bob.api.get<typeof rules>("/host");
    assert.deepEqual({ limitBytes, limitBytesPerAccount, keepDays }, rules);
    for (const host of [carol, dave]) await host.api.post("/host/start", { limitBytes: 64 * 2 ** 20 });
    await until(async () => {
      const views =
        await alice.api.get<readonly { readonly offers: Readonly<Record<string, string>> }[]>("/peers");
      return views.filter(({ offers }) => "storage" in offers).length === 3 ? true : undefined;
    }, "three hosts");

    const transfer = await page.evaluateHandle(`(() => {
    const length = ${DROPPED};
    const transfer = new DataTransfer();
    transfer.items.add(new File([${BYTES_IN_PAGE}], "dropped by hand.bin"));
    return transfer;
  })()`);
    const zone = room(page, "files").locator(".drop");
    await zone.dispatchEvent("dragover", { dataTransfer: transfer });
    await page.locator(".drop.over").waitFor();
    await zone.dispatchEvent("drop", { dataTransfer: transfer });
    const dropped = room(page, "files").getByRole("button", { name: "dropped by hand.bin", exact: true });
    await dropped.waitFor();
    await page.getByLabel("Drop files here, or choose them").setInputFiles({
      name: "chosen.bin",
      mimeType: "application/octet-stream",
      buffer: Buffer.from(bytesOf(CHOSEN)),
    });
    const chosen = room(page, "files").getByRole("button", { name: "chosen.bin", exact: true });
    await chosen.waitFor();
    await tabTo(page, chosen);
    await page.keyboard.press("Enter");
    await room(page, "files").getByText("Where the shards of chosen.bin are").waitFor();
    assert.equal(await chosen.getAttribute("aria-pressed"), "true");
    await tabTo(page, dropped);
    await page.keyboard.press("Space");
    await room(page, "files").getByText("Where the shards of dropped by hand.bin are").waitFor();
    await room(page, "files").locator(".shard.stored", { hasText: "Dave" }).first().waitFor();
  },
);

test("a host dies: its shards are seen in repair, then safe with others", options, async () => {
  const { page } = atAlice;
  const shards = room(page, "files").locator(".shard");
  const all = await shards.count();
  await dave.kill();
  await page.locator(".node.away", { hasText: "Dave" }).waitFor();
  await room(page, "files").locator(".shard.repairing").first().waitFor();
  await until(async () => {
    const states = await shards.evaluateAll((cells) => cells.map((cell) => cell.className));
    const isSafe = states.length === all && states.every((state) => state === "shard stored");
    return isSafe && (await shards.filter({ hasText: "Dave" }).count()) === 0 ? true : undefined;
  }, "repair to be seen");
});

test(
  "a name that exists is asked about, one that fails is named, and the others have their turn",
  options,
  async () => {
    const { page } = atAlice;
    const files = room(page, "files");
    const send = (...names: string[]) =>
      page
        .getByLabel("Drop files here, or choose them")
        .setInputFiles(
          names.map((name) => ({ name, mimeType: "application/octet-stream", buffer: Buffer.from(name) })),
        );
    const odd = "ünïcödé 文件 #1?%20&+'(x).txt";
    await send("..", odd, "empty.txt");
    await files.getByText(".. was not stored").waitFor();
    await files.getByRole("button", { name: "empty.txt", exact: true }).waitFor();
    const questions: string[] = [];
    page.once("dialog", (dialog) => {
      questions.push(dialog.message());
      void dialog.dismiss();
    });
    await send(odd);
    await until(async () => (questions.length > 0 ? true : undefined), "the question");
    assert.match(questions[0]!, /^Replace ünïcödé/);
    const button = page.getByRole("button", { name: `Download ${odd}` });
    const [download] = await Promise.all([page.waitForEvent("download"), button.click()]);
    // As Chromium keeps it from what file systems do not take.
    assert.equal(download.suggestedFilename(), odd.replace("?", "_"));
    assert.equal(await readFile(await download.path(), "utf8"), odd);
    for (const name of [odd, "empty.txt"]) {
      page.once("dialog", (dialog) => void dialog.accept());
      await tabTo(page, page.getByRole("button", { name: `Delete ${name}` }));
      await page.keyboard.press("Enter");
      await files.getByRole("button", { name, exact: true }).waitFor({ state: "detached" });
      assert.ok(
        await files.locator(".objects").evaluate((list) => list.ownerDocument.activeElement === list),
      );
    }
  },
);

test("a bucket with more files than are listed says so", options, async () => {
  const { page } = atAlice;
  const asked: (string | null)[] = [];
  const entries = [{ key: "one of many", size: 1, modified: 0 }];
  await page.route("**/api/files/objects?*", async (route) => {
    const limit = new URL(route.request().url()).searchParams.get("limit");
    asked.push(limit);
    await route.fulfill({ json: { entries, next: "one of many" } });
  });
  await page.reload();
  await room(page, "files").getByRole("button", { name: "Show more" }).click();
  await until(async () => (asked.at(-1) === "1000" ? true : undefined), "more to be asked for");
  await room(page, "files").getByText("freehold files ls").waitFor();
  await page.unroute("**/api/files/objects?*");
  await page.reload();
  await room(page, "files").getByRole("button", { name: "chosen.bin", exact: true }).waitFor();
});

test(
  "the sharing process dies: the page says so, counts nobody as connected, and goes on",
  options,
  async () => {
    const { page } = atAlice;
    const files = room(page, "files");
    const large = join(parent, "large.bin");
    await writeFile(large, new Uint8Array(48 * 2 ** 20));
    // It is on its way for six seconds, however quick the machine is.
    const line = await page.context().newCDPSession(page);
    const pace = { offline: false, latency: 0, downloadThroughput: -1 };
    await line.send("Network.emulateNetworkConditions", { ...pace, uploadThroughput: 8 * 2 ** 20 });
    await page.getByLabel("Drop files here, or choose them").setInputFiles(large);
    await files.getByRole("button", { name: "Stop" }).waitFor();
    process.kill(sharingPidOf(alice.pid!)!, "SIGKILL");
    await room(page, "network").getByText("are starting").waitFor();
    assert.equal(await page.locator(".node.near").count(), 0, "nobody counts as connected");
    await page.locator(".node.near", { hasText: "Bob" }).waitFor();
    await files.getByRole("button", { name: "chosen.bin", exact: true }).waitFor();
    // A file on its way can be stopped by hand.
    await page.getByLabel("Drop files here, or choose them").setInputFiles(large);
    await files.getByRole("button", { name: "Stop" }).click();
    await files.getByText("large.bin was not stored: stopped").waitFor();
    await line.detach();
  },
);

test(
  "time goes on where nothing happens, and tabs that nobody sees take no line to the node",
  options,
  async () => {
    const { context } = atBob;
    const tabs: Page[] = [];
    for (let i = 0; i < 6; i++) {
      const tab = await context.newPage();
      await tab.addInitScript("Object.defineProperty(document, 'hidden', { get: () => true })");
      await tab.goto(bob.api.address);
      await room(tab, "network").waitFor();
      tabs.push(tab);
    }
    // A browser has six lines to one node.
    const { address } = await carol.api.post<{ address: string }>("/wallet/addresses", {});
    await carol.rpc("generatetoaddress", 1, address);
    const seventh = await context.newPage();
    tabs.push(seventh);
    await seventh.goto(bob.api.address);
    const age = room(seventh, "chain").getByText(/last block \d+ s ago/);
    await age.waitFor();
    await seventh.route("**/api/status", (route) => route.abort());
    const shown = await age.textContent();
    await until(async () => ((await age.textContent()) === shown ? undefined : true), "a second to pass");
    for (const tab of tabs) await tab.close();
  },
);

test("what was uploaded comes back bit for bit", options, async () => {
  const { page } = atAlice;
  for (const [name, length] of [
    ["dropped by hand.bin", DROPPED],
    ["chosen.bin", CHOSEN],
  ] as const) {
    const button = page.getByRole("button", { name: `Download ${name}` });
    const [download] = await Promise.all([page.waitForEvent("download"), button.click()]);
    assert.equal(download.suggestedFilename(), name);
    assert.equal(sha256(await readFile(await download.path())), sha256(bytesOf(length)), name);
  }
});

test("a render fills its mosaic, names who helped, and names the cheat", options, async () => {
  const { page } = atAlice;
  await dave.start("other");
  await dave.sharing();
  await page.locator(".node.near", { hasText: "Dave" }).waitFor();
  for (const peer of [carol, dave]) await peer.api.post("/provider/start", {});
  await tabTo(atBob.page, atBob.page.getByRole("button", { name: "Lend this machine" }));
  await atBob.page.keyboard.press("Enter");
  await room(atBob.page, "render").getByText("renders for friends").waitFor();
  const scene = join(parent, "scene.glb");
  await writeFile(scene, await buildScene());
  const order = room(page, "render");
  await order.getByLabel("Scene (.glb)").setInputFiles(scene);
  await order.getByLabel("Size").selectOption("320x180");
  await order.getByLabel("Samples").selectOption("16");
  await order.getByRole("button", { name: "Render" }).click();
  await order.locator(".tile.verified img").first().waitFor({ timeout: 120_000 }).catch(tellOfJob);
  const [job] = await alice.api.get<readonly { id: string; tasks: readonly unknown[] }[]>("/jobs");
  const tiles = job?.tasks.length ?? 0;
  assert.ok(tiles > 1);
  await order.getByText(`${tiles} of ${tiles} tiles verified`).waitFor({ timeout: 90_000 });
  const picture = order.locator(".mosaic > img");
  await picture.waitFor();
  await order.getByText("scene.glb at 320×180, 16 samples").waitFor();
  const [saved] = await Promise.all([
    page.waitForEvent("download"),
    order.getByText("Save the picture").click(),
  ]);
  assert.equal(saved.suggestedFilename(), "scene.png");
  await until(
    async () =>
      (await picture.evaluate<number, { naturalWidth: number }>(({ naturalWidth }) => naturalWidth)) === 320
        ? true
        : undefined,
    "the picture",
  );
  await order.getByText("Dave cheated").waitFor();
  const badges = (await order.locator(".badge").allTextContents()).join();
  assert.match(badges, /verified/);
  assert.doesNotMatch(badges, /Dave|this machine/);
  await room(page, "receipts").getByText("task verified").first().waitFor();

  // All of it is still there when the page comes anew.
  await page.reload();
  await order.getByText("Dave cheated").waitFor();
  assert.equal((await order.locator(".badge").allTextContents()).join(), badges);
  await picture.waitFor();
});

test("a render that is called off stops, and one that is removed leaves the page", options, async () => {
  const { page } = atAlice;
  const order = room(page, "render");
  await order.getByLabel("Scene (.glb)").setInputFiles(join(parent, "scene.glb"));
  await order.getByLabel("Size").selectOption("1280x720");
  await order.getByRole("combobox", { name: "Samples" }).selectOption("1024");
  await order.getByRole("button", { name: "Render" }).click();
  await order.getByText("scene.glb at 1280×720, 1024 samples · running").waitFor();
  const cancel = order.getByRole("button", { name: "Cancel" });
  await cancel.click();
  await order.getByText("scene.glb at 1280×720, 1024 samples · cancelled").waitFor();
  await cancel.waitFor({ state: "detached" });
  assert.deepEqual(await order.getByRole("alert").allTextContents(), []);
  const [job] = await alice.api.get<readonly { id: string; state: string }[]>("/jobs");
  assert.equal(job?.state, "cancelled");
  await alice.api.delete(`/jobs/${job?.id}`);
  await order.getByText("scene.glb at 320×180, 16 samples · done").waitFor();
});

/** What the node says of a job that the page does not show as it should. */
async function tellOfJob(error: Error): Promise<never> {
  const [job] = await alice.api.get<readonly { id: string }[]>("/jobs");
  const known = job === undefined ? "no job" : await alice.api.get(`/jobs/${job.id}`);
  throw new Error(`${error.message}\n${JSON.stringify(known)}`);
}

test(
  "the theme is switched by keyboard and stays; motion stops where it is not wanted",
  options,
  async () => {
    const { page } = atAlice;
    const background = () =>
      page.evaluate<string>("getComputedStyle(document.documentElement).backgroundColor");
    const dark = await background();
    await tabTo(page, page.getByRole("button", { name: "Switch between dark and light" }));
    await page.keyboard.press("Space");
    const light = await background();
    assert.notEqual(light, dark);
    await page.reload();
    await room(page, "network").waitFor();
    assert.equal(await background(), light);
    await page.evaluate("localStorage.clear()");
    await page.reload();
    await room(page, "network").waitFor();
    const animations = () => page.evaluate<number>("document.getAnimations().length");
    await page.emulateMedia({ reducedMotion: "no-preference" });
    await until(async () => ((await animations()) > 0 ? true : undefined), "traffic to move");
    await page.emulateMedia({ reducedMotion: "reduce" });
    assert.equal(await animations(), 0);
  },
);

test("with the story told and every drawer open, the page is sound on phone and desk", options, async () => {
  const { page } = atAlice;
  await page.getByText("Peers as a table").click();
  await page.getByRole("button", { name: "Receive" }).click();
  await room(page, "money").locator(".qr").waitFor();
  await page.getByRole("button", { name: "Join" }).click();
  await room(page, "files").locator(".shard").first().waitFor();
  await room(page, "render").locator(".mosaic > img").waitFor();
  await assertSound(page, "story told");
  assert.deepEqual(atAlice.complaints.filter(isUnexpected), []);
  assert.deepEqual(atBob.complaints.filter(isUnexpected), []);
});

/** Refusals that the tests provoke, and the upload that they cut off: a browser logs each as an error. */
function isUnexpected(complaint: string): boolean {
  return !/status of (400|404|409|503)|net::ERR_.*large\.bin/.test(complaint);
}

test("a locked wallet is unlocked on the page, and a session that ended shows nothing", options, async () => {
  const { page } = atBob;
  const money = room(page, "money");
  await bob.api.post("/wallet/encrypt", { passphrase: "of bob" });
  await money.getByText("Locked: it shows what comes in").waitFor();
  await assertSound(page, "locked", [360]);
  const passphrase = money.getByLabel("Passphrase");
  for (const [typed, told] of [
    ["of eve", money.getByRole("alert").filter({ hasText: /passphrase/i })],
    ["of bob", money.getByText("to spend")],
  ] as const) {
    await passphrase.fill(typed);
    await page.keyboard.press("Enter");
    await told.waitFor();
  }
  await passphrase.waitFor({ state: "detached" });
  assert.equal((await bob.api.get<{ locked: boolean }>("/wallet")).locked, false);

  // Logged out by another tab: whatever is asked for next, by the form or by the page itself, the page is closed.
  await money.getByRole("button", { name: "Pay", exact: true }).click();
  await page.getByLabel("To which address").fill("anywhere");
  await page.getByLabel("Amount in sat").fill("1000");
  await page.evaluate("fetch('/api/session', { method: 'DELETE' }).then((answer) => answer.status)");
  const closed = page.getByText("This page belongs to whoever runs the node");
  await page.getByRole("button", { name: "Review" }).or(closed).first().click();
  await closed.waitFor();
});

test(
  "a node that starts again says so on the page, and a fresh link opens it where it stands",
  options,
  async () => {
    const { page } = atAlice;
    await alice.stop();
    await page.getByText("The node does not answer").waitFor();
    await alice.start();
    await page.getByText("This page belongs to whoever runs the node").waitFor();
    assert.equal(await room(page, "money").count(), 0, "nothing of the wallet stays on the screen");
    await assertSound(page, "login needed");
    const link = await loginLink(alice);
    await page.goto(link);
    await room(page, "money").getByText("to spend").waitFor();
    await page.locator(".node.near", { hasText: "Bob" }).waitFor();
    // The link is used up: another browser is not let in by it.
    const stranger = await browser.newContext();
    const theirs = await stranger.newPage();
    await theirs.goto(link);
    await theirs.getByText("This page belongs to whoever runs the node").waitFor();
    await stranger.close();
  },
);
