/** Chromium as a person's browser: found on this machine, driven over its debugging pipe, ended with the test. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { type Browser, chromium, type Page } from "playwright-core";

const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
/** Where it is; undefined where it is not installed (test/interop/install-browser.sh). */
export const CHROMIUM = PLACES.find((path) => existsSync(path));

const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
/** WCAG 2.2 A and AA, and what is good beyond them. */
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

export async function openChromium(): Promise<Browser> {
  if (CHROMIUM === undefined) throw new Error("Chromium is not installed");
  return await chromium.launch({
    executablePath: CHROMIUM,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-background-networking",
      // Names of other people's pages, for the tests that have one.
      "--host-resolver-rules=MAP *.test 127.0.0.1",
    ],
  });
}

interface AxeResult {
  readonly violations: readonly {
    readonly id: string;
    readonly help: string;
    readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[];
  }[];
}

/** What axe-core finds wrong with the page as it stands, one line a finding; empty when all is well. */
export async function violationsOf(page: Page): Promise<string[]> {
  // Through the debugger, as the page's own policy lets no foreign script in.
  if (!(await page.evaluate<boolean>("'axe' in globalThis")))
    await page.evaluate(await readFile(AXE, "utf8"));
  const options = JSON.stringify({ runOnly: { type: "tag", values: RULES } });
  const result = await page.evaluate<AxeResult>(`axe.run(document, ${options})`);
  return result.violations.flatMap(({ id, help, nodes }) =>
    nodes.map(({ html, failureSummary = "" }) => `${id}: ${help}: ${html} ${failureSummary}`),
  );
}

/** How far the page can be scrolled sideways, in CSS pixels. */
export async function overhangOf(page: Page): Promise<number> {
  const { scrollWidth, clientWidth } = await page.evaluate<{ scrollWidth: number; clientWidth: number }>(
    "(({ scrollWidth, clientWidth }) => ({ scrollWidth, clientWidth }))(document.documentElement)",
  );
  return scrollWidth - clientWidth;
}
