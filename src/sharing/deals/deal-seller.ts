/** Deals as seller: quoting, signing terms, and receipts for the steps that a buyer has seen proven. */
import { type Clock, unixTime } from "#base/lib/clock.ts";
import type { Mesh, PeerId, RequestContext } from "#sharing/mesh/mesh.ts";
import { accept, type Outcome, refuse } from "#sharing/mesh/protocol.ts";
import type { DealId, KeptReceipt, RailName, Receipt, SellerPolicy, Service, Step, Terms } from "./deal.ts";
import { dealIdOf, priceOf, receiptFields, receiptMessage, stepKey, termsMessage } from "./deal-codec.ts";
import { CLOCK_SKEW, DEAL_PROTOCOL, MAX_TERM } from "./deal-messages.ts";
import type { KeptDeal } from "./deal-store.ts";
import type { KeptDeals } from "./kept-deals.ts";
import type { PaymentRail } from "./payment-rail.ts";

/** What one buyer may have of a seller, at whose cost it is: each deal and each receipt is kept for ever. */
export interface SellerLimits {
  /** Open deals for a service: the one in use and the next, on several devices. */
  readonly openDeals: number;
  /** Deals that begin within an hour, closed ones among them. */
  readonly dealsAnHour: number;
  /** Receipts within an hour, over all its deals: far more than a busy circle needs. */
  readonly receiptsAnHour: number;
}

export const SELLER_LIMITS: SellerLimits = { openDeals: 8, dealsAnHour: 64, receiptsAnHour: 100_000 };

/** What a seller asks beyond prices. */
export interface SellerTerms {
  /** Millisatoshi of unpaid work that it bears. */
  readonly credit?: number;
  readonly epochSeconds?: number;
  readonly auditLeaves?: number;
  /** Whether a step that a buyer wants a receipt for was done here; every step is taken for done where it is left out. */
  readonly checkStep?: (step: Step, from: RequestContext) => Promise<Outcome<null>>;
}

export interface SellerParts {
  readonly mesh: Mesh;
  readonly clock: Clock;
  readonly deals: KeptDeals;
  readonly rails: ReadonlyMap<RailName, PaymentRail>;
  readonly limits: SellerLimits;
}

const HOUR = 3600;

export class DealSeller {
  readonly #parts: SellerParts;
  /** What we ask, by service; a service that is not here is not sold. */
  readonly #policies = new Map<Service, SellerPolicy & SellerTerms>();
  #hour = 0;
  readonly #receiptedThisHour = new Map<PeerId, number>();

  constructor(parts: SellerParts) {
    this.#parts = parts;
  }

  /** Sells a service from now on, or no longer (undefined). */
  sell(service: Service, policy: (SellerPolicy & SellerTerms) | undefined): void {
    if (policy === undefined) this.#policies.delete(service);
    else this.#policies.set(service, policy);
  }

  /** Whether a buyer with these terms may be served now. */
  allows({ terms, earnedMsat, paidMsat }: KeptDeal): Outcome<void> {
    if (terms.rail === "free" && this.#parts.mesh.view(terms.buyer)?.standing !== "friend") {
      return refuse("no-terms", "the rail free is for friends");
    }
    const unpaid = earnedMsat - paidMsat;
    if (unpaid > terms.credit) {
      return refuse("unpaid", `${unpaid} msat are unpaid, the credit is ${terms.credit}`);
    }
    return accept(undefined);
  }

