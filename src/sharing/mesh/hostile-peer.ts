/** A peer without manners for tests: a libp2p node that says hello, and then whatever a test wants on its streams. */
import type { TestContext } from "node:test";
import type { Connection, Libp2p, Stream } from "@libp2p/interface";
import { multiaddr } from "@multiformats/multiaddr";
import { systemClock } from "#base/lib/clock.ts";
import { secureRandom } from "#base/lib/random.ts";
import { encodeCbor } from "./cbor.ts";
import { certifyDevice, parseInvitationLink, type Signed } from "./certificates.ts";
import { FrameStream } from "./frame-stream.ts";
import { peerIdOf, type SigningKey, signingKeyFrom } from "./identity.ts";
import { startLibp2p } from "./libp2p-node.ts";
import type { Hello } from "./mesh-protocol.ts";
import {
  type Answered,
  parseAnswered,
  parseAsked,
  refusalFrame,
  replyFrame,
  requestFrame,
} from "./rpc-frames.ts";

export class HostilePeer {
  readonly node: Libp2p;
  readonly peer: string;
  readonly account: SigningKey;
  readonly device: SigningKey;
  /** Memberships that its hellos show. */
  readonly circles: Signed[] = [];

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
      circles: [...this.circles],
      removals: [],
      ...changes,
    };
  }

  /** Connects and says a good hello. */
  async meet(address: string): Promise<Connection> {
    const connection = await this.dial(address);
    await this.ask(connection, "hello", this.hello());
    return connection;
  }

  /** Asks on a stream of its own, by the mesh's protocol; the answer, whatever it is. */
  async ask(connection: Connection, method: string, body: unknown): Promise<Answered> {
    const stream = await connection.newStream("/freehold/mesh/1");
    stream.send(requestFrame(0, method, encodeCbor(body)));
    const answered = parseAnswered((await firstBytes(stream)).subarray(4));
    // Who is let go with its answer has nothing left to close.
    await stream.close().catch(() => undefined);
    return answered;
  }

  /** Connects and joins the circle of an invitation, as a peer with manners would. */
  async join(address: string, link: string): Promise<Connection> {
    const connection = await this.meet(address);
    const { founder, nonce, secret } = parseInvitationLink(link)!;
    const answered = await this.ask(connection, "join", { founder, nonce, secret });
    if (answered.kind !== "reply") throw new Error("it was not let in");
    this.circles.push((answered.body as { membership: Signed }).membership);
    return connection;
  }

  /** Answers what others ask of it by the mesh's own protocol. */
  async serve(replies: Replies): Promise<void> {
    await this.node.handle("/freehold/mesh/1", async (stream) => {
      const frames: FrameStream = new FrameStream(
        stream,
        { maxFrame: 1024 * 1024 },
        {
          clock: systemClock,
          handlers: {
            onFrame: (bytes) => {
              const asked = parseAsked(bytes);
              if (asked.kind !== "request") return;
              const body = replies[asked.method]?.(asked.body);
              frames.send(
                body === undefined
                  ? refusalFrame(asked.id, { code: "not-found", text: "" })
                  : replyFrame(asked.id, encodeCbor(body)),
              );
            },
            onEnd: () => {},
            onWritten: () => {},
            onTraffic: () => {},
          },
        },
      );
    });
  }
}

/** What a peer without manners replies, by method; undefined is a refusal. */
export type Replies = Readonly<Record<string, (body: unknown) => unknown>>;

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
