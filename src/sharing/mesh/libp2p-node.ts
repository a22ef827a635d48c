/** A libp2p node as the mesh wants it: TCP and WebSocket, Noise, Yamux, identify, mDNS by choice, and its limits raised. */
import { generateKeyPairFromSeed } from "@libp2p/crypto/keys";
import { identify } from "@libp2p/identify";
import type { ConnectionGater, Libp2p } from "@libp2p/interface";
import { mdns } from "@libp2p/mdns";
import { noise } from "@libp2p/noise";
import { tcp } from "@libp2p/tcp";
import { webSockets } from "@libp2p/websockets";
import { yamux } from "@libp2p/yamux";
import { createLibp2p } from "libp2p";
import { textOf } from "./calls.ts";

export interface Libp2pNodeOptions {
  readonly deviceSeed: Uint8Array;
  /** Multiaddrs. */
  readonly listen: readonly string[];
  /** Take any free port where one is taken. */
  readonly orAnyPort?: boolean;
  readonly mdns: boolean;
  readonly gater: ConnectionGater;
  readonly maxConnections: number;
}

/** Own name of the service: those of the same network that speak other protocols over libp2p are none of ours. */
const MDNS_SERVICE = "_freehold._udp.local";

/** Streams of one connection: a few protocols, each in both directions, and identify. */
const MAX_STREAMS = 128;

/** Starts it. @throws Error with a text for the user when an address can not be listened on */
export async function startLibp2p(options: Libp2pNodeOptions): Promise<Libp2p> {
  const { listen, orAnyPort = false } = options;
  try {
    return await createNode(options);
  } catch (error) {
    if (!orAnyPort) throw new Error(`the mesh can not listen on ${listen.join(", ")}: ${textOf(error)}`);
    return await createNode({ ...options, listen: listen.map((one) => one.replace(/\/tcp\/\d+/, "/tcp/0")) });
  }
}

async function createNode(options: Libp2pNodeOptions): Promise<Libp2p> {
  const local = localAddress(options.listen);
  return createLibp2p({
    privateKey: await generateKeyPairFromSeed("Ed25519", options.deviceSeed),
    addresses: { listen: [...options.listen] },
    transports: [dialFrom(local), webSockets()],
    connectionEncrypters: [noise()],
    streamMuxers: [
      yamux({
        maxInboundStreams: MAX_STREAMS,
        maxOutboundStreams: MAX_STREAMS,
        // A window as large as the buffer of a paused reader would reset the stream.
        streamOptions: {
          maxStreamWindowSize: 2 * 1024 * 1024,
          maxReadBufferLength: 8 * 1024 * 1024,
        },
      }),
    ],
    ...(options.mdns ? { peerDiscovery: [mdns({ serviceTag: MDNS_SERVICE })] } : {}),
    // The hello tells more, and sooner: identify answers others alone.
    services: { identify: identify({ runOnConnectionOpen: false }) },
    connectionGater: options.gater,
    connectionManager: {
      maxConnections: options.maxConnections,
      // Many honest peers may stand behind one address; our own gate limits them.
      inboundConnectionThreshold: 200,
      maxIncomingPendingConnections: 200,
      maxPeerAddrsToDial: 8,
      reconnectRetries: 0,
    },
    connectionMonitor: { enabled: false },
  });
}

/** An own loopback address to dial from, so that peers on one machine tell each other's networks apart. */
function localAddress(listen: readonly string[]): string | undefined {
  const host = /^\/ip4\/(127\.\d+\.\d+\.\d+)\/tcp\//.exec(listen[0] ?? "")?.[1];
  return host === "127.0.0.1" ? undefined : host;
}

function dialFrom(local: string | undefined): ReturnType<typeof tcp> {
  return (components) => {
    const transport = tcp()(components);
    if (local === undefined) return transport;
    const dial = transport.dial.bind(transport);
    transport.dial = (address, options) =>
      address.toString().startsWith("/ip4/127.")
        ? dial(address, Object.assign(options, { localAddress: local }))
        : dial(address, options);
    return transport;
  };
}