  /** Answers the mesh from now on. */
  serve(): void {
    const { mesh, deals } = this.#parts;
    mesh.serve(DEAL_PROTOCOL, {
      quote: async ({ service }, from) => this.#quote(service, from),
      // One at a time a buyer: what is counted against its limits is kept before the next is looked at.
      propose: ({ terms, signature }, from) =>
        deals.inOrder(from.peer, () => this.#proposed(terms, signature, from)),
      settle: ({ deal, step }, from) => deals.inOrder(deal, () => this.#receipt(deal, step, from)),
      acknowledge: ({ deal, signatures, payment }, from) =>
        deals.inOrder(deal, () => this.#acknowledged(deal, signatures, payment, from)),
      close: ({ deal }, from) =>
        deals.inOrder(deal, async () => {
          if (this.#sold(deal, from) === undefined) return refuse("not-found", "no such deal with you");
          await deals.close(deal);
          return accept({});
        }),
    });
  }

  #quote(service: Service, from: RequestContext) {
    const policy = this.#policies.get(service);
    if (policy === undefined) return refuse("unavailable", `${service} is not offered here`);
    const { epochSeconds, auditLeaves } = policy;
    const terms = {
      ...(epochSeconds === undefined ? {} : { epochSeconds }),
      ...(auditLeaves === undefined ? {} : { auditLeaves }),
    };
    if (from.standing === "friend") return accept({ rail: "free" as const, prices: {}, credit: 0, ...terms });
    const paid = [...this.#parts.rails.keys()].find((name) => name !== "free");
    if (paid === undefined)
      return refuse("not-allowed", "this peer works for friends alone: ask for an invitation");
    return accept({ rail: paid, prices: policy.prices, credit: policy.credit ?? 0, ...terms });
  }

  /** Terms that a buyer signed. They must be what we would quote, and be about the two of us. */
  async #proposed(terms: Terms, signature: Uint8Array, from: RequestContext) {
    const { mesh, deals, rails } = this.#parts;
    const unfit = this.#whyUnfit(terms, from);
    if (unfit !== undefined) return unfit;
    if (!(await mesh.verify(from.peer, termsMessage(terms), signature))) {
      mesh.misbehaved(from.peer, "a false signature under terms");
      return refuse("not-allowed", "the signature does not hold");
    }
    const known = deals.get(dealIdOf(terms));
    if (known !== undefined) return accept({ signature: known.sellerSignature });
    const excess = this.#whyTooMany(from.peer, terms.service);
    if (excess !== undefined) return refuse("limit", excess);
    const payer = { peer: from.peer, account: from.account };
    const funded = await rails.get(terms.rail)!.open(payer, terms.credit);
    if (!funded.ok) return refuse("not-allowed", funded.text);
    const seller = await mesh.sign(termsMessage(terms));
    await deals.add(terms, "seller", { buyer: signature, seller });
    return accept({ signature: seller });
  }

  /** The refusal of terms that are not those of this buyer with us, as we quote them, from now on. */
  #whyUnfit(terms: Terms, from: RequestContext) {
    const { mesh, clock } = this.#parts;
    const quote = this.#quote(terms.service, from);
    if (!quote.ok) return quote;
    if (terms.buyer !== from.peer || terms.buyerAccount !== from.account) {
      return refuse("not-allowed", "the buyer is not the sender");
    }
    if (terms.seller !== mesh.self || terms.sellerAccount !== mesh.account) {
      return refuse("not-allowed", "the seller is not this peer");
    }
    const { rail, prices, credit, epochSeconds, auditLeaves } = quote.value;
    const isAsked =
      terms.rail === rail &&
      terms.credit === credit &&
      terms.epochSeconds === epochSeconds &&
      terms.auditLeaves === auditLeaves &&
      samePrices(terms.prices, prices);
    if (!isAsked)
      return refuse("conflict", "the terms are not those that were quoted; ask for a quote again");
    if (Math.abs(terms.from - unixTime(clock)) > CLOCK_SKEW) {
      return refuse("expired", "the terms do not begin now");
    }
    if (terms.until <= terms.from || terms.until - terms.from > MAX_TERM) {
      return refuse("bad-request", "terms run from one second to thirty days");
    }
    return undefined;
  }

  /** In words, when the buyer has as many deals as it may. */
  #whyTooMany(buyer: PeerId, service: Service): string | undefined {
    const { openDeals, dealsAnHour } = this.#parts.limits;
    const now = unixTime(this.#parts.clock);
    let open = 0;
    let begun = 0;
    for (const { role, state, terms } of this.#parts.deals.all()) {
      if (role !== "seller" || terms.buyer !== buyer) continue;
      if (state === "open" && terms.until > now && terms.service === service) open++;
      if (terms.from > now - HOUR) begun++;
    }
    if (open >= openDeals) return `${openDeals} deals for ${service} are open; close one first`;
    if (begun >= dealsAnHour) return `${dealsAnHour} deals of yours began within the hour`;
    return undefined;
  }

  /** The receipt of a step, signed and on disk; the same step again gets the same one. */
  async #receipt(id: DealId, step: Step, from: RequestContext) {
    const { mesh, clock, deals } = this.#parts;
    const deal = this.#sold(id, from);
    if (deal === undefined) return refuse("not-found", "no such deal with you");
    const key = stepKey(id, step);
    const before = await deals.store.receiptOfStep(key);
    if (before !== undefined) {
      return accept({ receipt: receiptFields(before), signature: before.sellerSignature });
    }
    if (deal.state === "closed") return refuse("expired", "the deal is closed");
    const checked = await this.#policies.get(deal.terms.service)?.checkStep?.(step, from);
    if (checked !== undefined && !checked.ok) return checked;
    const amountMsat = priceOf(deal.terms, step);
    if (!Number.isSafeInteger(deal.earnedMsat + amountMsat)) {
      return refuse("bad-request", "so much money does not exist");
    }
    if (!this.#mayReceipt(from.peer)) return refuse("limit", "too many receipts within the hour; try later");
    const { what, subject, unit, milliUnits, proof } = step;
    const time = unixTime(clock);
    const sequence = deal.receipts;
    const receipt: Receipt = { deal: id, sequence, what, subject, unit, milliUnits, amountMsat, time, proof };
    const signature = await mesh.sign(receiptMessage(receipt));
    const { service } = deal.terms;
    const kept = {
      ...receipt,
      role: "seller",
      peer: from.peer,
      service,
      sellerSignature: signature,
    } as const;
    await deals.addReceipt(deal, kept, key);
    return accept({ receipt, signature });
  }

  /** Each receipt takes room on our disk. */
  #mayReceipt(buyer: PeerId): boolean {
    const hour = Math.floor(unixTime(this.#parts.clock) / HOUR);
    if (this.#hour !== hour) {
      this.#hour = hour;
      this.#receiptedThisHour.clear();
    }
    const count = (this.#receiptedThisHour.get(buyer) ?? 0) + 1;
    this.#receiptedThisHour.set(buyer, count);
    return count <= this.#parts.limits.receiptsAnHour;
  }

  async #acknowledged(
    id: DealId,
    signatures: readonly { readonly sequence: number; readonly signature: Uint8Array }[],
    payment: Uint8Array | undefined,
    from: RequestContext,
  ) {
    const { mesh, deals, rails } = this.#parts;
    const deal = this.#sold(id, from);
    if (deal === undefined) return refuse("not-found", "no such deal with you");
    const signed: KeptReceipt[] = [];
    for (const { sequence, signature } of signatures) {
      const receipt = await deals.store.receipt(id, sequence);
      if (receipt === undefined) return refuse("not-found", `no receipt ${sequence}`);
      if (!(await mesh.verify(from.peer, receiptMessage(receipt), signature))) {
        mesh.misbehaved(from.peer, "a false signature under a receipt");
        return refuse("not-allowed", `the signature under receipt ${sequence} does not hold`);
      }
      if (receipt.buyerSignature === undefined) signed.push({ ...receipt, buyerSignature: signature });
    }
    let { paidMsat } = deal;
    if (payment !== undefined) {
      const payer = { peer: from.peer, account: from.account };
      const received = await rails.get(deal.terms.rail)!.receive(payer, payment);
      if (!received.ok) return refuse("unpaid", received.text);
      paidMsat = Math.max(paidMsat, received.value.receivedMsat);
    }
    // The reply to the same before may have been lost.
    if (signed.length > 0 || paidMsat !== deal.paidMsat) await deals.countersigned(deal, signed, paidMsat);
    return accept({ received: signatures.length });
  }

  #sold(id: DealId, from: RequestContext): KeptDeal | undefined {
    const deal = this.#parts.deals.get(id);
    return deal?.role === "seller" && deal.terms.buyer === from.peer ? deal : undefined;
  }
}

function samePrices(a: Terms["prices"], b: Terms["prices"]): boolean {
  const units = new Set([...Object.keys(a), ...Object.keys(b)]) as Set<keyof Terms["prices"]>;
  return [...units].every((unit) => a[unit] === b[unit]);
}
