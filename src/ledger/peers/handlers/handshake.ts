/** The handshake: version and verack, and what each side can do and wants. */
import { MAX_MONEY } from "#protocol/bitcoin/amount.ts";
import {
  MIN_PEER_PROTO_VERSION,
  PROTOCOL_VERSION,
  type Version,
  WTXID_RELAY_VERSION,
} from "#protocol/wire/messages/handshake.ts";
import { NO_ENDPOINT } from "#protocol/wire/net-address.ts";
import type { PeerContext } from "../context.ts";
import type { Peer } from "../peer.ts";
import { Permission } from "../permissions.ts";
import { printable } from "../printable.ts";
import type { MessageHandler, MessageHandlers } from "./handler.ts";

/** Core's MAX_ADDR_TO_SEND: what we let a peer send at once when we ask for addresses. */
const GETADDR_TOKENS = 1000;
/** The version of compact blocks with witnesses (BIP152). */
const COMPACT_BLOCKS_VERSION = 2n;

/** Tells the peer who we are: the first message of an outbound connection, the answer on an inbound one. */
export function sendVersion(context: PeerContext, peer: Peer): void {
  const { address } = peer.endpoint;
  const known = address.routable && address.fitsLegacy;
  context.send(peer, "version", {
    version: PROTOCOL_VERSION,
    services: peer.ourServices,
    time: context.seconds(),
    receiverServices: 0n,
    receiver: known ? peer.endpoint : NO_ENDPOINT,
    senderServices: peer.ourServices,
    sender: NO_ENDPOINT,
    nonce: peer.localNonce,
    userAgent: context.subversion,
    startHeight: context.chain.tip.height,
    relay: !refusesTransactions(context, peer),
  });
  peer.versionSent = true;
  context.log.debug(
    "net",
    () =>
      `send version message: version ${PROTOCOL_VERSION}, blocks=${context.chain.tip.height}, peer=${peer.id}`,
  );
}

/** Whether the peer may send us no transactions. */
export function refusesTransactions(context: PeerContext, peer: Peer): boolean {
  if (peer.type === "block-relay-only" || peer.type === "feeler") return true;
  return context.options.blocksOnly && !peer.has(Permission.RELAY);
}

const version: MessageHandler<"version"> = {
  after: "connect",
  run(context, peer, body) {
    if (peer.version !== 0) {
      context.log.debug("net", () => `redundant version message from peer=${peer.id}`);
      return;
    }
    if (!isAcceptable(context, peer, body)) return;
    takeVersion(context, peer, body);
    answerVersion(context, peer);
    if (!peer.inbound) {
      noteTime(context, peer);
      context.book.good(peer.endpoint);
      if (context.gossip.enable(peer)) {
        context.send(peer, "getaddr", undefined);
        peer.addresses.getaddrSent = true;
        peer.addresses.tokens += GETADDR_TOKENS;
      }
    }
    if (peer.type === "feeler") context.disconnect(peer, "feeler connection completed");
  },
};

/** Disconnects a peer that is too old, useless to us, or ourselves. */
function isAcceptable(context: PeerContext, peer: Peer, body: Version): boolean {
  const { services } = body;
  // Unlike what gossip says, this replaces what we knew.
  if (!peer.inbound) context.book.setServices(peer.endpoint, services);
  const expects = peer.isOutboundOrBlockRelay || peer.type === "addr-fetch";
  if (expects && !context.view.hasDesirableServices(services)) {
    const wanted = context.view.desirableServices(services);
    context.disconnect(
      peer,
      `peer does not offer the expected services (${hex8(services)} offered, ${hex8(wanted)} expected)`,
    );
    return false;
  }
  if (body.version < MIN_PEER_PROTO_VERSION) {
    context.disconnect(peer, `peer using obsolete version ${body.version}`);
    return false;
  }
  if (peer.inbound && isOurNonce(context, body.nonce)) {
    context.log.info(`connected to self at ${peer.endpoint}, disconnecting`);
    context.disconnect(peer, "connected to self");
    return false;
  }
  return true;
}

/** Whether one of our own outbound connections sent this nonce, and so the peer is ourselves. */
function isOurNonce(context: PeerContext, nonce: bigint): boolean {
  for (const peer of context.peers.values()) {
    if (!peer.connected && !peer.inbound && peer.localNonce === nonce) return true;
  }
  return false;
}

