import type { Clock } from "#base/lib/clock.ts";
import { unixTime } from "#base/lib/clock.ts";
import { Signal } from "#base/lib/events.ts";
import type { Logger } from "#base/lib/logger.ts";
import type { Random } from "#base/lib/random.ts";
import type { Disk } from "#base/store/disk.ts";
import type { Mesh, PeerId, RequestContext } from "#sharing/mesh/mesh.ts";
import { accept, type Outcome, refuse } from "#sharing/mesh/protocol.ts";
import type {
  Deal,
  DealId,
  Deals,
  KeptReceipt,
  RailName,
  Receipt,
  ReceiptQuery,
  SellerPolicy,
  Service,
  Step,
  Terms,
} from "./deal.ts";
import {
  dealIdOf,
  priceOf,
  receiptFields,
  receiptHash,
  receiptMessage,
  stepKey,
  termsMessage,
} from "./deal-codec.ts";
import { DEAL_PROTOCOL, MAX_ACKNOWLEDGED, MAX_TERM } from "./deal-messages.ts";
import { DealStore, type KeptDeal } from "./deal-store.ts";
import type { PaymentRail } from "./payment-rail.ts";

/** Terms made by us run this long, seconds, and are renewed in the last tenth of it. */
const TERM = 7 * 86_400;
const RENEW = TERM / 10;
/** How far the other side's clock may be off, seconds. */
const CLOCK_SKEW = 600;
/** Open deals that one buyer may have for a service: the one in use and the next, on several devices. */
const MAX_OPEN = 8;
/** Deals of one buyer that begin within an hour, closed ones among them: each is kept for ever. */
const MAX_AN_HOUR = 64;
/** Receipts of a deal that the buyer may never have heard of. */
const MAX_SKIPPED = 10_000;
/** Receipts that a buyer gets within an hour, over its deals: far more than a busy circle needs. */
const MAX_RECEIPTS_AN_HOUR = 100_000;
/** Milliseconds between two tries to hand over signatures that were not taken yet. */
const RETRY = 30_000;

export interface DealBookParts {
  readonly mesh: Mesh;
  readonly disk: Disk;
  /** Folder of the database. */
  readonly folder: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly rails: readonly PaymentRail[];
}

/** The deals and receipts of this node, towards every peer. */
export class DealBook implements Deals {
  /** A receipt was kept, or got its second signature. */
  readonly receipted = new Signal<KeptReceipt>();
  readonly #parts: DealBookParts;
  readonly #store: DealStore;
  readonly #rails: ReadonlyMap<RailName, PaymentRail>;
  readonly #deals = new Map<DealId, KeptDeal>();
  /** As seller: what we ask, by service; a service that is not here is not sold. */
  readonly #policies = new Map<Service, SellerPolicy & SellerTerms>();
  /** As buyer: terms being agreed, so that two askers share one agreement. */
  readonly #opening = new Map<string, Promise<Outcome<Deal>>>();
  /** One at a time a deal: sequences have no gaps. */
  readonly #queues = new Map<DealId | PeerId, Promise<unknown>>();
  readonly #sending = new Map<DealId, Promise<void>>();
  #hour = 0;
  readonly #receiptedThisHour = new Map<PeerId, number>();
  #retry: (() => void) | undefined;
  #closed = false;

  private constructor(parts: DealBookParts, store: DealStore) {
    this.#parts = parts;
    this.#store = store;
    this.#rails = new Map(parts.rails.map((rail) => [rail.name, rail]));
  }

  static async open(parts: DealBookParts): Promise<DealBook> {
    const store = await DealStore.open(await parts.disk.openStore(parts.folder));
    const book = new DealBook(parts, store);
    for (const deal of await store.deals()) book.#deals.set(deal.id, deal);
    book.#serve();
    book.#scheduleRetry();
    return book;
  }

  /** Sells a service from now on, or no longer (undefined). */
  sell(service: Service, policy: (SellerPolicy & SellerTerms) | undefined): void {
    if (policy === undefined) this.#policies.delete(service);
    else this.#policies.set(service, policy);
  }

