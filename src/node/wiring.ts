/**
 * What happens when something happens: every subscription between the parts of the node, on one screen. The
 * chain's listeners run under the chain-state lock, in this order, before anyone sees the new tip.
 */
import { type Clock, unixTime } from "#base/lib/clock.ts";
import type { EventHub } from "#doors/api/event-hub.ts";
import type { ChainState } from "#ledger/chain/chain-state.ts";
import type { MempoolAcceptor } from "#ledger/mempool/accept.ts";
import type { FeeEstimator } from "#ledger/mempool/fee-estimator.ts";
import type { Mempool } from "#ledger/mempool/mempool.ts";
import type { PeerManager } from "#ledger/peers/peer-manager.ts";
import type { WalletManager } from "#money/wallet/wallet-manager.ts";
import type { LedgerEvents } from "./ledger-events.ts";
import type { Notifier } from "./notify.ts";
import { tellsOfFees } from "./open-fees.ts";
import type { Sharing } from "./open-sharing.ts";
import type { OwnChainSource } from "./own-chain-source.ts";

export interface WiredLedger {
  readonly chain: ChainState;
  readonly mempool: Mempool;
  readonly acceptor: MempoolAcceptor;
  readonly fees: FeeEstimator;
  readonly peers: PeerManager;
  readonly source: OwnChainSource;
  readonly notifier: Notifier;
  readonly clock: Clock;
}

export function wireLedger({
  chain,
  mempool,
  acceptor,
  fees,
  peers,
  source,
  notifier,
  clock,
}: WiredLedger): void {
  chain.updated.on((update) => acceptor.chainMoved(update));
  chain.updated.on((update) => source.chainMoved(update));
  chain.updated.on((update) => peers.chainMoved(update));
  chain.updated.on((update) => {
    if (!update.initialBlockDownload) notifier.blockConnected(update.tip.hash);
  });
  chain.blockChecked.on((verdict) => peers.blockChecked(verdict));
  mempool.added.on(({ entry }) => fees.added(entry, tellsOfFees(entry, chain, mempool, unixTime(clock))));
  mempool.removed.on(({ entry, reason }) => {
    if (reason !== "block") fees.removed(entry.txid);
  });
  mempool.connected.on(({ height, mined }) => fees.blockConnected(height, mined));
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
