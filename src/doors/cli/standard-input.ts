import { createInterface, type Interface } from "node:readline";
import { Writable } from "node:stream";

/** Standard input, line by line, as far as it is asked for. */
export class StandardInput {
  #reader: Interface | undefined;
  #lines: AsyncIterator<string> | undefined;

  /** The next line; undefined at the end. */
  async line(): Promise<string | undefined> {
    const next = await this.#open().next();
    return next.done === true ? undefined : next.value;
  }

  /** A line that must not be seen; `prompt` asks for it where a person sits. */
  async secret(prompt: string): Promise<string | undefined> {
    if (!process.stdin.isTTY) return this.line();
    process.stderr.write(prompt);
    const line = await this.line();
    process.stdout.write("\n");
    return line;
  }

  /** All that is left. */
  async rest(): Promise<string[]> {
    const lines: string[] = [];
    for (let line = await this.line(); line !== undefined; line = await this.line()) lines.push(line);
    return lines;
  }

  close(): void {
    this.#reader?.close();
    if (this.#reader !== undefined) process.stdin.unref?.();
  }

  #open(): AsyncIterator<string> {
    if (this.#lines === undefined) {
      // What is typed at a terminal shows nowhere: it may be a password.
      const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
      const input = process.stdin;
      this.#reader = createInterface(
        input.isTTY
          ? { input, output: nowhere, terminal: true }
          : { input, crlfDelay: Number.POSITIVE_INFINITY },
      );
      this.#lines = this.#reader[Symbol.asyncIterator]();
    }
    return this.#lines;
  }
}
