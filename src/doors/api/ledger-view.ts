/** The ledger as the API shows it. */
import { toHexReversed } from "#base/lib/bytes.ts";
import type { ChainState } from "#ledger/chain/chain-state.ts";
import type { HeaderNode } from "#ledger/chain/header-node.ts";
import type { Mempool } from "#ledger/mempool/mempool.ts";
import type { PeerManager } from "#ledger/peers/peer-manager.ts";
import { parseBlock } from "#protocol/bitcoin/block-table.ts";
import type { BlockView } from "./event-hub.ts";

export interface LedgerStatus {
  readonly network: string;
  readonly height: number;
  readonly headers: number;
  readonly tip: string;
  /** Seconds since 1970 of the last block. */
  readonly tipTime: number;
  readonly initialBlockDownload: boolean;
  readonly peers: number;
  readonly mempool: { readonly transactions: number; readonly bytes: number };
}

export interface LedgerView {
  status(): LedgerStatus;
  /** The last blocks, newest first. */
  blocks(count: number): Promise<readonly BlockView[]>;
  block(node: HeaderNode): Promise<BlockView>;
}

/** Blocks whose figures are kept, so that a page that looks again costs no reading. */
const MAX_KEPT = 256;

export function ledgerView(parts: {
  readonly chain: ChainState;
  readonly mempool: Mempool;
  readonly peers: PeerManager;
}): LedgerView {
  const { chain, mempool, peers } = parts;
  const kept = new Map<string, BlockView>();

  async function block(node: HeaderNode): Promise<BlockView> {
    const hash = toHexReversed(node.hash);
    const known = kept.get(hash);
    if (known !== undefined) return known;
    const raw = await chain.readBlock(node);
    const view: BlockView = {
      height: node.height,
      hash,
      time: node.time,
      transactions: parseBlock(raw).txs.txCount,
      size: raw.length,
    };
    kept.set(hash, view);
    for (const oldest of kept.keys()) {
      if (kept.size <= MAX_KEPT) break;
      kept.delete(oldest);
    }
    return view;
  }

  return {
    status: () => ({
      network: chain.network.name,
      height: chain.tip.height,
      headers: chain.headers.best.height,
      tip: toHexReversed(chain.tip.hash),
      tipTime: chain.tip.time,
      initialBlockDownload: chain.isInitialBlockDownload(),
      peers: peers.peers().length,
      mempool: { transactions: mempool.info().size, bytes: mempool.info().bytes },
    }),
    block,
    async blocks(count) {
      const views: BlockView[] = [];
      const { tip } = chain;
      for (let node: HeaderNode | null = tip; node !== null && views.length < count; node = node.prev) {
        views.push(await block(node));
      }
      return views;
    },
  };
}
