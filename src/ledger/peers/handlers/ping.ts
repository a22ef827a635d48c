import { readBigU64, toHex } from "#base/lib/bytes.ts";
import { BIP31_VERSION } from "#protocol/wire/messages/handshake.ts";
import type { PeerContext } from "../context.ts";
import type { Peer } from "../peer.ts";
import { randomU64 } from "../random-draws.ts";
import type { MessageHandlers } from "./handler.ts";

/** Milliseconds between pings, and after which an unanswered one ends the connection. */
const PING_INTERVAL = 2 * 60_000;
const PING_TIMEOUT = 20 * 60_000;

/** In a peer's turn: measures the way there and back, and notices a dead connection. */
export function maybePing(context: PeerContext, peer: Peer): void {
  const now = context.now();
  const { ping } = peer;
  const old = peer.connectedAt + context.options.peerTimeout * 1000 < now;
  if (old && ping.nonce !== 0n && now > ping.start + PING_TIMEOUT) {
    context.disconnect(peer, `ping timeout: ${((now - ping.start) / 1000).toFixed(6)}s`);
    return;
  }
  const due = ping.nonce === 0n && now > ping.start + PING_INTERVAL;
  if (!ping.queued && !due) return;
  ping.queued = false;
  ping.start = now;
  if (peer.commonVersion > BIP31_VERSION) {
    do ping.nonce = randomU64(context.random);
    while (ping.nonce === 0n);
    context.send(peer, "ping", ping.nonce);
  } else {
    // Too old for a nonce: no pong will come.
    ping.nonce = 0n;
    context.send(peer, "ping", undefined);
  }
}

export const pingHandlers: MessageHandlers = {
  ping: {
    after: "verack",
    run(context, peer, _nonce, message) {
      if (peer.commonVersion > BIP31_VERSION && message.payload.length >= 8) {
        context.send(peer, "pong", message.payload.subarray(0, 8));
      }
    },
  },
  pong: {
    after: "verack",
    run(context, peer, payload, message) {
      const { ping } = peer;
      const expected = ping.nonce;
      let problem = "";
      let finished = false;
      if (payload.length < 8) {
        // A fault of the peer: this ping is given up.
        problem = "Short payload";
        finished = true;
      } else if (expected === 0n) {
        problem = "Unsolicited pong without ping";
      } else {
        const nonce = readBigU64(payload, 0);
        if (nonce === expected) {
          finished = true;
          const time = message.time - ping.start;
          if (time < 0) problem = "Timing mishap";
          else {
            ping.last = time;
            ping.least = Math.min(ping.least, time);
          }
        } else {
          // Normal when pings overlap.
          problem = nonce === 0n ? "Nonce zero" : "Nonce mismatch";
          finished = nonce === 0n;
        }
      }
      if (finished) ping.nonce = 0n;
      if (problem === "") return;
      context.log.debug(
        "net",
        () =>
          `pong peer=${peer.id}: ${problem}, ${expected.toString(16)} expected, ` +
          `${toHex(payload.subarray(0, 8))} received, ${payload.length} bytes`,
      );
    },
  },
};
