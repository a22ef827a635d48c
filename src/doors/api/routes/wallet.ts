import type { FastifyInstance } from "fastify";
import { toHex } from "#base/lib/bytes.ts";
import { secureRandom } from "#base/lib/random.ts";
import type { Wallet } from "#money/wallet/wallet.ts";
import { ACCOUNT_WALLET, type WalletManager } from "#money/wallet/wallet-manager.ts";
import type { HistoryEntry, SpendProposal, SpendRequest, WalletOutcome } from "#money/wallet/wallet-views.ts";
import { ApiError } from "../api-error.ts";
import type { ApiContext } from "../context.ts";

/** A quote is good for this long, in ms: the fee that was shown should still be one that confirms. */
const QUOTE_LIFETIME = 10 * 60 * 1000;
/** Quotes that wait to be approved. */
const MAX_QUOTES = 32;
const MAX_HISTORY = 1000;
/** Seconds for which a wallet stays unlocked unless told. */
const UNLOCK_SECONDS = 600;

const MONEY = { type: "integer", description: "satoshi" } as const;
const TEXT = { type: "string", maxLength: 1000 } as const;
const NAME = {
  type: "string",
  maxLength: 64,
  description: `the wallet; \`${ACCOUNT_WALLET}\` unless told`,
} as const;
const RATE = { type: "number", description: "satoshi per virtual byte" } as const;

const PAYEE = {
  type: "object",
  required: ["address", "amount"],
  properties: { address: { type: "string" }, amount: MONEY },
} as const;

const WALLET = {
  type: "object",
  required: ["name", "encrypted", "locked", "balance", "height", "transactions"],
  properties: {
    name: { type: "string" },
    encrypted: { type: "boolean", description: "the seed is under a passphrase" },
    locked: { type: "boolean" },
    balance: {
      type: "object",
      required: ["trusted", "untrustedPending", "immature", "nonMempool"],
      properties: { trusted: MONEY, untrustedPending: MONEY, immature: MONEY, nonMempool: MONEY },
    },
    height: { type: "integer", description: "of the last block it has seen" },
    transactions: { type: "integer" },
    scanning: {
      type: "object",
      description: "while it looks for its coins",
      properties: {
        duration: { type: "integer", description: "seconds so far" },
        progress: { type: "number", description: "share done, 0–1" },
      },
    },
  },
} as const;

