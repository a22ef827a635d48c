import type { FastifyInstance } from "fastify";
import { ACCOUNT_WALLET } from "#money/wallet/wallet-manager.ts";
import type { HistoryEntry } from "#money/wallet/wallet-views.ts";
import type { ApiContext } from "../context.ts";
import { MONEY, managerOf, NAME, TEXT, unwrap, WALLET, walletJson, walletOf } from "./wallet-face.ts";
import { walletKeyRoutes } from "./wallet-keys.ts";
import { paymentRoutes } from "./wallet-payments.ts";

const MAX_HISTORY = 1000;

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

/** Wallets: balance, addresses, history, paying, locking. */
export function walletRoutes(app: FastifyInstance, context: ApiContext): void {
  addWallets(app, context);
  addMoney(app, context);
  paymentRoutes(app, context);
  walletKeyRoutes(app, context);
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
  app.get<{ Querystring: { wallet?: string; limit: number; mined: boolean } }>(
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
            mined: { type: "boolean", default: true, description: "with what was earned by mining" },
          },
        },
        response: { 200: { type: "array", items: PAYMENT } },
      },
    },
    async ({ query }) => {
      const wallet = walletOf(context, query.wallet);
      if (wallet.info().scanning === undefined) await wallet.caughtUp();
      const history = wallet.history().filter(({ isCoinbase }) => query.mined || !isCoinbase);
      return history.slice(-query.limit).reverse().map(paymentJson);
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
