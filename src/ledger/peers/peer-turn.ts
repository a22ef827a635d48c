/**
 * A peer's turn: one of its messages is handled, then it is sent what is due. Turns are taken one after the other
 * over all peers, so that everything a message triggers is done before the next one of anybody is looked at.
 */
import { DecodeError } from "#base/lib/decode-error.ts";
import type { Inventory } from "#protocol/wire/inventory.ts";
import { InvType, WITNESS_FLAG } from "#protocol/wire/inventory.ts";
import { LimitError } from "#protocol/wire/limit-error.ts";
import { SENDHEADERS_VERSION } from "#protocol/wire/messages/handshake.ts";
import { decodeMessage, isMessageType, type MessageType } from "#protocol/wire/messages.ts";
import type { ChainHealth } from "./chain-health.ts";
import type { QueuedMessage } from "./connection.ts";
import type { PeerContext } from "./context.ts";
import type { MessageHandler } from "./handlers/handler.ts";
import { sendVersion } from "./handlers/handshake.ts";
import { maybePing } from "./handlers/ping.ts";
import { HANDLERS } from "./handlers/registry.ts";
import { reconsiderOrphan } from "./handlers/transactions.ts";
import type { Peer } from "./peer.ts";
import { Permission } from "./permissions.ts";
import { printable } from "./printable.ts";

/** Entries of one `getdata`. */
const MAX_GETDATA = 1000;
/** Milliseconds that an addr-fetch connection may last. */
const ADDR_FETCH_TIMEOUT = 10 * 30_000;

/** Handles what the peer's next turn brings; true when there is more to do at once. */
export async function receiveTurn(context: PeerContext, peer: Peer): Promise<boolean> {
  // An outbound peer must have heard from us first.
  if (!peer.inbound && !peer.versionSent) return false;
  if (peer.requests.length > 0) await context.serving.serve(peer);
  const reconsidered = await reconsiderOrphan(context, peer);
  if (peer.disconnecting !== undefined) return false;
  if (reconsidered) return true;
  // Answers go out in the order of the requests, and the queue of those stays bounded. While the peer takes
  // nothing more, nothing more of it is handled.
  if (peer.connection.sendPaused) return false;
  if (peer.requests.length > 0) return true;
  const message = peer.connection.take();
  if (message === undefined) return false;
  await handleMessage(context, peer, message);
  if (peer.disconnecting !== undefined) return false;
  return peer.connection.queued > 0 || peer.requests.length > 0 || context.download.hasWork(peer.id);
}

async function handleMessage(context: PeerContext, peer: Peer, message: QueuedMessage): Promise<void> {
  const { type, payload } = message;
  context.log.debug("net", () => `received: ${printable(type)} (${payload.length} bytes) peer=${peer.id}`);
  const handler = isMessageType(type) ? handlerOf(type) : undefined;
  if (peer.version === 0 && handler?.after !== "connect") {
    context.log.debug(
      "net",
      () => `non-version message before version handshake. Message "${printable(type)}" from peer=${peer.id}`,
    );
  } else if (!peer.connected && (handler === undefined || handler.after === "verack")) {
    context.log.debug(
      "net",
      () => `Unsupported message "${printable(type)}" prior to verack from peer=${peer.id}`,
    );
  } else if (handler === undefined) {
    context.log.debug("net", () => `Unknown command "${printable(type)}" from peer=${peer.id}`);
  } else {
    await runHandler(context, peer, message, type as MessageType, handler);
  }
}

/** One handler, whatever its type: decode and run agree as both go by the same name. */
function handlerOf(type: MessageType): MessageHandler<MessageType> | undefined {
  return HANDLERS[type] as MessageHandler<MessageType> | undefined;
}

async function runHandler(
  context: PeerContext,
  peer: Peer,
  message: QueuedMessage,
  type: MessageType,
  handler: MessageHandler<MessageType>,
): Promise<void> {
  try {
    const body = decodeMessage(type, message.payload);
    await handler.run(context, peer, body as never, message);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    if (error instanceof LimitError && handler.tooMany !== "ignore") {
      tooMany(context, peer, type, error, handler.tooMany === "disconnect");
    } else {
      // A message that does not parse is dropped, and nothing more.
      context.log.debug(
        "net",
        () =>
          `ProcessMessages(${type}, ${message.payload.length} bytes): Exception '${error.message}' caught`,
      );
    }
  }
}

function tooMany(
  context: PeerContext,
  peer: Peer,
  type: MessageType,
  error: LimitError,
  disconnect: boolean,
): void {
  if (disconnect) context.disconnect(peer, `${type} locator size ${error.count} > ${error.limit}`);
  else context.misbehaving(peer, `${type} message size = ${error.count}`);
}