const PAYMENT = {
  type: "object",
  required: ["txid", "status", "confirmations", "net", "isCoinbase", "received", "outputs"],
  properties: {
    txid: { type: "string" },
    status: { type: "string", enum: ["confirmed", "mempool", "pending", "conflicted", "gone"] },
    confirmations: { type: "integer" },
    net: { type: "integer", description: "satoshi that came, less those that left, fee included" },
    fee: { type: "integer", description: "satoshi, when we paid it" },
    isCoinbase: { type: "boolean" },
    received: { type: "integer", description: "seconds since 1970" },
    height: { type: "integer" },
    comment: { type: "string" },
    outputs: {
      type: "array",
      items: {
        type: "object",
        required: ["amount", "isMine", "isChange"],
        properties: {
          amount: MONEY,
          address: { type: "string" },
          isMine: { type: "boolean" },
          isChange: { type: "boolean" },
          label: { type: "string" },
        },
      },
    },
  },
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

const STATUS: Readonly<Partial<Record<string, number>>> = {
  locked: 423,
  "not-found": 404,
  "invalid-address": 400,
  "invalid-amount": 400,
  "invalid-name": 400,
  "invalid-words": 400,
  "fee-too-high": 400,
  "fee-too-low": 400,
  "wrong-passphrase": 403,
};

/** The value of a verdict. @throws ApiError with its reason */
function unwrap<T>(outcome: WalletOutcome<T>): T {
  if (outcome.ok) return outcome;
  throw new ApiError(STATUS[outcome.refusal] ?? 409, outcome.reason);
}

/** Wallets: balance, addresses, history, and paying in two steps, a quote to look at and its sending. */
export function walletRoutes(app: FastifyInstance, context: ApiContext): void {
  const quotes = new Map<string, Quote>();
  addWallets(app, context);
  addMoney(app, context);
  addPaying(app, context, quotes);
  addLock(app, context);
}

function managerOf({ wallets }: ApiContext): WalletManager {
  if (wallets === undefined) throw new ApiError(503, "the node runs without wallets (-disablewallet)");
  return wallets;
}

function walletOf(context: ApiContext, name: string = ACCOUNT_WALLET): Wallet {
  const wallet = managerOf(context).get(name);
  if (wallet !== undefined) return wallet;
  throw new ApiError(404, `no wallet ${name} is loaded; \`freehold wallet new\` makes one`);
}

function walletJson(wallet: Wallet) {
  const { name, isEncrypted, isLocked, tip, txCount, scanning } = wallet.info();
  return {
    name,
    encrypted: isEncrypted,
    locked: isLocked,
    balance: wallet.balances(),
    height: tip.height,
    transactions: txCount,
    ...(scanning === undefined ? {} : { scanning }),
  };
}

function addWallets(app: FastifyInstance, context: ApiContext): void {
  const tags = ["wallet"];
  app.get(
    "/wallets",
    { schema: { tags, summary: "Every loaded wallet", response: { 200: { type: "array", items: WALLET } } } },
    async () => {
      const manager = managerOf(context);
      return manager.list().map((name) => walletJson(manager.get(name)!));
    },
  );
  app.post<{ Body: { name?: string; passphrase?: string } }>(
    "/wallet/new",
    {
      schema: {
        tags,
        summary: "A new wallet. Its 24 words are answered once, for their owner to write down",
        body: {
          type: "object",
          additionalProperties: false,
          properties: { name: NAME, passphrase: { ...TEXT, minLength: 1 } },
        },
        response: {
          200: {
            type: "object",
            required: ["name", "words"],
            properties: { name: { type: "string" }, words: { type: "string" } },
          },
        },
      },
    },
    async ({ body }) => {
      const name = body.name ?? ACCOUNT_WALLET;
      const made = unwrap(
        await managerOf(context).create(name, { passphrase: body.passphrase, loadOnStartup: true }),
      );
      return { name, words: made.words };
    },
  );
  app.post<{ Body: { name?: string; words: string; passphrase?: string; birthday?: number } }>(
    "/wallet/restore",
    {
      schema: {
        tags,
        summary: "The wallet of given words; it looks for its coins in the chain",
        body: {
          type: "object",
          required: ["words"],
          additionalProperties: false,
          properties: {
            name: NAME,
            words: TEXT,
            passphrase: { ...TEXT, minLength: 1 },
            birthday: { type: "integer", minimum: 0, description: "height from which to look" },
          },
        },
        response: { 200: WALLET },
      },
    },
    async ({ body }) => {
      const { name = ACCOUNT_WALLET, ...rest } = body;
      const { wallet } = unwrap(await managerOf(context).restore(name, { ...rest, loadOnStartup: true }));
      return walletJson(wallet);
    },
  );
}

function addMoney(app: FastifyInstance, context: ApiContext): void {
  const tags = ["wallet"];
  const querystring = { type: "object", additionalProperties: false, properties: { wallet: NAME } };
  app.get<{ Querystring: { wallet?: string } }>(
    "/wallet",
    { schema: { tags, summary: "A wallet and its balance", querystring, response: { 200: WALLET } } },
    async ({ query }) => {
      const wallet = walletOf(context, query.wallet);
      // While it scans the chain, what it has so far is better than a wait.
      if (wallet.info().scanning === undefined) await wallet.caughtUp();
      return walletJson(wallet);
    },
  );
  app.post<{ Body: { wallet?: string; type?: "bech32" | "bech32m"; label?: string } | null }>(
    "/wallet/addresses",
    {
      schema: {
        tags,
        summary: "A receiving address that was never given out",
        body: {
          type: ["object", "null"],
          additionalProperties: false,
          properties: {
            wallet: NAME,
            type: { type: "string", enum: ["bech32", "bech32m"], description: "bech32m is taproot" },
            label: TEXT,
          },
        },
        response: {
          200: { type: "object", required: ["address"], properties: { address: { type: "string" } } },
        },
      },
    },
    async ({ body }) => ({
      address: await walletOf(context, body?.wallet).newAddress(body?.type, body?.label),
    }),
  );
  app.get<{ Querystring: { wallet?: string; limit: number } }>(
    "/wallet/history",
    {
      schema: {
        tags,
        summary: "Payments, newest first",
        querystring: {
          type: "object",
          additionalProperties: false,
          properties: {
            wallet: NAME,
            limit: { type: "integer", minimum: 1, maximum: MAX_HISTORY, default: 100 },
          },
        },
        response: { 200: { type: "array", items: PAYMENT } },
      },
    },
    async ({ query }) => {
      const wallet = walletOf(context, query.wallet);
      if (wallet.info().scanning === undefined) await wallet.caughtUp();
      return wallet.history().slice(-query.limit).reverse().map(paymentJson);
    },
  );
}

function paymentJson(entry: HistoryEntry) {
  const { txid, status, confirmations, net, fee, isCoinbase, received, block, comment, outputs } = entry;
  return {
    txid,
    status,
    confirmations,
    net,
    fee,
    isCoinbase,
    received,
    height: block?.height,
    comment,
    outputs: outputs.map(({ amount, address, isMine, isChange, label }) => ({
      amount,
      address,
      isMine,
      isChange,
      label,
    })),
  };
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

function addPaying(app: FastifyInstance, context: ApiContext, quotes: Map<string, Quote>): void {
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

function addLock(app: FastifyInstance, context: ApiContext): void {
  const tags = ["wallet"];
  app.post<{ Body: { wallet?: string; passphrase: string; seconds?: number } }>(
    "/wallet/unlock",
    {
      schema: {
        tags,
        summary: "Lets a wallet sign for some time",
        body: {
          type: "object",
          required: ["passphrase"],
          additionalProperties: false,
          properties: {
            wallet: NAME,
            passphrase: TEXT,
            seconds: { type: "integer", minimum: 1, maximum: 100_000_000 },
          },
        },
        response: { 200: WALLET },
      },
    },
    async ({ body }) => {
      const wallet = walletOf(context, body.wallet);
      unwrap(await wallet.unlock(body.passphrase, body.seconds ?? UNLOCK_SECONDS));
      return walletJson(wallet);
    },
  );
  app.post<{ Body: { wallet?: string } | null }>(
    "/wallet/lock",
    {
      schema: {
        tags,
        summary: "Forgets the seed until the passphrase is given again",
        body: { type: ["object", "null"], additionalProperties: false, properties: { wallet: NAME } },
        response: { 200: WALLET },
      },
    },
    async ({ body }) => {
      const wallet = walletOf(context, body?.wallet);
      unwrap(await wallet.lock());
      return walletJson(wallet);
    },
  );
  app.post<{ Body: { wallet?: string; passphrase: string } }>(
    "/wallet/encrypt",
    {
      schema: {
        tags,
        summary: "Puts the seed under a passphrase, and locks the wallet",
        body: {
          type: "object",
          required: ["passphrase"],
          additionalProperties: false,
          properties: { wallet: NAME, passphrase: { ...TEXT, minLength: 1 } },
        },
        response: { 200: WALLET },
      },
    },
    async ({ body }) => {
      const wallet = walletOf(context, body.wallet);
      unwrap(await wallet.encrypt(body.passphrase));
      return walletJson(wallet);
    },
  );
  app.post<{ Body: { wallet?: string; passphrase?: string } | null }>(
    "/wallet/words",
    {
      schema: {
        tags,
        summary: "The words of a wallet, for their owner to write down",
        body: {
          type: ["object", "null"],
          additionalProperties: false,
          properties: { wallet: NAME, passphrase: TEXT },
        },
        response: {
          200: { type: "object", required: ["words"], properties: { words: { type: "string" } } },
        },
      },
    },
    async ({ body }) => {
      const { words } = unwrap(await walletOf(context, body?.wallet).words(body?.passphrase));
      return { words };
    },
  );
}