  open(seller: PeerId, service: Service, maxPrices: Terms["prices"] = {}): Promise<Outcome<Deal>> {
    const standing = this.#usable("buyer", seller, service);
    if (standing !== undefined) return Promise.resolve(accept(standing));
    const key = `${seller} ${service}`;
    const running = this.#opening.get(key);
    if (running !== undefined) return running;
    const opening = this.#agree(seller, service, maxPrices).finally(() => this.#opening.delete(key));
    this.#opening.set(key, opening);
    return opening;
  }

  require(buyer: PeerId, service: Service): Outcome<Deal> {
    const deal = this.#usable("seller", buyer, service);
    if (deal === undefined) return refuse("no-terms", `no open terms for ${service}`);
    const { rail, credit } = deal.terms;
    if (rail === "free" && this.#parts.mesh.view(buyer)?.standing !== "friend") {
      return refuse("no-terms", "the rail free is for friends");
    }
    if (deal.earnedMsat - deal.paidMsat > credit) {
      return refuse("unpaid", `${deal.earnedMsat - deal.paidMsat} msat are unpaid, the credit is ${credit}`);
    }
    return accept(deal);
  }

  settle(deal: Deal, step: Step): Promise<Outcome<KeptReceipt>> {
    return this.#inOrder(deal.id, () => this.#settle(deal.id, step));
  }

