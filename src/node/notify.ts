import { spawn } from "node:child_process";
import { toHexReversed } from "#base/lib/bytes.ts";
import type { Logger } from "#base/lib/logger.ts";

export interface NotifyCommands {
  /** -blocknotify; %s is the block's hash. */
  readonly block: string | undefined;
  readonly startup: string | undefined;
  readonly shutdown: string | undefined;
}

/** Runs the user's own commands when something happens, through the shell, as Core does. */
export class Notifier {
  readonly #commands: NotifyCommands;
  readonly #log: Logger;

  constructor(commands: NotifyCommands, log: Logger) {
    this.#commands = commands;
    this.#log = log;
  }

  blockConnected(hash: Uint8Array): void {
    // What is put in is hex alone, so nothing a peer sent can reach the shell.
    this.#run(this.#commands.block?.replaceAll("%s", toHexReversed(hash)));
  }

  started(): void {
    this.#run(this.#commands.startup);
  }

  /** Waits for the command to end, since the process does after it. */
  async stopping(): Promise<void> {
    await this.#run(this.#commands.shutdown);
  }

  #run(command: string | undefined): Promise<void> {
    if (command === undefined || command === "") return Promise.resolve();
    return new Promise((resolve) => {
      const child = spawn(command, { shell: true, stdio: "ignore" });
      child.on("error", (error) => {
        this.#log.warn(`runCommand error: ${error.message}`);
        resolve();
      });
      child.on("exit", (code) => {
        if (code !== 0) this.#log.warn(`runCommand error: system(${command}) returned ${code}`);
        resolve();
      });
    });
  }
}
