import type { FastifyInstance } from "fastify";
import { toHex } from "#base/lib/bytes.ts";
import { secureRandom } from "#base/lib/random.ts";
import type { SpendProposal, SpendRequest } from "#money/wallet/wallet-views.ts";
import { ApiError } from "../api-error.ts";
import type { ApiContext } from "../context.ts";
import { MONEY, NAME, RATE, TEXT, unwrap, walletOf } from "./wallet-face.ts";

/** A quote is good for this long, in ms: the fee that was shown should still be one that confirms. */
const QUOTE_LIFETIME = 10 * 60 * 1000;
/** Quotes that wait to be approved. */
const MAX_QUOTES = 32;

const PAYEE = {
  type: "object",
  required: ["address", "amount"],
  properties: { address: { type: "string" }, amount: MONEY },
} as const;

const QUOTE = {
  type: "object",
  required: ["quote", "psbt", "recipients", "change", "fee", "feeRate", "feeSource", "vsize", "total"],
  properties: {
    quote: { type: "string", description: "to send exactly this, for ten minutes" },
    psbt: { type: "string", description: "base64" },
    recipients: { type: "array", items: PAYEE },
    change: { type: "array", items: PAYEE },
    fee: MONEY,
    feeRate: RATE,
    feeSource: { type: "string", enum: ["given", "estimate", "fallback", "minimum"] },
    vsize: { type: "integer" },
    total: { type: "integer", description: "satoshi that leave the wallet" },
  },
} as const;

const ORDER = {
  to: { type: "string", maxLength: 200 },
  amount: { type: "integer", minimum: 1, maximum: 2_100_000_000_000_000, description: "satoshi" },
  feeRate: { ...RATE, exclusiveMinimum: 0, maximum: 100_000 },
  subtractFee: { type: "boolean", description: "the recipient gets the amount less the fee" },
  wallet: NAME,
} as const;

interface Order {
  readonly to?: string;
  readonly amount?: number;
  readonly feeRate?: number;
  readonly subtractFee?: boolean;
  readonly wallet?: string;
}

interface Quote {
  readonly wallet: string;
  readonly proposal: SpendProposal;
  /** Milliseconds of the monotonic clock. */
  readonly until: number;
}

function requestOf({ to, amount, feeRate, subtractFee }: Order): SpendRequest {
  if (to === undefined || amount === undefined) throw new ApiError(400, "`to` and `amount` are missing");
  return { recipients: [{ address: to, amount }], feeRate, subtractFee };
}

function quoteJson(quote: string, { psbt, review, feeSource }: SpendProposal) {
  const { recipients, change, fee, feeRate, vsize } = review;
  const paid = recipients.reduce((sum, { amount }) => sum + amount, 0);
  return {
    quote,
    psbt: Buffer.from(psbt).toString("base64"),
    recipients,
    change,
    fee,
    feeRate,
    feeSource,
    vsize,
    total: paid + fee,
  };
}

/** Paying in two steps: a quote to look at, and its sending. */
export function paymentRoutes(app: FastifyInstance, context: ApiContext): void {
  const quotes = new Map<string, Quote>();
  const tags = ["wallet"];
  app.post<{ Body: Order }>(
    "/wallet/quote",
    {
      schema: {
        tags,
        summary: "What a payment would do: recipients, change and fee. Nothing is signed",
        body: {
          type: "object",
          required: ["to", "amount"],
          additionalProperties: false,
          properties: ORDER,
        },
        response: { 200: QUOTE },
      },
    },
    async ({ body }) => {
      const wallet = walletOf(context, body.wallet);
      await wallet.caughtUp();
      const { proposal } = unwrap(await wallet.propose(requestOf(body)));
      const id = toHex(secureRandom.fill(new Uint8Array(16)));
      quotes.set(id, { wallet: wallet.name, proposal, until: context.clock.monotonic() + QUOTE_LIFETIME });
      for (const oldest of quotes.keys()) {
        if (quotes.size <= MAX_QUOTES) break;
        quotes.delete(oldest);
      }
      return quoteJson(id, proposal);
    },
  );
  app.post<{ Body: Order & { quote?: string; comment?: string } }>(
    "/wallet/send",
    {
      schema: {
        tags,
        summary: "Signs and sends what a quote showed, or an order as it is given",
        body: {
          type: "object",
          additionalProperties: false,
          properties: { ...ORDER, quote: { type: "string", maxLength: 64 }, comment: TEXT },
        },
        response: {
          200: {
            type: "object",
            required: ["txid", "fee", "feeRate"],
            properties: { txid: { type: "string" }, fee: MONEY, feeRate: RATE },
          },
        },
      },
    },
    async ({ body }) => {
      const { comment } = body;
      if (body.quote === undefined) {
        const wallet = walletOf(context, body.wallet);
        await wallet.caughtUp();
        const { txid, proposal } = unwrap(await wallet.pay(requestOf(body), { comment }));
        return { txid, fee: proposal.review.fee, feeRate: proposal.review.feeRate };
      }
      const quote = quotes.get(body.quote);
      if (quote === undefined || quote.until < context.clock.monotonic()) {
        throw new ApiError(404, "there is no such quote any more: ask for another");
      }
      const { psbt, review } = quote.proposal;
      const { txid } = unwrap(await walletOf(context, quote.wallet).approve(psbt, review, { comment }));
      quotes.delete(body.quote);
      return { txid, fee: review.fee, feeRate: review.feeRate };
    },
  );
}