  async close(deal: Deal): Promise<void> {
    const known = this.#deals.get(deal.id);
    if (known === undefined || known.state === "closed") return;
    if (known.role === "buyer") {
      await this.#send(deal.id);
      await this.#parts.mesh.call(known.terms.seller, DEAL_PROTOCOL, DEAL_PROTOCOL.methods.close, {
        deal: deal.id,
      });
    }
    await this.#inOrder(deal.id, () => this.#close(deal.id));
  }

  list(): readonly Deal[] {
    return [...this.#deals.values()];
  }

  receipts(query: ReceiptQuery = {}): Promise<readonly KeptReceipt[]> {
    return this.#store.list(query);
  }

  async totals(): ReturnType<Deals["totals"]> {
    const sums = new Map<
      string,
      { service: Service; role: "buyer" | "seller"; receipts: number; msat: number }
    >();
    for (const { terms, role, receipts, earnedMsat } of this.#deals.values()) {
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
    this.#closed = true;
    this.#retry?.();
    await Promise.allSettled([...this.#queues.values(), ...this.#sending.values()]);
    await this.#store.close();
  }

  /** The deal to use with a peer: the one that runs longest, with time left. */
  #usable(role: Deal["role"], other: PeerId, service: Service): KeptDeal | undefined {
    const now = unixTime(this.#parts.clock);
    let best: KeptDeal | undefined;
    for (const deal of this.#deals.values()) {
      const { terms } = deal;
      if (deal.role !== role || deal.state !== "open" || terms.service !== service) continue;
      if ((role === "buyer" ? terms.seller : terms.buyer) !== other) continue;
      // A buyer renews in time; a seller serves to the last second.
      if (terms.until <= now + (role === "buyer" ? RENEW : 0)) continue;
      if (best === undefined || terms.until > best.terms.until) best = deal;
    }
    return best;
  }

  async #agree(seller: PeerId, service: Service, maxPrices: Terms["prices"]): Promise<Outcome<Deal>> {
    const { mesh, clock, random } = this.#parts;
    const { methods } = DEAL_PROTOCOL;
    const quote = await mesh.call(seller, DEAL_PROTOCOL, methods.quote, { service });
    if (!quote.ok) return quote;
    const account = mesh.view(seller)?.account;
    if (account === undefined) return refuse("not-allowed", "the seller has shown no account");
    const rail = this.#rails.get(quote.value.rail);
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
    const terms: Terms = {
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
    };
    const buyerSignature = await mesh.sign(termsMessage(terms));
    const answer = await mesh.call(seller, DEAL_PROTOCOL, methods.propose, {
      terms,
      signature: buyerSignature,
    });
    if (!answer.ok) return answer;
    const sellerSignature = answer.value.signature;
    if (!(await mesh.verify(seller, termsMessage(terms), sellerSignature))) {
      mesh.misbehaved(seller, "a false signature under terms");
      return refuse("not-allowed", "the seller's signature does not hold");
    }
    return accept(await this.#keep(newDeal(terms, "buyer", buyerSignature, sellerSignature)));
  }

  async #settle(id: DealId, step: Step): Promise<Outcome<KeptReceipt>> {
    const { mesh } = this.#parts;
    const deal = this.#deals.get(id);
    if (deal === undefined || deal.role !== "buyer") return refuse("not-found", "no deal of ours as buyer");
    const key = stepKey(id, step);
    const before = await this.#store.receiptOfStep(key);
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
    await this.#addReceipt(deal, kept, key);
    this.#sendLater(id);
    return accept(kept);
  }

  /** As buyer: what in a receipt is not what was asked for. */
  async #whyFalse(deal: KeptDeal, step: Step, receipt: Receipt): Promise<string | undefined> {
    if (receipt.deal !== deal.id) return "another deal";
    // Replies may have been lost in between, but not without end.
    if (receipt.sequence > deal.receipts + MAX_SKIPPED) return `sequence ${receipt.sequence} is far ahead`;
    const used = await this.#store.receipt(deal.id, receipt.sequence);
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

  /** As buyer: hands over our signatures and pays, until the seller has all. A failure is tried again later. */
  #send(id: DealId): Promise<void> {
    const running = this.#sending.get(id);
    if (running !== undefined || this.#closed) return running ?? Promise.resolve();
    const sending = this.#sendAll(id).finally(() => this.#sending.delete(id));
    this.#sending.set(id, sending);
    return sending;
  }

  async #sendAll(id: DealId): Promise<void> {
    for (;;) {
      const receipts = await this.#store.unsent(id, MAX_ACKNOWLEDGED);
      if (receipts.length === 0 || !(await this.#sendSome(id, receipts))) return;
    }
  }

  async #sendSome(id: DealId, receipts: readonly KeptReceipt[]): Promise<boolean> {
    const { mesh, log } = this.#parts;
    const deal = this.#deals.get(id)!;
    const { seller, sellerAccount, rail } = deal.terms;
    let payment: Uint8Array | undefined;
    let paidMsat = deal.paidMsat;
    if (deal.earnedMsat > deal.paidMsat) {
      const reference = receiptHash(receipts[receipts.length - 1]!);
      const paid = await this.#rails
        .get(rail)!
        .pay({ peer: seller, account: sellerAccount }, deal.earnedMsat, reference);
      if (paid.ok) {
        payment = paid.value.proof;
        paidMsat = paid.value.paidMsat;
      } else log.warn(`deals: ${deal.earnedMsat - deal.paidMsat} msat stay unpaid: ${paid.text}`);
    }
    const answer = await mesh.call(seller, DEAL_PROTOCOL, DEAL_PROTOCOL.methods.acknowledge, {
      deal: id,
      signatures: receipts.map(({ sequence, buyerSignature }) => ({ sequence, signature: buyerSignature! })),
      ...(payment === undefined ? {} : { payment }),
    });
    if (!answer.ok || this.#closed) return false;
    await this.#inOrder(id, async () => {
      const current = { ...this.#deals.get(id)!, paidMsat };
      await this.#store.sent(current, receipts);
      this.#deals.set(id, current);
    });
    return true;
  }

  #scheduleRetry(): void {
    this.#retry = this.#parts.clock.after(RETRY, () => {
      if (this.#closed) return;
      for (const deal of this.#deals.values()) {
        const isThere = this.#parts.mesh.view(deal.terms.seller)?.connected === true;
        if (deal.role === "buyer" && isThere) this.#sendLater(deal.id);
      }
      this.#scheduleRetry();
    });
  }

  #serve(): void {
    const { mesh } = this.#parts;
    mesh.serve(DEAL_PROTOCOL, {
      quote: async ({ service }, from) => this.#quote(service, from),
      // One at a time a buyer: what is counted against its limits is kept before the next is looked at.
      propose: ({ terms, signature }, from) =>
        this.#inOrder(from.peer, () => this.#proposed(terms, signature, from)),
      settle: ({ deal, step }, from) => this.#inOrder(deal, () => this.#receipt(deal, step, from)),
      acknowledge: ({ deal, signatures, payment }, from) =>
        this.#inOrder(deal, () => this.#acknowledged(deal, signatures, payment, from)),
      close: ({ deal }, from) =>
        this.#inOrder(deal, async () => {
          const known = this.#sold(deal, from);
          if (known === undefined) return refuse("not-found", "no such deal with you");
          await this.#close(deal);
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
    const paid = [...this.#rails.keys()].find((name) => name !== "free");
    if (paid === undefined)
      return refuse("not-allowed", "this peer works for friends alone: ask for an invitation");
    return accept({ rail: paid, prices: policy.prices, credit: policy.credit ?? 0, ...terms });
  }

  /** As seller: terms that a buyer signed. They must be what we would quote, and be about the two of us. */
  async #proposed(terms: Terms, signature: Uint8Array, from: RequestContext) {
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
    const now = unixTime(clock);
    if (Math.abs(terms.from - now) > CLOCK_SKEW) return refuse("expired", "the terms do not begin now");
    if (terms.until <= terms.from || terms.until - terms.from > MAX_TERM) {
      return refuse("bad-request", "terms run from one second to thirty days");
    }
    if (!(await mesh.verify(from.peer, termsMessage(terms), signature))) {
      mesh.misbehaved(from.peer, "a false signature under terms");
      return refuse("not-allowed", "the signature does not hold");
    }
    const id = dealIdOf(terms);
    const known = this.#deals.get(id);
    if (known !== undefined) return accept({ signature: known.sellerSignature });
    if (this.#openWith(from.peer, terms.service, now) >= MAX_OPEN) {
      return refuse("limit", `${MAX_OPEN} deals for ${terms.service} are open; close one first`);
    }
    if (this.#begunSince(from.peer, now - 3600) >= MAX_AN_HOUR) {
      return refuse("limit", `${MAX_AN_HOUR} deals of yours began within the hour`);
    }
    const funded = await this.#rails.get(rail)!.open({ peer: from.peer, account: from.account }, credit);
    if (!funded.ok) return refuse("not-allowed", funded.text);
    const own = await mesh.sign(termsMessage(terms));
    await this.#keep(newDeal(terms, "seller", signature, own));
    return accept({ signature: own });
  }

  /** Each receipt takes room on our disk. */
  #mayReceipt(buyer: PeerId): boolean {
    const hour = Math.floor(this.#parts.clock.now() / 3_600_000);
    if (this.#hour !== hour) {
      this.#hour = hour;
      this.#receiptedThisHour.clear();
    }
    const count = (this.#receiptedThisHour.get(buyer) ?? 0) + 1;
    this.#receiptedThisHour.set(buyer, count);
    return count <= MAX_RECEIPTS_AN_HOUR;
  }

  #openWith(buyer: PeerId, service: Service, now: number): number {
    let open = 0;
    for (const { role, state, terms } of this.#deals.values()) {
      const isLive = role === "seller" && state === "open" && terms.until > now;
      if (isLive && terms.buyer === buyer && terms.service === service) open++;
    }
    return open;
  }

  #begunSince(buyer: PeerId, time: number): number {
    let begun = 0;
    for (const { role, terms } of this.#deals.values()) {
      if (role === "seller" && terms.buyer === buyer && terms.from > time) begun++;
    }
    return begun;
  }

  /** As seller: the receipt of a step, signed and on disk; the same step again gets the same one. */
  async #receipt(id: DealId, step: Step, from: RequestContext) {
    const deal = this.#sold(id, from);
    if (deal === undefined) return refuse("not-found", "no such deal with you");
    const key = stepKey(id, step);
    const before = await this.#store.receiptOfStep(key);
    if (before !== undefined) {
      return accept({ receipt: receiptFields(before), signature: before.sellerSignature });
    }
    if (deal.state === "closed") return refuse("expired", "the deal is closed");
    const checked = await this.#policies.get(deal.terms.service)?.checkStep?.(step, from);
    if (checked !== undefined && !checked.ok) return checked;
    if (!this.#mayReceipt(from.peer)) return refuse("limit", "too many receipts within the hour; try later");
    const receipt: Receipt = {
      deal: id,
      sequence: deal.receipts,
      what: step.what,
      subject: step.subject,
      unit: step.unit,
      milliUnits: step.milliUnits,
      amountMsat: priceOf(deal.terms, step),
      time: unixTime(this.#parts.clock),
      proof: step.proof,
    };
    const signature = await this.#parts.mesh.sign(receiptMessage(receipt));
    await this.#addReceipt(
      deal,
      {
        ...receipt,
        role: "seller",
        peer: from.peer,
        service: deal.terms.service,
        sellerSignature: signature,
      },
      key,
    );
    return accept({ receipt, signature });
  }

  async #acknowledged(
    id: DealId,
    signatures: readonly { readonly sequence: number; readonly signature: Uint8Array }[],
    payment: Uint8Array | undefined,
    from: RequestContext,
  ) {
    const { mesh } = this.#parts;
    const deal = this.#sold(id, from);
    if (deal === undefined) return refuse("not-found", "no such deal with you");
    const signed: KeptReceipt[] = [];
    for (const { sequence, signature } of signatures) {
      const receipt = await this.#store.receipt(id, sequence);
      if (receipt === undefined) return refuse("not-found", `no receipt ${sequence}`);
      if (!(await mesh.verify(from.peer, receiptMessage(receipt), signature))) {
        mesh.misbehaved(from.peer, "a false signature under a receipt");
        return refuse("not-allowed", `the signature under receipt ${sequence} does not hold`);
      }
      if (receipt.buyerSignature === undefined) signed.push({ ...receipt, buyerSignature: signature });
    }
    let { paidMsat } = deal;
    if (payment !== undefined) {
      const received = await this.#rails
        .get(deal.terms.rail)!
        .receive({ peer: from.peer, account: from.account }, payment);
      if (!received.ok) return refuse("unpaid", received.text);
      paidMsat = Math.max(paidMsat, received.value.receivedMsat);
    }
    // The reply to the same before may have been lost.
    if (signed.length > 0 || paidMsat !== deal.paidMsat) {
      const changed = { ...deal, paidMsat };
      await this.#store.updateReceipts(changed, signed);
      this.#deals.set(id, changed);
      for (const receipt of signed) await this.receipted.emit(receipt);
    }
    return accept({ received: signatures.length });
  }

  #sold(id: DealId, from: RequestContext): KeptDeal | undefined {
    const deal = this.#deals.get(id);
    return deal?.role === "seller" && deal.terms.buyer === from.peer ? deal : undefined;
  }

  async #addReceipt(deal: KeptDeal, receipt: KeptReceipt, step: Uint8Array): Promise<void> {
    const changed: KeptDeal = {
      ...deal,
      receipts: Math.max(deal.receipts, receipt.sequence + 1),
      earnedMsat: deal.earnedMsat + receipt.amountMsat,
    };
    // Memory follows the disk: a write that failed has changed nothing.
    await this.#store.addReceipt(changed, receipt, step);
    this.#deals.set(deal.id, changed);
    await this.receipted.emit(receipt);
  }

  async #keep(deal: KeptDeal): Promise<KeptDeal> {
    await this.#store.putDeal(deal);
    this.#deals.set(deal.id, deal);
    return deal;
  }

  /** In its turn: closes what is not closed yet. */
  async #close(id: DealId): Promise<void> {
    const deal = this.#deals.get(id)!;
    if (deal.state !== "closed") await this.#keep({ ...deal, state: "closed" });
  }

  #inOrder<T>(id: DealId | PeerId, action: () => Promise<T>): Promise<T> {
    const before = this.#queues.get(id) ?? Promise.resolve();
    const next = before.then(action, action);
    this.#queues.set(id, next);
    const forget = () => {
      if (this.#queues.get(id) === next) this.#queues.delete(id);
    };
    next.then(forget, forget);
    return next;
  }
}

/** What a seller asks beyond prices. */
export interface SellerTerms {
  /** Millisatoshi of unpaid work that it bears. */
  readonly credit?: number;
  readonly epochSeconds?: number;
  readonly auditLeaves?: number;
  /** Whether a step that a buyer wants a receipt for was done here; every step is taken for done where it is left out. */
  readonly checkStep?: (step: Step, from: RequestContext) => Promise<Outcome<null>>;
}

function newDeal(
  terms: Terms,
  role: Deal["role"],
  buyerSignature: Uint8Array,
  sellerSignature: Uint8Array,
): KeptDeal {
  return {
    id: dealIdOf(terms),
    terms,
    role,
    state: "open",
    buyerSignature,
    sellerSignature,
    receipts: 0,
    earnedMsat: 0,
    paidMsat: 0,
  };
}

function samePrices(a: Terms["prices"], b: Terms["prices"]): boolean {
  const units = new Set([...Object.keys(a), ...Object.keys(b)]) as Set<keyof Terms["prices"]>;
  return [...units].every((unit) => a[unit] === b[unit]);
}