function takeVersion(context: PeerContext, peer: Peer, body: Version): void {
  const { receiver } = body;
  if (peer.inbound && receiver.address.routable) context.locals.seen(receiver.address);
  if (peer.inbound) sendVersion(context, peer);
  peer.version = body.version;
  peer.commonVersion = Math.min(body.version, PROTOCOL_VERSION);
  peer.services = body.services;
  peer.hasAllWantedServices = context.view.hasDesirableServices(body.services);
  peer.addrLocal = receiver;
  peer.userAgent = printable(body.userAgent);
  peer.startHeight = body.startHeight;
  peer.timeOffset = Math.max(0, body.time) - context.seconds();
  const mayRelay = peer.type !== "block-relay-only" && peer.type !== "feeler";
  if (mayRelay && body.relay) peer.transactions = context.relay.newState(true);
  context.log.debug(
    "net",
    () =>
      `receive version message: ${peer.userAgent}: version ${peer.version}, blocks=${peer.startHeight}, ` +
      `us=${receiver}, txrelay=${Number(body.relay)}, peer=${peer.id}`,
  );
}

/** Only peers that we chose may make us doubt our clock. */
function noteTime(context: PeerContext, peer: Peer): void {
  const before = context.timeOffsets.warning;
  context.timeOffsets.add(peer.timeOffset);
  const { warning } = context.timeOffsets;
  if (before === undefined && warning !== undefined) context.log.warn(warning);
}

function answerVersion(context: PeerContext, peer: Peer): void {
  if (peer.commonVersion >= WTXID_RELAY_VERSION) {
    context.send(peer, "wtxidrelay", undefined);
    // BIP155 names no version, but nobody older is known to understand it.
    context.send(peer, "sendaddrv2", undefined);
  }
  context.send(peer, "verack", undefined);
  const trusted = !peer.inbound || peer.has(Permission.NO_BAN);
  peer.chain.preferredDownload = trusted && peer.type !== "addr-fetch" && peer.servesBlocks;
}

const verack: MessageHandler<"verack"> = {
  after: "version",
  run(context, peer) {
    if (peer.connected) {
      context.log.debug("net", () => `ignoring redundant verack message from peer=${peer.id}`);
      return;
    }
    const text = (): string =>
      `New ${peer.type} ${peer.connection.transport.kind} peer connected: version: ${peer.version}, ` +
      `blocks=${peer.startHeight}, peer=${peer.id}`;
    // Anyone can make us log inbound connections.
    if (peer.inbound) context.log.debug("net", text);
    else context.log.info(text());
    context.download.connected(peer.id, {
      preferred: peer.chain.preferredDownload,
      relayPermission: peer.has(Permission.RELAY),
      wtxidRelay: peer.wtxidRelay,
    });
    peer.connected = true;
  },
};

const wtxidrelay: MessageHandler<"wtxidrelay"> = {
  after: "version",
  run(context, peer) {
    if (peer.connected) {
      context.disconnect(peer, "wtxidrelay received after verack");
    } else if (peer.commonVersion < WTXID_RELAY_VERSION) {
      context.log.debug(
        "net",
        () => `ignoring wtxidrelay due to old common version=${peer.commonVersion} from peer=${peer.id}`,
      );
    } else if (peer.wtxidRelay) {
      context.log.debug("net", () => `ignoring duplicate wtxidrelay from peer=${peer.id}`);
    } else {
      peer.wtxidRelay = true;
    }
  },
};

const sendaddrv2: MessageHandler<"sendaddrv2"> = {
  after: "version",
  run(context, peer) {
    if (peer.connected) context.disconnect(peer, "sendaddrv2 received after verack");
    else peer.wantsAddrV2 = true;
  },
};

const sendheaders: MessageHandler<"sendheaders"> = {
  after: "version",
  run(_context, peer) {
    peer.prefersHeaders = true;
  },
};

const sendcmpct: MessageHandler<"sendcmpct"> = {
  after: "version",
  run(_context, peer, body) {
    if (body.version !== COMPACT_BLOCKS_VERSION) return;
    peer.providesCompactBlocks = true;
    peer.wantsCompactBlocks = body.highBandwidth;
  },
};

const sendtxrcncl: MessageHandler<"sendtxrcncl"> = {
  after: "version",
  run(context, peer) {
    context.log.debug(
      "net",
      () => `sendtxrcncl from peer=${peer.id} ignored, as our node does not have txreconciliation enabled`,
    );
  },
};

const feefilter: MessageHandler<"feefilter"> = {
  after: "verack",
  run(context, peer, rate) {
    if (rate < 0 || rate > MAX_MONEY) return;
    if (peer.transactions !== undefined) peer.transactions.feeFilter = rate;
    context.log.debug(
      "net",
      () => `received: feefilter of ${(rate / 1e8).toFixed(8)} BTC/kvB from peer=${peer.id}`,
    );
  },
};

export const handshakeHandlers: MessageHandlers = {
  version,
  verack,
  wtxidrelay,
  sendaddrv2,
  sendheaders,
  sendcmpct,
  sendtxrcncl,
  feefilter,
};

function hex8(services: bigint): string {
  return services.toString(16).padStart(8, "0");
}
