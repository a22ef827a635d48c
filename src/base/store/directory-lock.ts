import { randomBytes } from "node:crypto";
import { linkSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { errorCode } from "./disk-error.ts";

/** Name of the file that locks its directory, as Core's. */
export const LOCK_FILE = ".lock";

/** Another process that runs holds the directory. */
export class DirectoryLockedError extends Error {
  override readonly name = "DirectoryLockedError";
}

/**
 * One process's claim on a directory. The file names the process; one left by a process that is gone (killed, or
 * before a restart of the machine) is taken over. Two programs that race are told apart by LevelDB's own lock too.
 */
export class DirectoryLock {
  readonly #path: string;
  readonly #owner: string;
  readonly #releaseAtExit: () => void;
  #held = true;

  private constructor(path: string, owner: string) {
    this.#path = path;
    this.#owner = owner;
    this.#releaseAtExit = () => this.release();
    process.once("exit", this.#releaseAtExit);
  }

  /** @throws DirectoryLockedError with Core's text ("… {@link program} is probably already running."). */
  static acquire(directory: string, program: string): DirectoryLock {
    const path = join(directory, LOCK_FILE);
    const owner = describeOwner();
    const own = `${path}.${randomBytes(8).toString("hex")}`;
    writeFileSync(own, owner, { flag: "wx" });
    try {
      for (let attempt = 0; attempt < 10; attempt++) {
        if (claim(own, path)) return new DirectoryLock(path, owner);
        const other = readOwner(path);
        if (other === undefined) continue;
        if (isAlive(other)) break;
        takeAway(path, other);
      }
    } finally {
      unlinkSync(own);
    }
    throw new DirectoryLockedError(
      `Cannot obtain a lock on directory ${directory}. ${program} is probably already running.`,
    );
  }

  /** Gives the directory free. */
  release(): void {
    if (!this.#held) return;
    this.#held = false;
    process.off("exit", this.#releaseAtExit);
    if (readOwner(this.#path) === this.#owner) rmSync(this.#path, { force: true });
  }
}

/** Gives the file its place under the lock's name, unless that is taken: one step, so only one of many succeeds. */
function claim(own: string, path: string): boolean {
  try {
    linkSync(own, path);
    return true;
  } catch (error) {
    if (errorCode(error) === "EEXIST") return false;
    // File systems without links (exFAT): made in one step as well, though empty for an instant.
    return claimByName(own, path);
  }
}

function claimByName(own: string, path: string): boolean {
  try {
    writeFileSync(path, readFileSync(own), { flag: "wx" });
    return true;
  } catch (error) {
    if (errorCode(error) === "EEXIST") return false;
    throw error;
  }
}

/** Removes a dead owner's lock; puts back what it finds in its place when another process was quicker. */
function takeAway(path: string, dead: string): void {
  const aside = `${path}.${randomBytes(8).toString("hex")}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return;
    throw error;
  }
  if (readOwner(aside) !== dead) claim(aside, path);
  unlinkSync(aside);
}

function readOwner(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** A process by its number and, where the system tells, its start: numbers are given out again. */
function describeOwner(): string {
  return `${process.pid} ${startOf(process.pid)?.start ?? ""}\n`;
}

function isAlive(owner: string): boolean {
  const [pidText = "", start = ""] = owner.trimEnd().split(" ");
  const pid = Number(pidText);
  // Empty: left by Bitcoin Core, which never removes its file and locks by other means.
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (errorCode(error) === "ESRCH") return false;
  }
  const now = startOf(pid);
  if (now === undefined) return true;
  return now.state !== "Z" && (start === "" || start === now.start);
}

/** Boot and start time and state of a process from /proc; undefined where there is none. */
function startOf(pid: number): { start: string; state: string } | undefined {
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // After the name, which stands in parentheses and may hold anything.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return { start: `${boot}:${fields[19] ?? ""}`, state: fields[0] ?? "" };
  } catch {
    return undefined;
  }
}
