import { toHexReversed } from "#base/lib/bytes.ts";
import { type Inventory, InvType, isTransaction } from "#protocol/wire/inventory.ts";
import { MAX_BLOCKS_IN_TRANSIT } from "../block-sync.ts";
import type { PeerContext } from "../context.ts";
import type { Peer } from "../peer.ts";
import { MAX_ANNOUNCEMENTS } from "../transaction-download.ts";
import type { MessageHandlers } from "./handler.ts";
import { refusesTransactions } from "./handshake.ts";

function announced(context: PeerContext, peer: Peer, entries: readonly Inventory[]): void {
  const { chain, blocks, log } = context;
  const refuses = refusesTransactions(context, peer);
  const synced = !chain.isInitialBlockDownload();
  const now = context.now();
  let unknownBlock: Uint8Array | undefined;
  for (const entry of entries) {
    const { type, hash } = entry;
    // Each peer announces by one kind of id; the other is not for us.
    if (type === (peer.wtxidRelay ? InvType.TX : InvType.WTX)) continue;
    if (type === InvType.BLOCK) {
      const node = chain.headers.lookup(hash);
      log.debug(
        "net",
        () => `got inv: block ${toHexReversed(hash)}  ${node ? "have" : "new"} peer=${peer.id}`,
      );
      blocks.announced(peer, hash);
      if (node === undefined && !context.loadingBlocks()) unknownBlock = hash;
    } else if (isTransaction(entry)) {
      if (refuses) {
        context.disconnect(peer, `transaction (${toHexReversed(hash)}) inv sent in violation of protocol`);
        return;
      }
      context.relay.markKnown(peer, hash);
      if (!synced) continue;
      const have = context.download.announced(peer.id, { hash, isWtxid: type === InvType.WTX }, now);
      log.debug(
        "net",
        () =>
          `got inv: ${type === InvType.WTX ? "wtx" : "tx"} ${toHexReversed(hash)}  ${have ? "have" : "new"} peer=${peer.id}`,
      );
    } else {
      log.debug("net", () => `Unknown inv type "${type}" received from peer=${peer.id}`);
    }
  }
  // The last one should be the highest; its headers show what is between.
  if (unknownBlock !== undefined) context.headers.askForAnnounced(peer, unknownBlock);
}

/** What there is, what is wanted, and what is not there. */
export const inventoryHandlers: MessageHandlers = {
  inv: { after: "verack", run: announced },
  getdata: {
    after: "verack",
    run(context, peer, entries) {
      context.log.debug("net", () => `received getdata (${entries.length} invsz) peer=${peer.id}`);
      // One message is served before the next is taken, so this does not grow beyond one.
      for (const { type, hash } of entries) peer.requests.push({ type, hash: hash.slice() });
      return context.serving.serve(peer);
    },
  },
  notfound: {
    after: "verack",
    tooMany: "ignore",
    run(context, peer, entries) {
      if (entries.length > MAX_ANNOUNCEMENTS + MAX_BLOCKS_IN_TRANSIT) return;
      context.download.notFound(
        peer.id,
        entries.filter(isTransaction).map(({ hash }) => hash),
      );
    },
  },
};
