import { toHexReversed } from "#base/lib/bytes.ts";
import type { Network } from "#protocol/bitcoin/network.ts";
import { blockWork } from "#protocol/consensus/pow.ts";
import type { ChainParts } from "./chain-parts.ts";
import type { HeaderNode } from "./header-node.ts";

const TWO_WEEKS = 14 * 24 * 60 * 60;

/**
 * Whether a block's scripts are checked: they are not for the ancestors of the block that is assumed valid, when
 * that is buried deep in the best chain of headers. Logs when the answer changes.
 */
export function needsScriptChecks(parts: ChainParts, node: HeaderNode): boolean {
  const reason = scriptCheckReason(parts, node);
  if (reason !== parts.scriptCheckReason) {
    const where = `at block #${node.height} (${toHexReversed(node.hash)})`;
    parts.log.info(
      reason === undefined
        ? `Disabling script verification ${where}.`
        : `Enabling script verification ${where}: ${reason}.`,
    );
    parts.scriptCheckReason = reason;
  }
  return reason !== undefined;
}

/** Core's reasons for checking (ConnectBlock), `undefined` for none. */
function scriptCheckReason(parts: ChainParts, node: HeaderNode): string | undefined {
  const { assumeValid, headers } = parts;
  if (assumeValid === undefined) return "assumevalid=0 (always verify)";
  const assumed = headers.lookup(assumeValid);
  if (assumed === undefined) return "assumevalid hash not in headers";
  if (assumed.ancestor(node.height) !== node) {
    return node.height > assumed.height
      ? "block height above assumevalid height"
      : "block not in assumevalid chain";
  }
  const { best } = headers;
  if (best.ancestor(node.height) !== node) return "block not in best header chain";
  if (best.chainWork < parts.minimumChainWork) return "best header chainwork below minimumchainwork";
  // A block just mined can not be slipped in by persuading users to assume it valid.
  if (equivalentTime(best, node, parts.network) <= TWO_WEEKS) {
    return "block too recent relative to best header";
  }
  return undefined;
}

/** Seconds that the work between two blocks takes at the later one's difficulty (GetBlockProofEquivalentTime). */
function equivalentTime(to: HeaderNode, from: HeaderNode, network: Network): number {
  const work = to.chainWork - from.chainWork;
  const spacing = BigInt(network.consensus.powTargetSpacing);
  return Number((work * spacing) / blockWork(to.bits));
}
