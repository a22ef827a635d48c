/** Addresses under which others may reach us (Core's mapLocalHost). */
import type { Logger } from "#base/lib/logger.ts";
import { type NetAddress, NodeEndpoint } from "#protocol/wire/net-address.ts";
import type { LocalAddress } from "./peer-info.ts";

/** How we know an address of ours; the higher the surer. */
export const LocalScore = {
  NONE: 0,
  /** An interface of the machine has it. */
  INTERFACE: 1,
  /** We were told to bind to it. */
  BIND: 2,
  /** The user named it (-externalip). */
  MANUAL: 4,
} as const;

interface Local {
  readonly address: NetAddress;
  score: number;
  port: number;
}

export class LocalAddresses {
  readonly #log: Logger;
  /** Whether what we were not told may be used (-discover). */
  readonly #discover: boolean;
  readonly #locals = new Map<string, Local>();

  constructor(options: { discover: boolean }, dependencies: { log: Logger }) {
    this.#discover = options.discover;
    this.#log = dependencies.log;
  }

  /** False when it is none that others could reach, or was only found and finding is off. */
  add(endpoint: NodeEndpoint, score: number): boolean {
    const { address, port } = endpoint;
    if (!address.routable || (!this.#discover && score < LocalScore.MANUAL)) return false;
    this.#log.info(`AddLocal(${endpoint},${score})`);
    const known = this.#locals.get(address.toString());
    if (known === undefined) {
      this.#locals.set(address.toString(), { address, score, port });
    } else if (score >= known.score) {
      known.score = score + 1;
      known.port = port;
    }
    return true;
  }

  has(address: NetAddress): boolean {
    return this.#locals.has(address.toString());
  }

  /** A peer sees us under this address: it counts for more. */
  seen(address: NetAddress): void {
    const known = this.#locals.get(address.toString());
    if (known !== undefined) known.score++;
  }

  scoreOf(address: NetAddress): number {
    return this.#locals.get(address.toString())?.score ?? 0;
  }

  /** What to tell a peer, by its network: never one network's secret address on another. */
  bestFor(peer: NetAddress): NodeEndpoint | undefined {
    const secret = new Set(["onion", "i2p"]);
    let best: Local | undefined;
    let bestReach = -1;
    for (const local of this.#locals.values()) {
      const differs = local.address.network !== peer.network;
      if (differs && (secret.has(local.address.network) || secret.has(peer.network))) continue;
      const reach = reachability(local.address, peer);
      if (reach > bestReach || (reach === bestReach && local.score > (best?.score ?? 0))) {
        best = local;
        bestReach = reach;
      }
    }
    return best && new NodeEndpoint(best.address, best.port);
  }

  entries(): LocalAddress[] {
    return [...this.#locals.values()].map(({ address, port, score }) => ({
      address: address.toString(),
      port,
      score,
    }));
  }
}

/** How well a peer can reach one of our addresses: best within one network (Core's GetReachabilityFrom, simplified to networks without tunnels). */
function reachability(ours: NetAddress, peer: NetAddress): number {
  if (!ours.routable) return 0;
  if (ours.network === peer.network) return 4;
  return ours.network === "ipv4" ? 3 : ours.network === "ipv6" ? 2 : 1;
}
