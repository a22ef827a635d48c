import type { MessageHandlers } from "./handler.ts";

/** Headers and blocks, in every form. */
export const blockHandlers: MessageHandlers = {
  headers: { after: "verack", run: (context, peer, raw) => context.headers.process(peer, raw) },
  block: { after: "verack", run: (context, peer, raw) => context.blocks.process(peer, raw) },
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
  cmpctblock: {
    after: "verack",
    async run(context, peer, { header }) {
      const { chain, headers } = context;
      if (chain.headers.lookup(header.subarray(4, 36)) !== undefined)
        await headers.process(peer, header.slice());
      else if (!chain.isInitialBlockDownload()) headers.askFrom(peer, chain.headers.best);
    },
  },
  getblocktxn: {
    after: "verack",
    run: (context, peer, request) => context.serving.blockTransactionsFor(peer, request),
  },
  blocktxn: {
    after: "verack",
    run(context, peer) {
      context.log.debug(
        "net",
        () => `Peer ${peer.id} sent us block transactions for block we weren't expecting`,
      );
    },
  },
};
