/** A line of the terminal that is written over. Nothing where standard error is no terminal. */
export class ProgressLine {
  readonly #shown = process.stderr.isTTY === true;
  #last = "";

  show(text: string): void {
    if (!this.#shown || text === this.#last) return;
    this.#last = text;
    process.stderr.write(`\r\u001b[K${text}`);
  }

  end(): void {
    if (this.#last !== "") process.stderr.write("\r\u001b[K");
    this.#last = "";
  }

  get isShown(): boolean {
    return this.#shown;
  }
}

const WIDTH = 24;

/** `━━━━━━━━────  33%`, for work whose end is known. */
export function bar(done: number, total: number): string {
  const share = total <= 0 ? 1 : Math.min(1, Math.max(0, done / total));
  const full = Math.round(share * WIDTH);
  return `${"━".repeat(full)}${"─".repeat(WIDTH - full)} ${String(Math.floor(share * 100)).padStart(3)}%`;
}

/** Bytes as people read them: `1.5 GiB`. */
export function byteText(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  let value = bytes;
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** A link in the terminal's colours, unless NO_COLOR is set or nobody looks. */
export function isColoured(stream: { readonly isTTY?: boolean }): boolean {
  return stream.isTTY === true && (process.env["NO_COLOR"] ?? "") === "";
}