/** Sends a peer what is due, and ends the connection where it must end. */
export function sendTurn(context: PeerContext, peer: Peer, health: ChainHealth): void {
  if (!peer.inbound && !peer.versionSent && peer.disconnecting === undefined) sendVersion(context, peer);
  if (!peer.connected || peer.disconnecting !== undefined) return;
  if (peer.type === "addr-fetch" && context.now() - peer.connectedAt > ADDR_FETCH_TIMEOUT) {
    context.disconnect(peer, "addrfetch connection timeout");
    return;
  }
  maybePing(context, peer);
  if (peer.disconnecting !== undefined) return;
  context.gossip.maybeSend(peer);
  maybeSendSendHeaders(context, peer);
  const mayDownload = mayDownloadFrom(context, peer);
  context.headers.maybeStart(peer, mayDownload);
  context.serving.announce(peer);
  const inventory = context.serving.takeInventory(peer);
  context.relay.announce(peer, inventory);
  if (inventory.length > 0) context.send(peer, "inv", inventory);
  context.blocks.checkStalling(peer);
  if (isGone(peer)) return;
  context.headers.checkTimeout(peer);
  if (isGone(peer)) return;
  health.check(peer);
  sendGetData(context, peer, context.blocks.nextRequests(peer, mayDownload));
  context.relay.maybeSendFeeFilter(peer);
}

function isGone(peer: Peer): boolean {
  return peer.disconnecting !== undefined;
}

/** BIP130: block announcements as headers, once the first headers sync is far enough not to be confused by them. */
function maybeSendSendHeaders(context: PeerContext, peer: Peer): void {
  const best = peer.chain.bestKnown;
  if (peer.sentSendHeaders || peer.commonVersion < SENDHEADERS_VERSION || best === undefined) return;
  if (best.chainWork <= context.chain.minimumChainWork) return;
  context.send(peer, "sendheaders", undefined);
  peer.sentSendHeaders = true;
}

/** Whether headers and blocks of the first sync may come from this peer: from one that came to us only for want of others. */
function mayDownloadFrom(context: PeerContext, peer: Peer): boolean {
  if (peer.chain.preferredDownload) return true;
  if (!peer.servesBlocks || peer.type === "addr-fetch") return false;
  if (context.blocks.requests.blocks === 0) return true;
  for (const other of context.peers.values()) if (other.chain.preferredDownload) return false;
  return true;
}

function sendGetData(context: PeerContext, peer: Peer, blocks: Inventory[]): void {
  let entries = blocks;
  const witness = peer.servesWitnesses ? WITNESS_FLAG : 0;
  for (const { hash, isWtxid } of context.download.requestsToSend(peer.id, context.now())) {
    entries.push({ type: isWtxid ? InvType.WTX : InvType.TX | witness, hash });
    if (entries.length < MAX_GETDATA) continue;
    context.send(peer, "getdata", entries);
    entries = [];
  }
  if (entries.length > 0) context.send(peer, "getdata", entries);
}

/** Whether a peer has been silent for too long (CConnman::InactivityCheck); the text says how. */
export function inactivity(context: PeerContext, peer: Peer): string | undefined {
  const limit = context.options.peerTimeout;
  const now = context.seconds();
  if (Math.floor(peer.connectedAt / 1000) + limit >= now) return undefined;
  const { lastSend, lastReceive } = peer.connection;
  if (lastSend === 0 || lastReceive === 0) {
    return `socket no message in first ${limit} seconds, ${Number(lastReceive !== 0)} ${Number(lastSend !== 0)}`;
  }
  const sendAge = now - Math.floor(lastSend / 1000);
  const receiveAge = now - Math.floor(lastReceive / 1000);
  if (sendAge > INACTIVITY_TIMEOUT) return `socket sending timeout: ${sendAge}s`;
  if (receiveAge > INACTIVITY_TIMEOUT) return `socket receive timeout: ${receiveAge}s`;
  return peer.connected ? undefined : "version handshake timeout";
}

/** Seconds. */
const INACTIVITY_TIMEOUT = 20 * 60;

/**
 * What becomes of a peer that broke the protocol (MaybeDiscourageAndDisconnect): peers that the user chose stay,
 * local ones are disconnected, others discouraged too, with all connections of their address.
 */
export function punish(context: PeerContext, peer: Peer): void {
  if (!peer.shouldDiscourage) return;
  peer.shouldDiscourage = false;
  if (peer.has(Permission.NO_BAN)) {
    context.log.info(`Warning: not punishing noban peer ${peer.id}!`);
  } else if (peer.type === "manual") {
    context.log.info(`Warning: not punishing manually connected peer ${peer.id}!`);
  } else if (peer.endpoint.address.local) {
    const kind = peer.inboundOnion ? "inbound onion" : "local";
    context.log.debug("net", () => `Warning: disconnecting but not discouraging ${kind} peer ${peer.id}!`);
    context.disconnect(peer, "misbehaving");
  } else {
    context.log.debug("net", () => `Disconnecting and discouraging peer ${peer.id}!`);
    const { address } = peer.endpoint;
    context.bans.discourage(address);
    for (const other of context.peers.values()) {
      if (other.endpoint.address.equals(address)) context.disconnect(other, "misbehaving");
    }
  }
}
