/** `npm start` as a process, and what it leaves behind. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const STORY = join(import.meta.dirname, "..", "..", "demo", "main.ts");

export interface Telling {
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

/** Processes that the story began, whatever became of their parents: all have its folder as TMPDIR. */
function processesOf(folder: string): string[] {
  if (!existsSync("/proc/self/environ")) return [];
  const found: string[] = [];
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const environment = readFileSync(`/proc/${pid}/environ`, "latin1").split("\0");
      if (!environment.includes(`TMPDIR=${folder}`)) continue;
      found.push(readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " "));
    } catch {
      // It has just ended, or is somebody else's.
    }
  }
  return found;
}

/** Tells the story until `moment`, then presses Ctrl-C: it must end in order and leave no process and no file. */
export async function interruptStory(moment: (story: Telling) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "freehold-demo-"));
  try {
    const story = tell(folder);
    await moment(story);
    story.child.kill("SIGINT");
    const { code, output } = await story.ended();
    assert.equal(code, 0, output);
    assert.ok(output.trimEnd().endsWith("Done."), output);
    assert.deepEqual(processesOf(folder), []);
    // Node keeps compiled modules there for the next start; the story's own folders are gone.
    const left = (await readdir(folder)).filter((entry) => entry !== "node-compile-cache");
    assert.deepEqual(left, []);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
