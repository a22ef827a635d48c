/** A peer without manners for tests: a libp2p node that says hello, and then whatever a test wants on its streams. */
import type { TestContext } from "node:test";
import type { Connection, Libp2p, Stream } from "@libp2p/interface";
import { multiaddr } from "@multiformats/multiaddr";
import { secureRandom } from "#base/lib/random.ts";
import { encodeCbor } from "./cbor.ts";
import { certifyDevice } from "./certificates.ts";
import { peerIdOf, type SigningKey, signingKeyFrom } from "./identity.ts";
import { startLibp2p } from "./libp2p-node.ts";
import type { Hello } from "./mesh-protocol.ts";
import { requestFrame } from "./rpc-frames.ts";

export class HostilePeer {
  readonly node: Libp2p;
  readonly peer: string;
  readonly account: SigningKey;
  readonly device: SigningKey;

  static async start(context: TestContext, ip: string): Promise<HostilePeer> {
    const deviceSeed = secureRandom.fill(new Uint8Array(32));
    const node = await startLibp2p({
      deviceSeed,
      listen: [`/ip4/${ip}/tcp/0`],
      mdns: false,
      gater: {},
      maxConnections: 100,
    });
    context.after(() => node.stop());
    return new HostilePeer(node, signingKeyFrom(deviceSeed));
  }

  private constructor(node: Libp2p, device: SigningKey) {
    this.node = node;
    this.device = device;
    this.peer = peerIdOf(device.publicKey);
    this.account = signingKeyFrom(secureRandom.fill(new Uint8Array(32)));
  }

  dial(address: string): Promise<Connection> {
    return this.node.dial(multiaddr(address), { signal: AbortSignal.timeout(5000) });
  }

  hello(changes: Partial<Hello> = {}): Hello {
    return {
      certificate: certifyDevice(this.account, this.device.publicKey, 0),
      name: "Mallory",
      addresses: [],
      offers: {},
      circles: [],
      ...changes,
    };
  }

  /** Connects and says a good hello. */
  async meet(address: string): Promise<Connection> {
    const connection = await this.dial(address);
    const stream = await connection.newStream("/freehold/mesh/1");
    stream.send(requestFrame(0, "hello", encodeCbor(this.hello())));
    await firstBytes(stream);
    return connection;
  }
}

/** Waits for what comes first; rejects when the stream ends before. */
export function firstBytes(stream: Stream): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    stream.addEventListener("message", ({ data }) => {
      resolve(data instanceof Uint8Array ? data : data.subarray());
    });
    stream.addEventListener("close", () => reject(new Error("closed")));
  });
}

export function closed(of: Stream | Connection): Promise<void> {
  if (of.status !== "open") return Promise.resolve();
  return new Promise((resolve) => {
    if ("newStream" in of) of.addEventListener("close", () => resolve());
    else of.addEventListener("close", () => resolve());
  });
}
