import type { Duplex } from "node:stream";
import { z } from "zod";
import { systemClock } from "#base/lib/clock.ts";
import type { Logger } from "#base/lib/logger.ts";
import type { SharingParts } from "./compose-sharing.ts";
import { serveControl } from "./link/control-link.ts";
import { type ServedMethod, served } from "./link/served-calls.ts";
import { Link } from "./link.ts";
import { type SharingStart, type SharingStarted, sharingStart } from "./sharing-start.ts";

/** The other side is the user's own node: what it refuses is a bug, and no reason to go. */
const LIMITS = {
  frameBytes: 16 * 1024 * 1024,
  refusalsPerMinute: Number.POSITIVE_INFINITY,
  framesPerSecond: Number.POSITIVE_INFINITY,
};

/** Lines on standard error, which the ledger's process puts into its log. */
const stderrLogger: Logger = {
  info: (text) => write(text),
  warn: (text) => write(`warning: ${text}`),
  error: (text) => write(`error: ${text}`),
  debug() {},
};

function write(text: string): void {
  process.stderr.write(`${text.replaceAll("\n", " | ")}\n`);
}

/**
 * Waits to be told its start, composes the parts, and answers until the link goes.
 * @returns `stopped`, or why it ended otherwise
 */
export async function serveSharing(
  pipe: Duplex,
  hooks: Pick<SharingParts, "providerRunner"> = {},
): Promise<string> {
  // A bug somewhere ends the process, and the next one starts from what is on disk.
  const { promise: failure, resolve: fail } = Promise.withResolvers<string>();
  for (const event of ["uncaughtException", "unhandledRejection"]) {
    process.on(event, (error: Error) => fail(`it failed: ${error?.stack ?? String(error)}`));
  }
  // The parent ends us over the link; a Ctrl-C of its terminal is not ours to follow.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => {});
  const { promise: stopped, resolve: stop } = Promise.withResolvers<string>();
  const failed = (error: Error) => fail(`the disk failed: ${error.message}`);
  const stack = new AsyncDisposableStack();
  let isStarted = false;
  const methods: Record<string, ServedMethod> = {
    start: served(sharingStart, async (start): Promise<SharingStarted> => {
      if (isStarted) return { ok: false, reason: "it was started already" };
      isStarted = true;
      return compose(start, { link, log: stderrLogger, stack, failed, ...hooks }, methods);
    }),
    stop: served(z.null(), async () => {
      await stack.disposeAsync().catch((error: Error) => stderrLogger.error(error.stack ?? error.message));
      // The answer leaves first.
      setImmediate(() => stop("stopped"));
      return null;
    }),
  };
  const link = new Link(pipe, methods, { clock: systemClock, log: stderrLogger }, LIMITS);
  return Promise.race([stopped, failure, link.closed]);
}

async function compose(
  start: SharingStart,
  parts: SharingParts,
  methods: Record<string, ServedMethod>,
): Promise<SharingStarted> {
  const { composeSharing } = await import("./compose-sharing.ts");
  try {
    const control = await composeSharing(start, parts);
    Object.assign(methods, serveControl(control));
    return { ok: true };
  } catch (error) {
    stderrLogger.error((error as Error).stack ?? (error as Error).message);
    return { ok: false, reason: (error as Error).message.slice(0, 500) };
  }
}
