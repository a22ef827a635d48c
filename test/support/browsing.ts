/** Ways of a person on the page: logging in, going about with the keyboard, looking whether all is well. */
import assert from "node:assert/strict";
import type { Browser, BrowserContext, Locator, Page } from "playwright-core";
import type { DemoPeer } from "../../demo/peer.ts";
import { overhangOf, violationsOf } from "./chromium.ts";

/** Tabs that are pressed before a thing counts as out of the keyboard's reach. */
const MOST_TABS = 80;
export const WIDTHS = [360, 1440] as const;
export const SCHEMES = ["dark", "light"] as const;

export interface Visit {
  readonly context: BrowserContext;
  readonly page: Page;
  /** What the console complained of, the policy's violations among it. */
  readonly complaints: string[];
}

/** A browser profile of its own, logged in at a peer's page. */
export async function visit(browser: Browser, peer: DemoPeer): Promise<Visit> {
  const context = await browser.newContext({
    viewport: { width: 1440, height: 900 },
    colorScheme: "dark",
    acceptDownloads: true,
  });
  context.setDefaultTimeout(60_000);
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(`${message.text()} (${message.location().url})`);
  });
  page.on("pageerror", ({ message }) => complaints.push(message));
  await page.goto(await loginLink(peer));
  await room(page, "network").waitFor();
  return { context, page, complaints };
}

export async function loginLink(peer: DemoPeer): Promise<string> {
  const { key } = await peer.api.post<{ key: string }>("/login-links", {});
  return `${peer.api.address}/#k=${key}`;
}

/** A part of the page. */
export function room(
  page: Page,
  name: "network" | "chain" | "money" | "files" | "render" | "receipts",
): Locator {
  return page.locator(`section.${name}`);
}

/** Presses Tab until the target has the focus, which it then has visibly. */
export async function tabTo(page: Page, target: Locator): Promise<void> {
  for (let i = 0; i < MOST_TABS; i++) {
    if (await target.evaluate((element) => element === element.ownerDocument.activeElement)) {
      assert.ok(await target.evaluate((element) => element.matches(":focus-visible")), "the focus is seen");
      return;
    }
    await page.keyboard.press("Tab");
  }
  throw new Error(`the keyboard does not reach ${target}`);
}

/** Looks at the page on a phone and on a desk, dark and light: nothing for axe to find, nothing wider than the screen. */
export async function assertSound(
  page: Page,
  state: string,
  widths: readonly number[] = WIDTHS,
): Promise<void> {
  const motion = { reducedMotion: "reduce" } as const;
  for (const width of widths) {
    await page.setViewportSize({ width, height: 900 });
    for (const colorScheme of SCHEMES) {
      await page.emulateMedia({ colorScheme, ...motion });
      const where = `${state}, ${width} px, ${colorScheme}`;
      assert.deepEqual(await violationsOf(page), [], where);
      assert.equal(await overhangOf(page), 0, `${where}: the page scrolls sideways`);
    }
  }
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.emulateMedia({ colorScheme: "dark", reducedMotion: null });
}
