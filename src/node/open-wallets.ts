import { resolve } from "node:path";
import type { Clock } from "#base/lib/clock.ts";
import type { Logger } from "#base/lib/logger.ts";
import { secureRandom } from "#base/lib/random.ts";
import { nodeDisk } from "#base/store/node-disk.ts";
import type { ChainSource } from "#money/ports/chain-source.ts";
import { BRANCH } from "#money/wallet/branches.ts";
import { ACCOUNT_WALLET, WalletManager } from "#money/wallet/wallet-manager.ts";
import { feeRateSetting } from "#node/config/component-options.ts";
import type { DataPaths } from "#node/config/data-directory.ts";
import type { Settings } from "#node/config/settings.ts";
import type { Network } from "#protocol/bitcoin/network.ts";
import type { SharingKeys } from "./sharing-keys.ts";

/** Satoshi per kvB; Core has none, and then pays nothing until it has seen enough. */
const DEFAULT_FALLBACK_FEE = 10_000;

export interface WalletDependencies {
  readonly chain: ChainSource;
  readonly network: Network;
  readonly paths: DataPaths;
  readonly clock: Clock;
  readonly log: Logger;
  readonly stack: AsyncDisposableStack;
}

/** Where the wallets lie: -walletdir, or their place in the network's folder. */
export function walletFolder(settings: Settings, paths: DataPaths): string {
  const named = settings.path("walletdir");
  return named === undefined ? paths.wallets : resolve(paths.network, named);
}

/** The wallets of this node, those of earlier runs loaded; undefined with -disablewallet. */
export async function openWallets(
  settings: Settings,
  { paths, stack, ...parts }: WalletDependencies,
): Promise<WalletManager | undefined> {
  if (settings.boolean("disablewallet", false)) return undefined;
  const wallets = new WalletManager({
    chain: parts.chain,
    network: parts.network,
    disk: nodeDisk,
    folder: walletFolder(settings, paths),
    clock: parts.clock,
    random: secureRandom,
    log: parts.log,
    fallbackFeeRate: feeRateSetting(settings, "fallbackfee", DEFAULT_FALLBACK_FEE),
  });
  stack.defer(() => wallets.close());
  await wallets.startUp(settings.list("wallet"));
  return wallets;
}

/** The keys that the sharing process gets of the account, or why there are none now. */
export function sharingKeys(wallets: WalletManager | undefined): SharingKeys | string {
  if (wallets === undefined) return "the node runs without wallets (-disablewallet)";
  const wallet = wallets.account;
  if (wallet === undefined)
    return `there is no wallet ${ACCOUNT_WALLET} yet: \`freehold wallet new\` makes it`;
  const [account, files] = [wallet.branch(BRANCH.identity), wallet.branch(BRANCH.files)];
  if (account !== undefined && files !== undefined) return { account, files };
  return `the wallet ${ACCOUNT_WALLET} is locked: \`freehold wallet unlock --seconds <count>\` opens it`;
}
