/**
 * Ports for programs that are told one before they listen, and that keep it when they start again. What the system
 * hands out by itself (port 0) would not do: it may hand out the same port again while nobody listens there.
 */
import { randomInt } from "node:crypto";
import { createServer, type Server } from "node:net";

/** Below what any system takes ports from by itself: Linux from 32768 on, the others from 49152 on. */
const FIRST = 20_000;
const BLOCKS = 120;
/** Ports of a block. The first is listened on as long as the process lives, so that no other takes the block. */
const SIZE = 100;

let block: Promise<number> | undefined;
let handedOut = 0;

/**
 * A port of 127.0.0.1 that nobody listens on, and that nobody else is given: no other process by this function, and
 * in this one only after 98 others.
 */
export async function freePort(): Promise<number> {
  block ??= takeBlock();
  const first = await block;
  for (let tries = 1; tries < SIZE; tries++) {
    const port = first + 1 + (handedOut++ % (SIZE - 1));
    const server = await listenOn(port);
    if (server === undefined) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
  throw new Error(`no port from ${first} to ${first + SIZE - 1} is free`);
}

async function takeBlock(): Promise<number> {
  const start = randomInt(BLOCKS);
  for (let i = 0; i < BLOCKS; i++) {
    const first = FIRST + ((start + i) % BLOCKS) * SIZE;
    const server = await listenOn(first);
    if (server === undefined) continue;
    server.unref();
    return first;
  }
  throw new Error(`no port from ${FIRST} to ${FIRST + BLOCKS * SIZE - 1} is free`);
}

/** @returns undefined when somebody has the port */
function listenOn(port: number): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(undefined));
    server.listen(port, "127.0.0.1", () => resolve(server));
  });
}
