import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { DirectoryLock, DirectoryLockedError, LOCK_FILE } from "./directory-lock.ts";

function temporaryDirectory(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "freehold-lock-"));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

/** A process that takes the lock, says so, and stays until it is killed. */
async function holder(directory: string): Promise<{ kill(): Promise<void> }> {
  const module = new URL("./directory-lock.ts", import.meta.url).href;
  const code = `
    const { DirectoryLock } = await import(${JSON.stringify(module)});
    DirectoryLock.acquire(${JSON.stringify(directory)}, "Freehold");
    console.log("held");
    setInterval(() => {}, 1000);
  `;
  const child = spawn(process.execPath, ["-e", code], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout!, "data");
  return {
    async kill() {
      child.kill("SIGKILL");
      await once(child, "exit");
    },
  };
}

test("one holder at a time, and free again after release", (t) => {
  const directory = temporaryDirectory(t);
  const lock = DirectoryLock.acquire(directory, "Freehold");
  assert.throws(() => DirectoryLock.acquire(directory, "Freehold"), {
    name: "DirectoryLockedError",
    message: `Cannot obtain a lock on directory ${directory}. Freehold is probably already running.`,
  });
  lock.release();
  lock.release();
  assert.deepEqual(readdirSync(directory), []);
  DirectoryLock.acquire(directory, "Freehold").release();
});

test("a living process keeps the lock, a killed one does not", async (t) => {
  const directory = temporaryDirectory(t);
  const other = await holder(directory);
  assert.throws(() => DirectoryLock.acquire(directory, "Freehold"), DirectoryLockedError);
  await other.kill();
  assert.ok(existsSync(join(directory, LOCK_FILE)), "the killed process left its lock");
  const lock = DirectoryLock.acquire(directory, "Freehold");
  assert.deepEqual(readdirSync(directory), [LOCK_FILE]);
  lock.release();
});

test("locks of dead processes, of another start of the same number, and empty ones are taken over", (t) => {
  const directory = temporaryDirectory(t);
  for (const left of ["", "999999999 \n", `${process.pid} another-boot:1\n`, "junk"]) {
    writeFileSync(join(directory, LOCK_FILE), left);
    if (left.startsWith(String(process.pid)) && !existsSync("/proc/self/stat")) continue;
    DirectoryLock.acquire(directory, "Freehold").release();
  }
});

test("an unusable directory is an error of the system, not a lock", (t) => {
  const missing = join(temporaryDirectory(t), "missing");
  assert.throws(() => DirectoryLock.acquire(missing, "Freehold"), { code: "ENOENT" });
});
