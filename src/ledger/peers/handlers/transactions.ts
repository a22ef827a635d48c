import { toHexReversed } from "#base/lib/bytes.ts";
import { parseTx } from "#protocol/bitcoin/tx-table.ts";
import { hashTxs, txidAt, wtxidAt } from "#protocol/bitcoin/txid.ts";
import { rejectionText } from "#protocol/consensus/rejection.ts";
import type { PeerContext } from "../context.ts";
import type { LooseTransaction } from "../orphanage.ts";
import type { Peer } from "../peer.ts";
import { Permission } from "../permissions.ts";
import type { MessageHandlers } from "./handler.ts";
import { refusesTransactions } from "./handshake.ts";

/** A transaction from a peer, on its way into the mempool. */
async function received(context: PeerContext, peer: Peer, raw: Uint8Array): Promise<void> {
  if (refusesTransactions(context, peer)) {
    context.disconnect(peer, "transaction sent in violation of protocol");
    return;
  }
  // We could not judge it yet.
  if (context.chain.isInitialBlockDownload()) return;
  const tx = looseTransaction(raw);
  context.relay.markKnown(peer, peer.wtxidRelay ? tx.wtxid : tx.txid);
  if (!context.download.received(peer.id, tx)) {
    if (peer.has(Permission.FORCE_RELAY)) forceRelay(context, peer, tx);
    return;
  }
  const result = await context.acceptor.accept(tx.table);
  if (result.accepted) {
    accepted(context, peer, tx);
    peer.lastTransaction = context.seconds();
  } else {
    logRefusal(context, peer, tx, rejectionText(result.rejection));
    const parents = context.download.refused(tx, result.rejection, peer.id, true, context.now());
    // It has them, and need not hear of them from us.
    for (const parent of parents) context.relay.markKnown(peer, parent);
  }
}

/**
 * In a peer's turn: tries one of its orphans again whose parent came.
 * @returns whether something was decided; then the peer's messages wait for the next turn.
 */
export async function reconsiderOrphan(context: PeerContext, peer: Peer): Promise<boolean> {
  for (let tx = context.download.takeWork(peer.id); tx; tx = context.download.takeWork(peer.id)) {
    const result = await context.acceptor.accept(tx.table);
    if (result.accepted) {
      accepted(context, peer, tx);
      return true;
    }
    if (result.rejection.result === "missing-inputs") continue;
    logRefusal(context, peer, tx, rejectionText(result.rejection));
    context.download.refused(tx, result.rejection, peer.id, false, context.now());
    return true;
  }
  return false;
}

function looseTransaction(raw: Uint8Array): LooseTransaction {
  const table = parseTx(raw);
  const hashes = hashTxs(table);
  return { table, txid: txidAt(hashes, 0), wtxid: wtxidAt(hashes, 0) };
}

function accepted(context: PeerContext, peer: Peer, tx: LooseTransaction): void {
  context.download.accepted(tx);
  context.log.debug(
    "mempool",
    () =>
      `AcceptToMemoryPool: peer=${peer.id}: accepted ${toHexReversed(tx.txid)} (wtxid=${toHexReversed(tx.wtxid)}) ` +
      `(poolsz ${context.mempool.size} txn)`,
  );
  context.relay.broadcast(tx.txid, tx.wtxid);
}

/** A gateway's transactions are passed on even when we know them. */
function forceRelay(context: PeerContext, peer: Peer, { txid, wtxid }: LooseTransaction): void {
  const ids = `${toHexReversed(txid)} (wtxid=${toHexReversed(wtxid)})`;
  if (context.mempool.has(txid)) {
    context.log.info(`Force relaying tx ${ids} from peer=${peer.id}`);
    context.relay.broadcast(txid, wtxid);
  } else {
    context.log.info(`Not relaying non-mempool transaction ${ids} from forcerelay peer=${peer.id}`);
  }
}

function logRefusal(context: PeerContext, peer: Peer, tx: LooseTransaction, why: string): void {
  context.log.debug(
    "mempoolrej",
    () =>
      `${toHexReversed(tx.txid)} (wtxid=${toHexReversed(tx.wtxid)}) from peer=${peer.id} was not accepted: ${why}`,
  );
}

export const transactionHandlers: MessageHandlers = {
  tx: { after: "verack", run: received },
  mempool: {
    after: "verack",
    run(context, peer) {
      if (peer.has(Permission.MEMPOOL)) {
        if (peer.transactions !== undefined) peer.transactions.sendMempool = true;
      } else if (!peer.has(Permission.NO_BAN)) {
        context.disconnect(peer, "mempool request with bloom filters disabled");
      }
    },
  },
};
