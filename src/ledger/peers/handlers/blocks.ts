import type { MessageBody, MessageType } from "#protocol/wire/messages.ts";
import type { PeerContext } from "../context.ts";
import type { Peer } from "../peer.ts";
import type { MessageHandler, MessageHandlers } from "./handler.ts";

/** A handler of blocks or headers, which are not taken while others are read in from files. */
function unlessLoading<T extends MessageType>(
  type: T,
  run: (context: PeerContext, peer: Peer, body: MessageBody<T>) => void | Promise<void>,
): MessageHandler<T> {
  return {
    after: "verack",
    run(context, peer, body) {
      if (!context.loadingBlocks()) return run(context, peer, body);
      context.log.debug("net", () => `Unexpected ${type} message received from peer ${peer.id}`);
      return undefined;
    },
  };
}

/** Headers and blocks, in every form. */
export const blockHandlers: MessageHandlers = {
  headers: unlessLoading("headers", (context, peer, raw) => context.headers.process(peer, raw)),
  block: unlessLoading("block", (context, peer, raw) => context.blocks.process(peer, raw)),
  getheaders: {
    after: "verack",
    tooMany: "disconnect",
    run: (context, peer, request) => context.serving.headersFor(peer, request),
  },
  getblocks: {
    after: "verack",
    tooMany: "disconnect",
    run: (context, peer, request) => context.serving.inventoryFor(peer, request),
  },
  /** We ask for none: it announces a block, and is taken for its header. */
  cmpctblock: unlessLoading("cmpctblock", async (context, peer, { header }) => {
    const { chain, headers } = context;
    if (chain.headers.lookup(header.subarray(4, 36)) !== undefined)
      await headers.process(peer, header.slice());
    else if (!chain.isInitialBlockDownload()) headers.askFrom(peer, chain.headers.best);
  }),
  getblocktxn: {
    after: "verack",
    run: (context, peer, request) => context.serving.blockTransactionsFor(peer, request),
  },
  blocktxn: unlessLoading("blocktxn", (context, peer) => {
    const { log } = context;
    log.debug("net", () => `Peer ${peer.id} sent us block transactions for block we weren't expecting`);
  }),
};
