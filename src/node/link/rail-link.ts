/** `PaymentRail` across the link: the sharing process asks, the ledger's process pays within its budget, or not. */
import { z } from "zod";
import type { RailName } from "#sharing/deals/deal.ts";
import type { PaymentRail, RailOutcome, RailPeer } from "#sharing/deals/payment-rail.ts";
import type { Link } from "../link.ts";
import { type ServedMethods, served } from "./served-calls.ts";

/** Millisatoshi: no more than all the bitcoin there can be. */
const msat = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const railName = z.enum(["free", "channel", "lightning"]);
const railPeer: z.ZodType<RailPeer> = z.strictObject({
  peer: z.string().regex(/^[A-Za-z0-9]{1,128}$/),
  account: z.string().regex(/^[0-9a-f]{64}$/),
});
const proof = z.instanceof(Uint8Array).refine((bytes) => bytes.length <= 4096);
const reference = z.string().regex(/^[0-9a-f]{64}$/);
const refused = z.strictObject({
  ok: z.literal(false),
  reason: z.enum(["not-allowed", "over-budget", "no-funds", "not-open", "bad-proof", "unavailable"]),
  text: z.string(),
});

function outcomeOf<T>(value: z.ZodType<T>): z.ZodType<RailOutcome<T>> {
  return z.union([z.strictObject({ ok: z.literal(true), value }), refused]);
}

/** The methods by which the sharing process reaches the rails of this side, by their names. */
export function serveRails(rails: ReadonlyMap<RailName, PaymentRail>): ServedMethods {
  const on = async <T>(
    name: RailName,
    use: (rail: PaymentRail) => Promise<RailOutcome<T>>,
  ): Promise<RailOutcome<T>> => {
    const rail = rails.get(name);
    if (rail === undefined)
      return { ok: false, reason: "not-allowed", text: `the rail ${name} is not allowed` };
    return use(rail);
  };
  const target = { rail: railName, peer: railPeer };
  return {
    "rail.open": served(z.strictObject({ ...target, limitMsat: msat }), ({ rail, peer, limitMsat }) =>
      on(rail, (it) => it.open(peer, limitMsat)),
    ),
    "rail.pay": served(z.strictObject({ ...target, totalMsat: msat, reference }), (asked) =>
      on(asked.rail, (it) => it.pay(asked.peer, asked.totalMsat, asked.reference)),
    ),
    "rail.receive": served(z.strictObject({ ...target, proof }), (asked) =>
      on(asked.rail, (it) => it.receive(asked.peer, asked.proof)),
    ),
    "rail.close": served(z.strictObject(target), ({ rail, peer }) => on(rail, (it) => it.close(peer))),
  };
}

/** A rail of the ledger's process, as the sharing process has it. */
export class LinkedRail implements PaymentRail {
  readonly name: RailName;
  readonly #link: Link;

  constructor(link: Link, name: RailName) {
    this.#link = link;
    this.name = name;
  }

  open(peer: RailPeer, limitMsat: number): ReturnType<PaymentRail["open"]> {
    return this.#ask("open", { peer: plain(peer), limitMsat }, z.strictObject({ limitMsat: msat }));
  }

  pay(peer: RailPeer, totalMsat: number, ofReceipt: string): ReturnType<PaymentRail["pay"]> {
    const asked = { peer: plain(peer), totalMsat, reference: ofReceipt };
    return this.#ask("pay", asked, z.strictObject({ paidMsat: msat, proof }));
  }

  receive(peer: RailPeer, given: Uint8Array): ReturnType<PaymentRail["receive"]> {
    const asked = { peer: plain(peer), proof: given };
    return this.#ask("receive", asked, z.strictObject({ receivedMsat: msat }));
  }

  close(peer: RailPeer): ReturnType<PaymentRail["close"]> {
    return this.#ask("close", { peer: plain(peer) }, z.strictObject({ paidMsat: msat }));
  }

  async #ask<T>(method: string, argument: object, value: z.ZodType<T>): Promise<RailOutcome<T>> {
    const outcome = await this.#link.call(`rail.${method}`, { rail: this.name, ...argument });
    if (!outcome.ok) return { ok: false, reason: "unavailable", text: outcome.text };
    return outcomeOf(value).parse(outcome.value);
  }
}

/** The two fields alone, whatever else the object carries. */
function plain({ peer, account }: RailPeer): RailPeer {
  return { peer, account };
}
