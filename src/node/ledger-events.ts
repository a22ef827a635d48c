import type { Clock } from "#base/lib/clock.ts";
import type { EventHub } from "#doors/api/event-hub.ts";
import type { LedgerView } from "#doors/api/ledger-view.ts";
import type { ChainUpdate } from "#ledger/chain/chain-update.ts";
import type { HeaderNode } from "#ledger/chain/header-node.ts";
import type { Mempool } from "#ledger/mempool/mempool.ts";

/** Milliseconds within which changes of the mempool are told as one. */
const MEMPOOL_PAUSE = 250;

/** Tells the dashboard of blocks and the mempool; nothing is done while nobody looks. */
export class LedgerEvents {
  readonly #events: EventHub;
  readonly #view: LedgerView;
  readonly #mempool: Mempool;
  readonly #clock: Clock;
  #isDue = false;
  #telling: Promise<void> = Promise.resolve();

  constructor(events: EventHub, parts: { view: LedgerView; mempool: Mempool; clock: Clock }) {
    this.#events = events;
    this.#view = parts.view;
    this.#mempool = parts.mempool;
    this.#clock = parts.clock;
  }

  /** The blocks are read again outside of the chain-state lock, in order. */
  chainMoved({ disconnected, connected, initialBlockDownload }: ChainUpdate): void {
    if (initialBlockDownload && connected.length > 1) return;
    if (this.#events.readers === 0) return;
    this.#telling = this.#telling.then(async () => {
      for (const { node } of disconnected) await this.#tell(node, "disconnected");
      for (const { node } of connected) await this.#tell(node, "connected");
    });
  }

  mempoolChanged(): void {
    if (this.#isDue || this.#events.readers === 0) return;
    this.#isDue = true;
    this.#clock.after(MEMPOOL_PAUSE, () => {
      this.#isDue = false;
      const { size, bytes } = this.#mempool.info();
      this.#events.emit({ type: "mempool", transactions: size, bytes });
    });
  }

  async #tell(node: HeaderNode, change: "connected" | "disconnected"): Promise<void> {
    // A block that is gone from the disk meanwhile is not worth a word.
    const block = await this.#view.block(node).catch(() => undefined);
    if (block !== undefined) this.#events.emit({ type: "block", block, change });
  }
}
