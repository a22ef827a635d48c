import { Signal } from "#base/lib/events.ts";
import type { PeerId } from "#sharing/mesh/mesh.ts";
import type { Deal, DealId, KeptReceipt, Terms } from "./deal.ts";
import { dealIdOf } from "./deal-codec.ts";
import type { DealStore, KeptDeal } from "./deal-store.ts";

/** The deals of this node in memory, as they are on its disk, and the order in which they change. */
export class KeptDeals {
  /** A receipt was kept, or got its second signature. */
  readonly receipted = new Signal<KeptReceipt>();
  readonly store: DealStore;
  readonly #deals = new Map<DealId, KeptDeal>();
  /** One at a time a deal: sequences have no gaps. */
  readonly #queues = new Map<DealId | PeerId, Promise<unknown>>();

  private constructor(store: DealStore) {
    this.store = store;
  }

  static async open(store: DealStore): Promise<KeptDeals> {
    const kept = new KeptDeals(store);
    for (const deal of await store.deals()) kept.#deals.set(deal.id, deal);
    return kept;
  }

  get(id: DealId): KeptDeal | undefined {
    return this.#deals.get(id);
  }

  all(): Iterable<KeptDeal> {
    return this.#deals.values();
  }

  /** Runs after what was asked for before of the same deal, or of the same peer that has none yet. */
  inOrder<T>(id: DealId | PeerId, action: () => Promise<T>): Promise<T> {
    const before = this.#queues.get(id) ?? Promise.resolve();
    const next = before.then(action, action);
    this.#queues.set(id, next);
    const forget = () => {
      if (this.#queues.get(id) === next) this.#queues.delete(id);
    };
    next.then(forget, forget);
    return next;
  }

  /** New terms with both signatures. */
  async add(
    terms: Terms,
    role: Deal["role"],
    signatures: { readonly buyer: Uint8Array; readonly seller: Uint8Array },
  ): Promise<KeptDeal> {
    const deal: KeptDeal = {
      id: dealIdOf(terms),
      terms,
      role,
      state: "open",
      buyerSignature: signatures.buyer,
      sellerSignature: signatures.seller,
      receipts: 0,
      earnedMsat: 0,
      paidMsat: 0,
    };
    return await this.#changed(deal, this.store.putDeal(deal));
  }

  /** In its turn: closes what is not closed yet. */
  async close(id: DealId): Promise<void> {
    const deal = this.#deals.get(id)!;
    if (deal.state === "closed") return;
    const closed: KeptDeal = { ...deal, state: "closed" };
    await this.#changed(closed, this.store.putDeal(closed));
  }

  async addReceipt(deal: KeptDeal, receipt: KeptReceipt, step: Uint8Array): Promise<void> {
    const changed: KeptDeal = {
      ...deal,
      receipts: Math.max(deal.receipts, receipt.sequence + 1),
      earnedMsat: deal.earnedMsat + receipt.amountMsat,
    };
    await this.#changed(changed, this.store.addReceipt(changed, receipt, step));
    await this.receipted.emit(receipt);
  }

  /** As seller: receipts that the buyer has signed, and what it has paid in all. */
  async countersigned(deal: KeptDeal, receipts: readonly KeptReceipt[], paidMsat: number): Promise<void> {
    const changed = { ...deal, paidMsat };
    await this.#changed(changed, this.store.updateReceipts(changed, receipts));
    for (const receipt of receipts) await this.receipted.emit(receipt);
  }

  /** As buyer: the seller has our signatures under these, and what we have paid in all. */
  async sent(deal: KeptDeal, receipts: readonly KeptReceipt[], paidMsat: number): Promise<void> {
    const changed = { ...deal, paidMsat };
    await this.#changed(changed, this.store.sent(changed, receipts));
  }

  /** What is being written is written first. */
  async settled(): Promise<void> {
    await Promise.allSettled([...this.#queues.values()]);
  }

  /** Memory follows the disk: a write that failed has changed nothing. */
  async #changed(deal: KeptDeal, written: Promise<void>): Promise<KeptDeal> {
    await written;
    this.#deals.set(deal.id, deal);
    return deal;
  }
}
