/** What the routes of wallets share: which wallet is meant, how it is shown, and what a refusal becomes. */
import type { Wallet } from "#money/wallet/wallet.ts";
import { ACCOUNT_WALLET, type WalletManager } from "#money/wallet/wallet-manager.ts";
import type { WalletOutcome } from "#money/wallet/wallet-views.ts";
import { ApiError } from "../api-error.ts";
import type { ApiContext } from "../context.ts";

export const MONEY = { type: "integer", description: "satoshi" } as const;
export const TEXT = { type: "string", maxLength: 1000 } as const;
export const NAME = {
  type: "string",
  maxLength: 64,
  description: `the wallet; \`${ACCOUNT_WALLET}\` unless told`,
} as const;
export const RATE = { type: "number", description: "satoshi per virtual byte" } as const;

export const WALLET = {
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

const STATUS: Readonly<Partial<Record<string, number>>> = {
  locked: 423,
  "not-found": 404,
  "invalid-address": 400,
  "invalid-amount": 400,
  "invalid-name": 400,
  "invalid-words": 400,
  "fee-too-high": 400,
  "fee-too-low": 400,
  "fee-unknown": 400,
  "wrong-passphrase": 403,
};

/** The value of a verdict. @throws ApiError with its reason */
export function unwrap<T>(outcome: WalletOutcome<T>): T {
  if (outcome.ok) return outcome;
  throw new ApiError(STATUS[outcome.refusal] ?? 409, outcome.reason);
}

export function managerOf({ wallets }: ApiContext): WalletManager {
  if (wallets === undefined) throw new ApiError(503, "the node runs without wallets (-disablewallet)");
  return wallets;
}

export function walletOf(context: ApiContext, name: string = ACCOUNT_WALLET): Wallet {
  const wallet = managerOf(context).get(name);
  if (wallet !== undefined) return wallet;
  const how = name === ACCOUNT_WALLET ? "" : ` --wallet ${JSON.stringify(name)}`;
  throw new ApiError(404, `no wallet ${name} is loaded; \`freehold wallet new${how}\` makes one`);
}

export function walletJson(wallet: Wallet) {
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
