/** The streams of a connection: one of ours a protocol, kept open, and those on which the other side asks. */
import type { Connection, Stream } from "@libp2p/interface";
import type { Clock } from "#base/lib/clock.ts";
import { failure } from "./calls.ts";
import type { KnownPeers } from "./known-peers.ts";
import type { PeerId, RequestContext } from "./mesh.ts";
import { MESH_PROTOCOL } from "./mesh-protocol.ts";
import { HANDSHAKE_MS, type PeerLink } from "./peer-link.ts";
import { type CallFailure, type ProtocolSpec, refuse } from "./protocol.ts";
import { RequestPipe } from "./request-pipe.ts";
import { ServePipe } from "./serve-pipe.ts";
import { longestReply, protocolId, type Services } from "./services.ts";

export interface PeerStreamsParts {
  readonly peers: KnownPeers;
  readonly services: Services;
  readonly clock: Clock;
  /** Resolves to why not. */
  connect(link: PeerLink): Promise<string | undefined>;
}

export class PeerStreams {
  readonly #parts: PeerStreamsParts;

  constructor(parts: PeerStreamsParts) {
    this.#parts = parts;
  }

  /** The stream on which we ask a peer, connecting first if need be; or why there is none. */
  async pipeTo(
    peer: PeerId,
    protocol: ProtocolSpec,
  ): Promise<RequestPipe | { readonly ok: false; readonly refusal: CallFailure }> {
    const { peers } = this.#parts;
    const link = peers.link(peer);
    const failed = await this.#parts.connect(link);
    if (failed !== undefined) {
      if (link.connections.size === 0 && peers.book.get(peer) === undefined) peers.drop(link);
      return failure("unreachable", failed);
    }
    const id = protocolId(protocol);
    let pipe = link.asking.get(id);
    if (pipe === undefined) {
      const connection = [...link.connections].find(({ status }) => status === "open");
      if (connection === undefined) return failure("unreachable", "the connection was lost");
      pipe = this.open(link, protocol, connection);
    }
    try {
      return await pipe;
    } catch (error) {
      if (error instanceof Error && error.name === "UnsupportedProtocolError") {
        return refuse("unknown-method", `${id} is not served there`);
      }
      throw error;
    }
  }

  /** Opens our stream of a protocol on a connection. */
  open(link: PeerLink, protocol: ProtocolSpec, connection: Connection): Promise<RequestPipe> {
    const { clock, peers } = this.#parts;
    const id = protocolId(protocol);
    const forget = (): void => {
      if (link.asking.get(id) === opening) link.asking.delete(id);
    };
    const opening = connection.newStream(id, { signal: AbortSignal.timeout(HANDSHAKE_MS) }).then((stream) => {
      return new RequestPipe(
        stream,
        { longestReply: longestReply(protocol) },
        {
          clock,
          handlers: {
            onTraffic: (sent, received) => link.countTraffic(sent, received),
            onEnd: (reason, fault) => {
              forget();
              if (fault) peers.misbehaved(link.peer, reason, 50);
            },
          },
        },
      );
    });
    link.asking.set(id, opening);
    opening.catch(forget);
    return opening;
  }

  /** Serves a stream that the other side opened. */
  serve(protocol: ProtocolSpec, stream: Stream, connection: Connection): void {
    const { peers, clock, services } = this.#parts;
    const peer = connection.remotePeer.toString();
    const link = peers.linkOf(peer);
    if (link === undefined) {
      stream.abort(new Error("not wanted"));
      return;
    }
    if (!link.streams.take()) {
      stream.abort(new Error("too many streams"));
      peers.misbehaved(peer, "too many streams", 10);
      return;
    }
    const isMesh = protocol === MESH_PROTOCOL;
    const pipe = new ServePipe(stream, protocol, {
      clock,
      services,
      rate: link.requests,
      context: (signal) => this.#context(link, isMesh, signal),
      onTraffic: (sent, received) => link.countTraffic(sent, received),
      misbehaved: (reason, score) => peers.misbehaved(peer, reason, score),
      onEnd: () => link.serving.delete(pipe),
    });
    link.serving.add(pipe);
  }

  /** Who asks; the mesh's own protocol is answered before the hello, and its methods see to it. */
  async #context(link: PeerLink, isMesh: boolean, signal: AbortSignal): Promise<RequestContext> {
    if (!isMesh && !(await link.whenReady())) throw new Error("no hello");
    const { peer, account = "", ip } = link;
    return { peer, account, standing: this.#parts.peers.standingOf(peer, account), ip, signal };
  }
}
