import { hostPort } from "#base/lib/host-port.ts";
import { serviceNames } from "#protocol/wire/services.ts";
import type { PeerContext } from "./context.ts";
import type { Peer } from "./peer.ts";
import type { PeerInfo } from "./peer-info.ts";
import { permissionNames } from "./permissions.ts";

/** A peer as getpeerinfo shows it. */
export function describePeer(context: PeerContext, peer: Peer): PeerInfo {
  const { connection, ping, chain, transactions, addresses } = peer;
  const { local } = connection.socket;
  const waits = ping.nonce !== 0n && ping.start !== 0;
  return {
    id: peer.id,
    addr: peer.name,
    addrBind: local.host === "" ? undefined : hostPort(local.host, local.port),
    addrLocal: peer.addrLocal?.address.valid ? peer.addrLocal.toString() : undefined,
    network: peer.network,
    mappedAs: undefined,
    services: peer.services,
    servicesNames: serviceNames(peer.services),
    relayTxes: transactions?.relay ?? false,
    lastInvSequence: transactions?.lastSequence ?? 0,
    invToSend: transactions?.toSend.size ?? 0,
    lastSend: seconds(connection.lastSend),
    lastRecv: seconds(connection.lastReceive),
    lastTransaction: peer.lastTransaction,
    lastBlock: peer.lastBlock,
    bytesSent: connection.bytesSent,
    bytesRecv: connection.bytesReceived,
    connTime: seconds(peer.connectedAt),
    timeOffset: peer.timeOffset,
    pingTime: ping.last === undefined ? undefined : ping.last / 1000,
    minPing: ping.least === Infinity ? undefined : ping.least / 1000,
    pingWait: waits ? Math.max(0, context.now() - ping.start) / 1000 : undefined,
    version: peer.version,
    subver: peer.userAgent,
    inbound: peer.inbound,
    bip152HbTo: false,
    bip152HbFrom: peer.wantsCompactBlocks,
    startingHeight: peer.startHeight,
    presyncedHeaders: chain.presync?.presyncHeight ?? -1,
    syncedHeaders: chain.bestKnown?.height ?? -1,
    syncedBlocks: chain.lastCommon?.height ?? -1,
    inflight: context.blocks.requests.of(peer.id).inFlight.map(({ height }) => height),
    addrRelayEnabled: addresses.known !== undefined,
    addrProcessed: addresses.processed,
    addrRateLimited: addresses.rateLimited,
    permissions: permissionNames(peer.permissions),
    minFeeFilter: transactions?.feeFilter ?? 0,
    bytesSentPerMessage: Object.fromEntries([...connection.sentByType].sort()),
    bytesRecvPerMessage: Object.fromEntries([...connection.receivedByType].sort()),
    connectionType: peer.type,
    transportProtocolType: connection.transport.kind,
    sessionId: connection.transport.sessionId,
  };
}

function seconds(milliseconds: number): number {
  return Math.floor(milliseconds / 1000);
}
