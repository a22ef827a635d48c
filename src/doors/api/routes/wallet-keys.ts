import type { FastifyInstance } from "fastify";
import type { ApiContext } from "../context.ts";
import { NAME, TEXT, unwrap, WALLET, walletJson, walletOf } from "./wallet-face.ts";

/** Seconds for which a wallet stays unlocked unless told. */
const UNLOCK_SECONDS = 600;

/** What a wallet's seed is under, and who may see it. */
export function walletKeyRoutes(app: FastifyInstance, context: ApiContext): void {
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
