/** Deals as buyer: agreeing on terms, seeing steps receipted, and handing over signatures and what pays for them. */
import { type Clock, unixTime } from "#base/lib/clock.ts";
import type { Logger } from "#base/lib/logger.ts";
import type { Random } from "#base/lib/random.ts";
import type { Mesh, PeerId } from "#sharing/mesh/mesh.ts";
import { accept, type Outcome, refuse } from "#sharing/mesh/protocol.ts";
import type { Deal, DealId, KeptReceipt, RailName, Receipt, Service, Step, Terms } from "./deal.ts";
import { priceOf, receiptFields, receiptHash, receiptMessage, stepKey, termsMessage } from "./deal-codec.ts";
import { CLOCK_SKEW, DEAL_PROTOCOL, MAX_ACKNOWLEDGED, MAX_SKIPPED } from "./deal-messages.ts";
import type { KeptDeal } from "./deal-store.ts";
import type { KeptDeals } from "./kept-deals.ts";
import type { PaymentRail } from "./payment-rail.ts";

/** Terms made by us run this long, seconds. */
const TERM = 7 * 86_400;
/** They are renewed when so much of it is left, seconds. */
export const RENEW = TERM / 10;
/** Milliseconds between two tries to hand over signatures that were not taken yet. */
const RETRY = 30_000;

export interface BuyerParts {
  readonly mesh: Mesh;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly deals: KeptDeals;
  readonly rails: ReadonlyMap<RailName, PaymentRail>;
}

export class DealBuyer {
  readonly #parts: BuyerParts;
  readonly #sending = new Map<DealId, Promise<void>>();
  #retry: (() => void) | undefined;
  #closed = false;

  constructor(parts: BuyerParts) {
    this.#parts = parts;
    this.#scheduleRetry();
  }

