/**
 * Takes the pictures of the page that the documents show, and those that a person looks at: `npm run pictures`. Five real
 * peers play the story, and a real Chromium looks at Alice's page as it goes on. Needs Chromium
 * (test/interop/install-browser.sh). With a folder as its argument the pictures go there.
 */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { PNG } from "pngjs";
import { DemoPeer } from "../demo/peer.ts";
import { joinCircle } from "../demo/scenes/circle.ts";
import { mine, pay } from "../demo/scenes/money.ts";
import { render } from "../demo/scenes/render.ts";
import { storeAndLose } from "../demo/scenes/storage.ts";
import { say } from "../demo/terminal.ts";

const CHROMIUM = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
const NAMES = ["Alice", "Bob", "Carol", "Dave", "Erin"] as const;
const OPTIONS = ["-hostaway=2", "-hostdead=4", "-auditepoch=20"];
const LOOKS = [
  { width: 1440, scheme: "dark" },
  { width: 1440, scheme: "light" },
  { width: 360, scheme: "dark" },
  { width: 360, scheme: "light" },
] as const;
/** Pixels of the screen for one of the page's, in the picture of the README. */
const CRISP = 1.4;
/** Least step of brightness in its render, of 255. */
const GRAIN = 8;

/** Takes a picture of the whole page in every look. */
async function takeAll(
  browser: Browser,
  alice: DemoPeer,
  folder: string,
  name: string,
  open: string[] = [],
): Promise<void> {
  await mkdir(join(folder, "looks"), { recursive: true });
  for (const { width, scheme } of LOOKS) {
    const page = await openPage(browser, alice, { width, scheme, scale: 1 });
    for (const text of open) await page.getByText(text, { exact: true }).first().click();
    await page.waitForTimeout(1000);
    await page.screenshot({ path: join(folder, "looks", `${name}-${width}-${scheme}.png`), fullPage: true });
    await page.context().close();
  }
  say(`  took ${name}`);
}

async function openPage(
  browser: Browser,
  alice: DemoPeer,
  { width, scheme, scale }: { width: number; scheme: "dark" | "light"; scale: number },
): Promise<Page> {
  const context = await browser.newContext({
    ...{ viewport: { width, height: 900 }, colorScheme: scheme, deviceScaleFactor: scale },
    reducedMotion: "reduce",
  });
  const page = await context.newPage();
  const { key } = await alice.api.post<{ key: string }>("/login-links", {});
  await page.goto(`${alice.api.address}/#k=${key}`);
  await page.locator(".rooms").waitFor();
  await page.waitForTimeout(1500);
  return page;
}

async function takeStory(browser: Browser, peers: readonly DemoPeer[], folder: string): Promise<void> {
  const [alice, bob, carol, dave, erin] = peers as [DemoPeer, DemoPeer, DemoPeer, DemoPeer, DemoPeer];
  for (const peer of peers) await peer.start();
  await takeAll(browser, alice, folder, "empty");
  await joinCircle(peers);
  await mine(peers, carol, alice);
  await pay(alice, bob, carol);
  await storeAndLose(alice, [bob, carol, dave, erin], dave);
  await render(alice, [bob, carol, erin], dave, "skip");
  await takeAll(browser, alice, folder, "story");
  await takeAll(browser, alice, folder, "drawers", ["Invite", "Pay", "Peers as a table"]);
  await takeAll(browser, alice, folder, "receive", ["Join", "Receive"]);
  const page = await openPage(browser, alice, { width: 1440, scheme: "dark", scale: CRISP });
  await takeForReadme(page, join(folder, "page.png"));
  const login = await browser.newPage({ viewport: { width: 360, height: 700 }, colorScheme: "dark" });
  await login.goto(alice.api.address);
  await login.locator(".locked").waitFor();
  await login.screenshot({ path: join(folder, "looks", "login-360-dark.png") });
}

/** The first screen, sharp. The render's grain would make it large: there, steps that no eye sees are left out. */
async function takeForReadme(page: Page, path: string): Promise<void> {
  const room = await page.locator(".room", { has: page.locator(".mosaic") }).boundingBox();
  const box = await page.locator(".mosaic").boundingBox();
  if (room === null || box === null) throw new Error("the page shows no render");
  const clip = { x: 0, y: 0, width: 1440, height: Math.ceil(room.y + room.height) + 12 };
  const picture = PNG.sync.read(await page.screenshot({ clip, fullPage: true }));
  const [left, top] = [Math.ceil(box.x * CRISP), Math.ceil(box.y * CRISP)];
  const [right, bottom] = [left + Math.floor(box.width * CRISP), top + Math.floor(box.height * CRISP)];
  for (let y = top; y < Math.min(bottom, picture.height); y++) {
    for (let x = left; x < right; x++) {
      const at = 4 * (y * picture.width + x);
      for (let i = at; i < at + 3; i++) {
        picture.data[i] = Math.min(255, Math.round((picture.data[i] ?? 0) / GRAIN) * GRAIN);
      }
    }
  }
  await writeFile(path, PNG.sync.write(picture, { colorType: 2, deflateLevel: 9 }));
}

async function main(): Promise<void> {
  const folder = process.argv[2] ?? join(import.meta.dirname, "..", "docs", "pictures");
  await mkdir(folder, { recursive: true });
  const parent = await mkdtemp(join(tmpdir(), "freehold-pictures-"));
  const browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
  });
  const peers: DemoPeer[] = [];
  try {
    for (const name of NAMES) peers.push(await DemoPeer.create(name, { parent, options: OPTIONS }));
    await takeStory(browser, peers, folder);
  } finally {
    await browser.close();
    await Promise.all(peers.map((peer) => peer.stop()));
    await rm(parent, { recursive: true, force: true });
  }
}

await main();
