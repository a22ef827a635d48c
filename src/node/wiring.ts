/**
 * What happens when something happens: every subscription between the parts of the node, on one screen. The
 * chain's listeners run under the chain-state lock, in this order, before anyone sees the new tip.
 */
import type { ChainState } from "#ledger/chain/chain-state.ts";
import type { MempoolAcceptor } from "#ledger/mempool/accept.ts";
import type { PeerManager } from "#ledger/peers/peer-manager.ts";
import type { Notifier } from "./notify.ts";

export interface WiredParts {
  readonly chain: ChainState;
  readonly acceptor: MempoolAcceptor;
  readonly peers: PeerManager | undefined;
  readonly notifier: Notifier;
}

export function wire({ chain, acceptor, peers, notifier }: WiredParts): void {
  chain.updated.on((update) => acceptor.chainMoved(update));
  chain.updated.on((update) => peers?.chainMoved(update));
  chain.updated.on((update) => {
    if (!update.initialBlockDownload) notifier.blockConnected(update.tip.hash);
  });
  chain.blockChecked.on((verdict) => peers?.blockChecked(verdict));
}
