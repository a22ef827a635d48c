import type { RpcContext } from "./context.ts";
import type { RpcMethod } from "./method.ts";
import { blockchainMethods } from "./methods/blockchain.ts";
import { coinMethods } from "./methods/coins.ts";
import { controlMethods } from "./methods/control.ts";
import { feeMethods } from "./methods/fees.ts";
import { mempoolMethods } from "./methods/mempool.ts";
import { miningMethods } from "./methods/mining.ts";
import { networkMethods } from "./methods/network.ts";
import { rawTransactionMethods } from "./methods/rawtransactions.ts";
import { signingMethods } from "./methods/signing.ts";
import { utilMethods } from "./methods/util.ts";
import { walletMethods } from "./methods/wallet.ts";
import { walletCoinMethods } from "./methods/wallet-coins.ts";
import { walletTransactionMethods } from "./methods/wallet-transactions.ts";

/** Every RPC method of the node, a family a file. */
export const ALL_METHODS: readonly RpcMethod<RpcContext>[] = [
  ...blockchainMethods,
  ...coinMethods,
  ...controlMethods,
  ...feeMethods,
  ...mempoolMethods,
  ...miningMethods,
  ...networkMethods,
  ...rawTransactionMethods,
  ...signingMethods,
  ...utilMethods,
  ...walletMethods,
  ...walletCoinMethods,
  ...walletTransactionMethods,
];
