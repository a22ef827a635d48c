/** debug.log: lines as Core writes them, categories switched by -debug and the `logging` method. */
import { closeSync, fstatSync, openSync, readSync, writeFileSync, writeSync } from "node:fs";
import type { Clock } from "#base/lib/clock.ts";
import { LOG_CATEGORIES, type LogCategory, type Logger } from "#base/lib/logger.ts";

export interface DebugLogOptions {
  /** File, or undefined to keep none. */
  readonly path: string | undefined;
  /** Standard output too (-printtoconsole). */
  readonly console: boolean;
  readonly timestamps: boolean;
  readonly micros: boolean;
  /** Keep the last 10 MB of a longer file (-shrinkdebugfile). */
  readonly shrink: boolean;
}

const SHRINK_ABOVE = 11_000_000;
const SHRINK_TO = 10_000_000;

export class DebugLog implements Logger {
  readonly path: string | undefined;
  readonly #options: DebugLogOptions;
  readonly #clock: Clock;
  readonly #on = new Set<LogCategory>();
  #file: number | undefined;
  #pending: string[] = [];
  #scheduled = false;

  constructor(options: DebugLogOptions, clock: Clock) {
    this.path = options.path;
    this.#options = options;
    this.#clock = clock;
    if (options.path !== undefined) {
      if (options.shrink) shrinkFile(options.path);
      this.#file = openSync(options.path, "a", 0o600);
    }
  }

  info(text: string): void {
    this.#write("", text);
  }

  warn(text: string): void {
    this.#write("[warning] ", text);
  }

  error(text: string): void {
    this.#write("[error] ", text);
  }

  debug(category: LogCategory, text: () => string): void {
    if (this.#on.has(category)) this.#write(`[${category}] `, text());
  }

  isOn(category: LogCategory): boolean {
    return this.#on.has(category);
  }

  switch(category: string, on: boolean): boolean {
    const wanted = category === "all" || category === "1" || category === "" ? LOG_CATEGORIES : [category];
    if (!wanted.every((name) => (LOG_CATEGORIES as readonly string[]).includes(name))) {
      return category === "0" || category === "none";
    }
    for (const name of wanted as readonly LogCategory[]) {
      if (on) this.#on.add(name);
      else this.#on.delete(name);
    }
    return true;
  }

  /** Writes what is held back; call before the process ends. */
  flush(): void {
    this.#scheduled = false;
    if (this.#pending.length === 0) return;
    const text = this.#pending.join("");
    this.#pending = [];
    if (this.#file !== undefined) {
      try {
        writeSync(this.#file, text);
      } catch {
        // A full disk must not stop the node through its log.
      }
    }
    if (this.#options.console) process.stdout.write(text);
  }

  /** Begins the file anew where somebody moved it away (Core on SIGHUP). */
  reopen(): void {
    this.flush();
    if (this.path === undefined || this.#file === undefined) return;
    closeSync(this.#file);
    this.#file = openSync(this.path, "a", 0o600);
  }

  close(): void {
    this.flush();
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  #write(mark: string, text: string): void {
    this.#pending.push(`${this.#options.timestamps ? `${this.#time()} ` : ""}${mark}${escapeLine(text)}\n`);
    // One write a turn of the event loop: a line is on its way to the file before the next reply leaves.
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => this.flush());
  }

  #time(): string {
    const now = new Date();
    const stamp = now.toISOString();
    const second = stamp.slice(0, 19);
    const mocked = this.#clock.now();
    const mock =
      Math.abs(mocked - now.getTime()) > 5000
        ? ` (mocktime: ${new Date(mocked).toISOString().slice(0, 19)}Z)`
        : "";
    return `${second}${this.#options.micros ? `.${stamp.slice(20, 23)}000` : ""}Z${mock}`;
  }
}

/** What a peer sent may stand in a line; control characters become visible. */
function escapeLine(text: string): string {
  let clean = "";
  for (const char of text) {
    const code = char.charCodeAt(0);
    const visible = (code >= 32 && code !== 127) || char === "\n";
    clean += visible ? char : `\\x${code.toString(16).padStart(2, "0")}`;
  }
  return clean;
}

function shrinkFile(path: string): void {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch {
    return;
  }
  try {
    const { size } = fstatSync(file);
    if (size <= SHRINK_ABOVE) return;
    const tail = new Uint8Array(SHRINK_TO);
    const length = readSync(file, tail, 0, SHRINK_TO, size - SHRINK_TO);
    writeFileSync(path, tail.subarray(0, length));
  } finally {
    closeSync(file);
  }
}
