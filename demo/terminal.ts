/** The story's voice: plain lines, and bars that move where there is a terminal to move them in. */

const live = process.stdout.isTTY === true;
const colours = live && process.env["NO_COLOR"] === undefined;

function paint(code: number, text: string): string {
  return colours ? `\u001b[${code}m${text}\u001b[0m` : text;
}

export const bold = (text: string): string => paint(1, text);
export const dim = (text: string): string => paint(2, text);
export const green = (text: string): string => paint(32, text);
export const orange = (text: string): string => paint(33, text);

export function say(text = ""): void {
  process.stdout.write(`${text}\n`);
}

/** A part of the story. */
export function chapter(title: string): void {
  say(`\n${bold(title)}`);
}

/** Several bars under each other, drawn again at each change; without a terminal only their last state is printed. */
export class Bars {
  readonly #names: readonly string[];
  readonly #total: number;
  readonly #unit: string;
  #values: readonly number[];
  #drawn = false;

  constructor(names: readonly string[], total: number, unit: string) {
    this.#names = names;
    this.#total = total;
    this.#unit = unit;
    this.#values = names.map(() => 0);
  }

  show(values: readonly number[]): void {
    this.#values = values;
    if (live) this.#draw();
  }

  /** Leaves the bars as they are. */
  end(): void {
    this.#draw();
  }

  #draw(): void {
    if (this.#drawn && live) process.stdout.write(`\u001b[${this.#names.length}A`);
    this.#drawn = true;
    const width = Math.max(...this.#names.map((name) => name.length));
    for (const [i, name] of this.#names.entries()) {
      const share = Math.min(1, (this.#values[i] ?? 0) / this.#total);
      const filled = Math.round(share * 32);
      const bar = green("━".repeat(filled)) + dim("─".repeat(32 - filled));
      const clear = live ? "\u001b[2K" : "";
      say(`${clear}  ${name.padEnd(width)}  ${bar}  ${this.#values[i] ?? 0} of ${this.#total} ${this.#unit}`);
    }
  }
}

/** Bytes as people read them. */
export function byteText(bytes: number): string {
  return bytes < 1e6 ? `${Math.round(bytes / 1000)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
