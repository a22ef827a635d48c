import type { AddressEntry } from "#protocol/wire/messages/addresses.ts";
import type { PeerContext } from "../context.ts";
import type { Peer } from "../peer.ts";
import type { MessageHandlers } from "./handler.ts";

function received(context: PeerContext, peer: Peer, entries: AddressEntry[]): void {
  if (context.gossip.enable(peer)) context.gossip.received(peer, entries);
  else context.log.debug("net", () => `ignoring addr message from ${peer.type} peer=${peer.id}`);
}

/** Gossip of addresses. */
export const addressHandlers: MessageHandlers = {
  addr: { after: "verack", run: received },
  addrv2: { after: "verack", run: received },
  getaddr: { after: "verack", run: (context, peer) => context.gossip.answer(peer) },
};
