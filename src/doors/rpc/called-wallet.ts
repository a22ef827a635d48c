/** Which wallet a call means, and how its verdicts are told, with Core's codes and texts (wallet/rpc/util.cpp). */
import type { JsonObject } from "#base/lib/json.ts";
import type { Wallet } from "#money/wallet/wallet.ts";
import type { WalletManager } from "#money/wallet/wallet-manager.ts";
import type { WalletOutcome, WalletRefusal } from "#money/wallet/wallet-views.ts";
import type { RpcContext } from "./context.ts";
import type { RpcCall } from "./method.ts";
import { RPC_CODE, RpcError } from "./rpc-error.ts";

/** @throws RpcError −32601 with -disablewallet */
export function walletsOf({ wallets }: RpcContext): WalletManager {
  if (wallets === undefined) throw new RpcError(RPC_CODE.methodNotFound, "Method not found");
  return wallets;
}

/** The wallet of the URL, else the only one that is loaded. @throws RpcError −18, −19 */
export function calledWallet(context: RpcContext, call: RpcCall): Wallet {
  const wallets = walletsOf(context);
  if (call.wallet !== undefined) {
    const wallet = wallets.get(call.wallet);
    if (wallet !== undefined) return wallet;
    throw new RpcError(RPC_CODE.walletNotFound, "Requested wallet does not exist or is not loaded");
  }
  const names = wallets.list();
  const only = names.length === 1 ? wallets.get(names[0]!) : undefined;
  if (only !== undefined) return only;
  if (names.length === 0) {
    throw new RpcError(
      RPC_CODE.walletNotFound,
      "No wallet is loaded. Load a wallet using loadwallet or create a new one with createwallet. (Note: A default wallet is no longer automatically created)",
    );
  }
  throw new RpcError(
    RPC_CODE.walletNotSpecified,
    "Multiple wallets are loaded. Please select which wallet to use by requesting the RPC through the /wallet/<walletname> URI path.",
  );
}

/** The wallet once it has seen all that the node has (Core's BlockUntilSyncedToCurrentChain). */
export async function syncedWallet(context: RpcContext, call: RpcCall): Promise<Wallet> {
  const wallet = calledWallet(context, call);
  await untilSynced(wallet, call.signal);
  return wallet;
}

export async function untilSynced(wallet: Wallet, signal: AbortSignal): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>();
  const give = () => reject(new RpcError(RPC_CODE.clientInInitialDownload, "The node is shutting down"));
  signal.addEventListener("abort", give, { once: true });
  if (signal.aborted) give();
  try {
    await Promise.race([wallet.caughtUp(), promise]);
  } finally {
    signal.removeEventListener("abort", give);
    // Nobody waits for it any more.
    promise.catch(() => {});
  }
}

/** The block that the wallet has seen last. */
export function lastProcessedBlock(wallet: Wallet): JsonObject {
  const { tip } = wallet.info();
  return { hash: tip.hash, height: tip.height };
}

const CODES: Readonly<Record<WalletRefusal, number>> = {
  locked: RPC_CODE.walletUnlockNeeded,
  "invalid-address": RPC_CODE.invalidAddressOrKey,
  "invalid-amount": RPC_CODE.walletInsufficientFunds,
  "insufficient-funds": RPC_CODE.walletInsufficientFunds,
  "fee-too-high": RPC_CODE.walletError,
  "fee-too-low": RPC_CODE.walletError,
  "fee-unknown": RPC_CODE.walletInsufficientFunds,
  "not-ours": RPC_CODE.walletError,
  changed: RPC_CODE.walletError,
  rejected: RPC_CODE.walletError,
  "wrong-passphrase": RPC_CODE.walletPassphraseIncorrect,
  "not-encrypted": RPC_CODE.walletWrongEncState,
  "already-encrypted": RPC_CODE.walletWrongEncState,
  exists: RPC_CODE.walletError,
  "not-found": RPC_CODE.walletNotFound,
  "already-loaded": RPC_CODE.walletAlreadyLoaded,
  "invalid-name": RPC_CODE.invalidParameter,
  "invalid-words": RPC_CODE.invalidParameter,
  damaged: RPC_CODE.walletError,
};

const TEXTS: Readonly<Partial<Record<WalletRefusal, string>>> = {
  locked: "Error: Please enter the wallet passphrase with walletpassphrase first.",
  "wrong-passphrase": "Error: The wallet passphrase entered was incorrect.",
};

/** The value of a verdict. @throws RpcError with the code that Core uses */
export function unwrap<T>(outcome: WalletOutcome<T>, text?: string): T {
  if (outcome.ok) return outcome;
  throw new RpcError(CODES[outcome.refusal], text ?? TEXTS[outcome.refusal] ?? outcome.reason);
}
