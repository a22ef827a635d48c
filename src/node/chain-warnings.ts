import type { ChainState } from "#ledger/chain/chain-state.ts";
import type { VersionbitsCache } from "#protocol/consensus/versionbits.ts";

/**
 * What the chain itself warns of: rules that miners have activated and this program does not know (Core:
 * ChainstateManager::UpdateTip). The last tip's answer is kept.
 */
export function chainWarnings(chain: ChainState, versionbits: VersionbitsCache): () => string[] {
  let of: unknown;
  let warnings: string[] = [];
  return () => {
    if (chain.isInitialBlockDownload()) return [];
    const { tip } = chain;
    if (of !== tip) {
      of = tip;
      warnings = versionbits
        .unknownDeployments(tip)
        .filter(({ active }) => active)
        .map(({ bit }) => `Unknown new rules activated (versionbit ${bit})`);
    }
    return warnings;
  };
}
