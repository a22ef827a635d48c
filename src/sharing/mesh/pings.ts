/** Round trips of connected peers, and the end of connections that answer nothing any more. */
import type { Clock } from "#base/lib/clock.ts";
import type { KnownPeers } from "./known-peers.ts";
import { HANDSHAKE_MS, type PeerLink } from "./peer-link.ts";
import type { Outcome } from "./protocol.ts";

const PING_EVERY_MS = 10_000;

export interface PingsParts {
  readonly peers: KnownPeers;
  readonly clock: Clock;
  ask(link: PeerLink, timeoutMs: number): Promise<Outcome<object>>;
}

export class Pings {
  readonly #parts: PingsParts;
  #cancel: (() => void) | undefined;

  constructor(parts: PingsParts) {
    this.#parts = parts;
  }

  /** Pings every connected peer from now on. */
  start(): void {
    this.#cancel = this.#parts.clock.after(PING_EVERY_MS, () => {
      for (const link of this.#parts.peers.links()) if (link.ready) void this.ping(link, 1);
      this.start();
    });
  }

  stop(): void {
    this.#cancel?.();
  }

  /** Pings one peer, one after another. */
  async ping(link: PeerLink, times: number): Promise<void> {
    const { clock } = this.#parts;
    for (let i = 0; i < times && link.ready; i++) {
      const began = clock.monotonic();
      const received = link.bytesReceived;
      const outcome = await this.#parts.ask(link, HANDSHAKE_MS);
      if (outcome.ok) link.noteRoundTrip(clock.monotonic() - began);
      else if (outcome.refusal.code === "timeout" && link.missPing(received)) {
        link.disconnect("no answer to pings");
        return;
      }
    }
  }
}
