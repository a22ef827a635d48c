import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

const STORY = join(import.meta.dirname, "..", "..", "demo", "main.ts");

interface Telling {
  readonly child: ChildProcess;
  /** Resolves when the story has said something. */
  said(words: string): Promise<void>;
  ended(): Promise<{ code: number | null; output: string }>;
}

/** Tells the story with its temporary folders in `folder`. */
function tell(folder: string): Telling {
  const child = spawn(process.execPath, [STORY], {
    env: { ...process.env, TMPDIR: folder },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  const waiting = new Set<() => void>();
  const hear = (text: Buffer): void => {
    output += text.toString();
    for (const look of waiting) look();
  };
  child.stdout?.on("data", hear);
  child.stderr?.on("data", hear);
  const exit = new Promise<number | null>((resolve) => child.once("exit", resolve));
  return {
    child,
    said: (words) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (!output.includes(words)) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
        void exit.then(() => reject(new Error(`the story ended before "${words}":\n${output}`)));
      }),
    ended: async () => ({ code: await exit, output }),
  };
}

/** Processes whose command line names the folder. */
function processesOf(folder: string): string {
  if (!existsSync("/proc")) return "";
  try {
    return execFileSync("pgrep", ["-fa", folder], { encoding: "utf8" });
  } catch {
    return "";
  }
}

for (const moment of ["owned, not rented", "Alice mines", "block 122"]) {
  test(`npm start, interrupted after "${moment}", leaves nothing behind`, async () => {
    const folder = await mkdtemp(join(tmpdir(), "freehold-demo-"));
    try {
      const story = tell(folder);
      await story.said(moment);
      story.child.kill("SIGINT");
      const { code, output } = await story.ended();
      assert.equal(code, 0, output);
      assert.ok(output.trimEnd().endsWith("Done."), output);
      assert.equal(processesOf(folder), "");
      // Node keeps compiled modules there for the next start; the story's own folders are gone.
      const left = (await readdir(folder)).filter((entry) => entry !== "node-compile-cache");
      assert.deepEqual(left, []);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
}
