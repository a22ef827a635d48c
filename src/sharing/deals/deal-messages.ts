/** The protocol `/freehold/deal/1`: quotes, terms, receipts (docs/protocols/deal.md). */
import { z } from "zod";
import { method, protocol } from "#sharing/mesh/protocol.ts";
import { accountIdText, bytesOf, bytesUpTo, hexOf, integer, peerIdText } from "#sharing/mesh/schema.ts";
import { SERVICES, type Terms, UNITS } from "./deal.ts";

/** Highest price of one unit: 21 million bitcoin would not fit the integers that sums are made in. */
const MAX_PRICE = 1e12;
/** Longest time that terms run, seconds. */
export const MAX_TERM = 30 * 86_400;
/** Receipts acknowledged in one message. */
export const MAX_ACKNOWLEDGED = 256;

/** How far the other side's clock may be off, seconds. */
export const CLOCK_SKEW = 600;
/** Receipts of a deal that the buyer may never have heard of. */
export const MAX_SKIPPED = 10_000;

const service = z.enum(SERVICES);
const rail = z.enum(["free", "channel", "lightning"]);
const price = integer(0, MAX_PRICE);
const prices = z
  .strictObject({ "gib-epoch": price, "gib-egress": price, task: price })
  .partial() as unknown as z.ZodType<Terms["prices"]>;
const time = integer(0, 2 ** 40);

const termsSchema: z.ZodType<Terms> = z.strictObject({
  service,
  buyer: peerIdText,
  buyerAccount: accountIdText,
  seller: peerIdText,
  sellerAccount: accountIdText,
  rail,
  prices,
  credit: integer(0, MAX_PRICE),
  from: time,
  until: time,
  epochSeconds: integer(1, 30 * 86_400).optional(),
  auditLeaves: integer(1, 256).optional(),
  nonce: bytesOf(16),
}) as unknown as z.ZodType<Terms>;

const stepFields = {
  what: z.string().regex(/^[a-z ]{1,32}$/),
  subject: z.string().regex(/^[0-9a-f]{0,128}$/),
  unit: z.enum(UNITS),
  milliUnits: integer(0, 1e12),
  proof: hexOf(32),
};

const receiptSchema = z.strictObject({
  deal: hexOf(32),
  sequence: integer(0, 2 ** 40),
  ...stepFields,
  amountMsat: integer(0, 2 ** 53 - 1),
  time,
});

const signature = bytesOf(64);

export const DEAL_PROTOCOL = protocol({
  name: "deal",
  major: 1,
  methods: {
    /** What the seller asks of this buyer; the buyer makes terms of it. */
    quote: method({
      request: z.strictObject({ service }),
      reply: z.strictObject({
        rail,
        prices,
        credit: integer(0, MAX_PRICE),
        epochSeconds: integer(1, 30 * 86_400).optional(),
        auditLeaves: integer(1, 256).optional(),
      }),
    }),
    /** Terms signed by the buyer; the reply is the seller's signature over the same bytes. */
    propose: method({
      request: z.strictObject({ terms: termsSchema, signature }),
      reply: z.strictObject({ signature }),
    }),
    /** The buyer saw the proof of a step and asks for its receipt. The same step again gets the same receipt. */
    settle: method({
      request: z.strictObject({ deal: hexOf(32), step: z.strictObject(stepFields) }),
      reply: z.strictObject({ receipt: receiptSchema, signature }),
    }),
    /** The buyer's signatures over receipts, and what pays for them. */
    acknowledge: method({
      request: z.strictObject({
        deal: hexOf(32),
        signatures: z
          .array(z.strictObject({ sequence: integer(0, 2 ** 40), signature }))
          .max(MAX_ACKNOWLEDGED),
        payment: bytesUpTo(16 * 1024).optional(),
      }),
      reply: z.strictObject({ received: integer(0) }),
    }),
    /** No further steps; what was receipted stands. */
    close: method({
      request: z.strictObject({ deal: hexOf(32) }),
      reply: z.strictObject({}),
    }),
  },
});
