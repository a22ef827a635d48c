/** What every family of `freehold`'s commands is given: the node's API, and one way to print. */
import { createReadStream, fstatSync } from "node:fs";
import { type Readable, Writable } from "node:stream";
import { type Command, Option } from "commander";
import { ApiClient } from "./api-client.ts";
import type { BackgroundNode } from "./background-node.ts";

/** Options that every command has. */
export interface CommonOptions {
  readonly network?: string;
  readonly datadir?: string;
  readonly json?: boolean;
}

/** How long a command waits for a sharing process that starts, as it does after `freehold wallet new`; ms. */
const PATIENCE = 15_000;

/** The command line makes no sense; exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

export class CliContext {
  readonly #open: (options: CommonOptions) => BackgroundNode;

  /** @param open finds the node that the options mean */
  constructor(open: (options: CommonOptions) => BackgroundNode) {
    this.#open = open;
  }

  /** Adds a command with the options that every command has. `program freehold`, or a family such as `wallet`. */
  command(parent: Command, nameAndArguments: string, summary: string): Command {
    return parent
      .command(nameAndArguments)
      .description(summary)
      .addOption(
        new Option(
          "--network <name>",
          "main, testnet4, signet, regtest, or the name of a network of your own",
        ).env("FREEHOLD_NETWORK"),
      )
      .addOption(
        new Option("--datadir <folder>", "where the node keeps its data (default: ~/.freehold)").env(
          "FREEHOLD_DATADIR",
        ),
      )
      .option("--json", "print JSON, for programs");
  }

  /** The API of the node that the options mean. @throws NotRunning */
  api(options: CommonOptions): ApiClient {
    return ApiClient.of(this.#open(options).folder, PATIENCE);
  }

  /** Where bytes come from that are given by pipe. */
  get input(): Readable {
    const kind = fstatSync(0);
    // `process.stdin` takes a disk, or a folder, for an input that has ended.
    const isMisread = kind.isBlockDevice() || kind.isDirectory();
    return isMisread ? createReadStream("", { fd: 0, autoClose: false }) : process.stdin;
  }

  /** Where bytes go that are wanted by pipe. It stays open, for whoever has to tell why they ended early. */
  get output(): Writable {
    return new Writable({ write: (chunk, _encoding, done) => void process.stdout.write(chunk, done) });
  }

  /** Prints for people, or one line of JSON. */
  print(options: CommonOptions, json: unknown, text: string): void {
    process.stdout.write(
      options.json === true ? `${JSON.stringify(json)}\n` : text === "" ? "" : `${text}\n`,
    );
  }

  /** Asks on the terminal; without one there is nobody to ask. @throws UsageError that names the option to give instead */
  async confirm(question: string, option = "--yes"): Promise<boolean> {
    if (process.stdin.isTTY !== true) {
      throw new UsageError(`${question} Nobody is there to answer: give ${option} to go on without asking`);
    }
    const { createInterface } = await import("node:readline/promises");
    const lines = createInterface({ input: process.stdin, output: process.stderr });
    try {
      return /^y(es)?$/i.test((await lines.question(`${question} [y/N] `)).trim());
    } finally {
      lines.close();
    }
  }
}