  /** Makes terms of what the seller asks, where no price is over the highest allowed. */
  async agree(seller: PeerId, service: Service, maxPrices: Terms["prices"]): Promise<Outcome<Deal>> {
    const { mesh, clock, random, rails } = this.#parts;
    const quote = await mesh.call(seller, DEAL_PROTOCOL, DEAL_PROTOCOL.methods.quote, { service });
    if (!quote.ok) return quote;
    const account = mesh.view(seller)?.account;
    if (account === undefined) return refuse("not-allowed", "the seller has shown no account");
    const rail = rails.get(quote.value.rail);
    if (rail === undefined) return refuse("not-allowed", `this node has no rail ${quote.value.rail}`);
    for (const [unit, price] of Object.entries(quote.value.prices)) {
      if (price > (maxPrices[unit as keyof Terms["prices"]] ?? 0)) {
        return refuse("not-allowed", `${price} msat a ${unit} is more than allowed`);
      }
    }
    const funded = await rail.open({ peer: seller, account }, quote.value.credit);
    if (!funded.ok) return refuse("not-allowed", funded.text);
    const now = unixTime(clock);
    const { prices, credit, epochSeconds, auditLeaves } = quote.value;
    return await this.#propose({
      service,
      buyer: mesh.self,
      buyerAccount: mesh.account,
      seller,
      sellerAccount: account,
      rail: rail.name,
      prices,
      credit,
      ...(epochSeconds === undefined ? {} : { epochSeconds }),
      ...(auditLeaves === undefined ? {} : { auditLeaves }),
      from: now,
      until: now + TERM,
      nonce: random.fill(new Uint8Array(16)),
    });
  }

  /** In its turn: has the seller receipt a step whose proof holds, signs the receipt and keeps it. */
  async settle(id: DealId, step: Step): Promise<Outcome<KeptReceipt>> {
    const { mesh, deals } = this.#parts;
    const deal = deals.get(id);
    if (deal === undefined || deal.role !== "buyer") return refuse("not-found", "no deal of ours as buyer");
    const key = stepKey(id, step);
    const before = await deals.store.receiptOfStep(key);
    if (before !== undefined) return accept(before);
    const { seller } = deal.terms;
    const answer = await mesh.call(seller, DEAL_PROTOCOL, DEAL_PROTOCOL.methods.settle, { deal: id, step });
    if (!answer.ok) return answer;
    const receipt = answer.value.receipt as Receipt;
    const wrong = await this.#whyFalse(deal, step, receipt);
    const isSigned = await mesh.verify(seller, receiptMessage(receipt), answer.value.signature);
    if (wrong !== undefined || !isSigned) {
      mesh.misbehaved(seller, `a false receipt: ${wrong ?? "its signature does not hold"}`);
      return refuse("conflict", wrong ?? "the receipt's signature does not hold");
    }
    const kept: KeptReceipt = {
      ...receiptFields(receipt),
      role: "buyer",
      peer: seller,
      service: deal.terms.service,
      sellerSignature: answer.value.signature,
      buyerSignature: await mesh.sign(receiptMessage(receipt)),
    };
    await deals.addReceipt(deal, kept, key);
    this.#sendLater(id);
    return accept(kept);
  }

  /** Hands over what is unsent, and tells the seller that there will be no more. */
  async close(deal: KeptDeal): Promise<void> {
    await this.#send(deal.id);
    const { seller } = deal.terms;
    await this.#parts.mesh.call(seller, DEAL_PROTOCOL, DEAL_PROTOCOL.methods.close, { deal: deal.id });
  }

  /** Sends nothing more; what is on its way is heard out. */
  async stop(): Promise<void> {
    this.#closed = true;
    this.#retry?.();
    await Promise.allSettled([...this.#sending.values()]);
  }

  async #propose(terms: Terms): Promise<Outcome<Deal>> {
    const { mesh, deals } = this.#parts;
    const buyer = await mesh.sign(termsMessage(terms));
    const answer = await mesh.call(terms.seller, DEAL_PROTOCOL, DEAL_PROTOCOL.methods.propose, {
      terms,
      signature: buyer,
    });
    if (!answer.ok) return answer;
    const { signature } = answer.value;
    if (!(await mesh.verify(terms.seller, termsMessage(terms), signature))) {
      mesh.misbehaved(terms.seller, "a false signature under terms");
      return refuse("not-allowed", "the seller's signature does not hold");
    }
    return accept(await deals.add(terms, "buyer", { buyer, seller: signature }));
  }

  /** What in a receipt is not what was asked for. */
  async #whyFalse(deal: KeptDeal, step: Step, receipt: Receipt): Promise<string | undefined> {
    if (receipt.deal !== deal.id) return "another deal";
    // Replies may have been lost in between, but not without end.
    if (receipt.sequence > deal.receipts + MAX_SKIPPED) return `sequence ${receipt.sequence} is far ahead`;
    const used = await this.#parts.deals.store.receipt(deal.id, receipt.sequence);
    if (used !== undefined) return `sequence ${receipt.sequence} is used`;
    for (const field of ["what", "subject", "unit", "milliUnits", "proof"] as const) {
      if (receipt[field] !== step[field]) return `${field} differs`;
    }
    if (receipt.amountMsat !== priceOf(deal.terms, step)) return "its amount is not the agreed price";
    // It may be old: made before, and lost on the way.
    const latest = unixTime(this.#parts.clock) + CLOCK_SKEW;
    if (receipt.time > latest || receipt.time < deal.terms.from - CLOCK_SKEW) return "its time is off";
    return undefined;
  }

  /** Hands over what is unsent, beside what the caller does. */
  #sendLater(id: DealId): void {
    this.#send(id).catch((error: Error) => {
      if (!this.#closed) this.#parts.log.error(`deals: signatures of ${id} stay here: ${error.message}`);
    });
  }

  /** Hands over our signatures and pays, until the seller has all. A failure is tried again later. */
  #send(id: DealId): Promise<void> {
    const running = this.#sending.get(id);
    if (running !== undefined || this.#closed) return running ?? Promise.resolve();
    const sending = this.#sendAll(id).finally(() => this.#sending.delete(id));
    this.#sending.set(id, sending);
    return sending;
  }

  async #sendAll(id: DealId): Promise<void> {
    for (;;) {
      const receipts = await this.#parts.deals.store.unsent(id, MAX_ACKNOWLEDGED);
      if (receipts.length === 0 || !(await this.#sendSome(id, receipts))) return;
    }
  }

  async #sendSome(id: DealId, receipts: readonly KeptReceipt[]): Promise<boolean> {
    const { mesh, deals } = this.#parts;
    const deal = deals.get(id)!;
    const { payment, paidMsat } = await this.#pay(deal, receipts.at(-1)!);
    const answer = await mesh.call(deal.terms.seller, DEAL_PROTOCOL, DEAL_PROTOCOL.methods.acknowledge, {
      deal: id,
      signatures: receipts.map(({ sequence, buyerSignature }) => ({ sequence, signature: buyerSignature! })),
      ...(payment === undefined ? {} : { payment }),
    });
    if (!answer.ok || this.#closed) return false;
    await deals.inOrder(id, () => deals.sent(deals.get(id)!, receipts, paidMsat));
    return true;
  }

  /** Pays what is receipted and unpaid, in the name of the last receipt. */
  async #pay(deal: KeptDeal, last: KeptReceipt): Promise<{ payment?: Uint8Array; paidMsat: number }> {
    const { rail, seller, sellerAccount } = deal.terms;
    const { earnedMsat, paidMsat } = deal;
    if (earnedMsat <= paidMsat) return { paidMsat };
    const payee = { peer: seller, account: sellerAccount };
    const paid = await this.#parts.rails.get(rail)!.pay(payee, earnedMsat, receiptHash(last));
    if (paid.ok) return { payment: paid.value.proof, paidMsat: paid.value.paidMsat };
    this.#parts.log.warn(`deals: ${earnedMsat - paidMsat} msat stay unpaid: ${paid.text}`);
    return { paidMsat };
  }

  #scheduleRetry(): void {
    const { clock, deals, mesh } = this.#parts;
    this.#retry = clock.after(RETRY, () => {
      if (this.#closed) return;
      for (const deal of deals.all()) {
        const isThere = mesh.view(deal.terms.seller)?.connected === true;
        if (deal.role === "buyer" && isThere) this.#sendLater(deal.id);
      }
      this.#scheduleRetry();
    });
  }
}
