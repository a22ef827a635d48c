import { type Clock, unixTime } from "#base/lib/clock.ts";
import type { Signal } from "#base/lib/events.ts";
import type { Logger } from "#base/lib/logger.ts";
import type { Random } from "#base/lib/random.ts";
import type { Disk } from "#base/store/disk.ts";
import type { Mesh, PeerId } from "#sharing/mesh/mesh.ts";
import { accept, type Outcome, refuse } from "#sharing/mesh/protocol.ts";
import type { Deal, Deals, KeptReceipt, ReceiptQuery, SellerPolicy, Service, Step, Terms } from "./deal.ts";
import { DealBuyer, RENEW } from "./deal-buyer.ts";
import { DealSeller, SELLER_LIMITS, type SellerLimits, type SellerTerms } from "./deal-seller.ts";
import { DealStore, type KeptDeal } from "./deal-store.ts";
import { KeptDeals } from "./kept-deals.ts";
import type { PaymentRail } from "./payment-rail.ts";

export interface DealBookParts {
  readonly mesh: Mesh;
  readonly disk: Disk;
  /** Folder of the database. */
  readonly folder: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly rails: readonly PaymentRail[];
  /** {@link SELLER_LIMITS} unless told. */
  readonly limits?: Partial<SellerLimits>;
}

/** The deals and receipts of this node, towards every peer. */
export class DealBook implements Deals {
  readonly #clock: Clock;
  readonly #deals: KeptDeals;
  readonly #buyer: DealBuyer;
  readonly #seller: DealSeller;
  /** As buyer: terms being agreed, so that two askers share one agreement. */
  readonly #opening = new Map<string, Promise<Outcome<Deal>>>();

  private constructor({ mesh, clock, random, log, rails, limits }: DealBookParts, deals: KeptDeals) {
    this.#clock = clock;
    this.#deals = deals;
    const byName = new Map(rails.map((rail) => [rail.name, rail]));
    this.#buyer = new DealBuyer({ mesh, clock, random, log, deals, rails: byName });
    this.#seller = new DealSeller({
      mesh,
      clock,
      deals,
      rails: byName,
      limits: { ...SELLER_LIMITS, ...limits },
    });
  }

  static async open(parts: DealBookParts): Promise<DealBook> {
    const store = await DealStore.open(await parts.disk.openStore(parts.folder));
    const book = new DealBook(parts, await KeptDeals.open(store));
    book.#seller.serve();
    return book;
  }

  /** A receipt was kept, or got its second signature. */
  get receipted(): Signal<KeptReceipt> {
    return this.#deals.receipted;
  }

  /** Sells a service from now on, or no longer (undefined). */
  sell(service: Service, policy: (SellerPolicy & SellerTerms) | undefined): void {
    this.#seller.sell(service, policy);
  }

  open(seller: PeerId, service: Service, maxPrices: Terms["prices"] = {}): Promise<Outcome<Deal>> {
    const standing = this.#usable("buyer", seller, service);
    if (standing !== undefined) return Promise.resolve(accept(standing));
    const key = `${seller} ${service}`;
    const running = this.#opening.get(key);
    if (running !== undefined) return running;
    const opening = this.#buyer.agree(seller, service, maxPrices).finally(() => this.#opening.delete(key));
    this.#opening.set(key, opening);
    return opening;
  }

  require(buyer: PeerId, service: Service): Outcome<Deal> {
    const deal = this.#usable("seller", buyer, service);
    if (deal === undefined) return refuse("no-terms", `no open terms for ${service}`);
    const allowed = this.#seller.allows(deal);
    return allowed.ok ? accept(deal) : allowed;
  }

  settle(deal: Deal, step: Step): Promise<Outcome<KeptReceipt>> {
    return this.#deals.inOrder(deal.id, () => this.#buyer.settle(deal.id, step));
  }

  async close(deal: Deal): Promise<void> {
    const known = this.#deals.get(deal.id);
    if (known === undefined || known.state === "closed") return;
    if (known.role === "buyer") await this.#buyer.close(known);
    await this.#deals.inOrder(deal.id, () => this.#deals.close(deal.id));
  }

  list(): readonly Deal[] {
    return [...this.#deals.all()];
  }

  receipts(query: ReceiptQuery = {}): Promise<readonly KeptReceipt[]> {
    return this.#deals.store.list(query);
  }

  async totals(): ReturnType<Deals["totals"]> {
    const sums = new Map<
      string,
      { service: Service; role: "buyer" | "seller"; receipts: number; msat: number }
    >();
    for (const { terms, role, receipts, earnedMsat } of this.#deals.all()) {
      const key = `${terms.service} ${role}`;
      const sum = sums.get(key) ?? { service: terms.service, role, receipts: 0, msat: 0 };
      sum.receipts += receipts;
      sum.msat += earnedMsat;
      sums.set(key, sum);
    }
    return [...sums.values()];
  }

  /** Ends: what is being written is written first. */
  async stop(): Promise<void> {
    await this.#buyer.stop();
    await this.#deals.settled();
    await this.#deals.store.close();
  }

  /** The deal to use with a peer: the one that runs longest, with time left. */
  #usable(role: Deal["role"], other: PeerId, service: Service): KeptDeal | undefined {
    const now = unixTime(this.#clock);
    let best: KeptDeal | undefined;
    for (const deal of this.#deals.all()) {
      const { terms } = deal;
      if (deal.role !== role || deal.state !== "open" || terms.service !== service) continue;
      if ((role === "buyer" ? terms.seller : terms.buyer) !== other) continue;
      // A buyer renews in time; a seller serves to the last second.
      if (terms.until <= now + (role === "buyer" ? RENEW : 0)) continue;
      if (best === undefined || terms.until > best.terms.until) best = deal;
    }
    return best;
  }
}
