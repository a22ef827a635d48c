/**
 * What happens when something happens: every subscription between the parts of the node, on one screen. The
 * chain's listeners run under the chain-state lock, in this order, before anyone sees the new tip.
 */
import type { EventHub } from "#doors/api/event-hub.ts";
import type { ChainState } from "#ledger/chain/chain-state.ts";
import type { MempoolAcceptor } from "#ledger/mempool/accept.ts";
import type { Mempool } from "#ledger/mempool/mempool.ts";
import type { PeerManager } from "#ledger/peers/peer-manager.ts";
import type { WalletManager } from "#money/wallet/wallet-manager.ts";
import type { LedgerEvents } from "./ledger-events.ts";
import type { Notifier } from "./notify.ts";
import type { Sharing } from "./open-sharing.ts";
import type { OwnChainSource } from "./own-chain-source.ts";

export interface WiredLedger {
  readonly chain: ChainState;
  readonly mempool: Mempool;
  readonly acceptor: MempoolAcceptor;
  readonly peers: PeerManager;
  readonly source: OwnChainSource;
  readonly notifier: Notifier;
}

export function wireLedger({ chain, mempool, acceptor, peers, source, notifier }: WiredLedger): void {
  chain.updated.on((update) => acceptor.chainMoved(update));
  chain.updated.on((update) => source.chainMoved(update));
  chain.updated.on((update) => peers.chainMoved(update));
  chain.updated.on((update) => {
    if (!update.initialBlockDownload) notifier.blockConnected(update.tip.hash);
  });
  chain.blockChecked.on((verdict) => peers.blockChecked(verdict));
  mempool.added.on((event) => source.mempoolAdded(event));
  mempool.removed.on((event) => source.mempoolRemoved(event));
}

export interface WiredServices {
  readonly ledger: Pick<WiredLedger, "chain" | "mempool"> | undefined;
  readonly wallets: WalletManager | undefined;
  readonly events: EventHub;
  readonly told: LedgerEvents | undefined;
  readonly sharing: Sharing | undefined;
}

export function wireServices({ ledger, wallets, events, told, sharing }: WiredServices): void {
  ledger?.chain.updated.on((update) => told?.chainMoved(update));
  ledger?.mempool.added.on(() => told?.mempoolChanged());
  ledger?.mempool.removed.on(() => told?.mempoolChanged());
  wallets?.changed.on(({ name }) => events.emit({ type: "wallet", wallet: name }));
  wallets?.changed.on((change) => sharing?.walletChanged(change));
  sharing?.supervisor.changed.on((state) => sharing.stateChanged(state));
}
