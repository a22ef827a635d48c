/** Who may connect: nobody who is banned, and not too many from one address. */
import type { ConnectionGater, Libp2p } from "@libp2p/interface";
import type { Multiaddr } from "@multiformats/multiaddr";
import type { KnownPeers } from "./known-peers.ts";
import { ipOf } from "./multiaddrs.ts";

/** Open connections from one IP address that is not this machine. */
const MAX_PER_IP = 32;

export function inboundGate(peers: KnownPeers, node: () => Libp2p | undefined): ConnectionGater {
  const deniesAddress = (remote: Multiaddr): boolean => {
    const ip = ipOf(remote.toString());
    if (ip === undefined) return false;
    if (peers.isBanned(`ip:${ip}`)) return true;
    if (ip.startsWith("127.") || ip === "::1") return false;
    const open = node()?.getConnections() ?? [];
    return open.filter(({ remoteAddr }) => ipOf(remoteAddr.toString()) === ip).length >= MAX_PER_IP;
  };
  return {
    denyDialPeer: (peer) => peers.isBanned(peer.toString()),
    denyInboundConnection: ({ remoteAddr }) => deniesAddress(remoteAddr),
    denyInboundEncryptedConnection: (peer) => peers.isBanned(peer.toString()),
  };
}
