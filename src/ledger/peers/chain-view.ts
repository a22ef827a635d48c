/** Questions about the chain that several handlers ask. */
import type { ChainState } from "#ledger/chain/chain-state.ts";
import { BlockStatus, type HeaderNode } from "#ledger/chain/header-node.ts";
import { blockWork } from "#protocol/consensus/pow.ts";
import { NODE_NETWORK, NODE_NETWORK_LIMITED, NODE_WITNESS } from "#protocol/wire/services.ts";

/** Seconds after which a block off the main chain is no longer served: who asks may want to recognise us. */
const STALE_RELAY_AGE = 30 * 24 * 60 * 60;
/** Seconds after which a block counts as historical for the upload limit. */
export const HISTORICAL_BLOCK_AGE = 7 * 24 * 60 * 60;
/** Blocks behind the network's tip within which peers with few blocks are good enough. */
const LIMITED_PEERS_BLOCKS = 144;
/** Blocks below the tip from which a fork is taken into the tree without a presync. */
const FORK_BUFFER_BLOCKS = 144n;

export class ChainView {
  readonly #chain: ChainState;
  /** Milliseconds since 1970. */
  readonly #now: () => number;

  constructor(chain: ChainState, now: () => number) {
    this.#chain = chain;
    this.#now = now;
  }

  /** Whether our tip is young enough for blocks to be asked for as soon as their headers come (CanDirectFetch). */
  get canFetchDirectly(): boolean {
    const spacing = this.#chain.network.consensus.powTargetSpacing;
    return this.#chain.tip.time * 1000 > this.#now() - spacing * 20 * 1000;
  }

  /** The work below which headers are not stored (GetAntiDoSWorkThreshold). */
  get minimumHeaderWork(): bigint {
    const { tip, minimumChainWork } = this.#chain;
    const buffer = FORK_BUFFER_BLOCKS * blockWork(tip.bits);
    const nearTip = buffer > tip.chainWork ? 0n : tip.chainWork - buffer;
    return nearTip > minimumChainWork ? nearTip : minimumChainWork;
  }

  /** Services that a peer must have for us to stay connected to it. */
  desirableServices(services: bigint): bigint {
    const spacing = this.#chain.network.consensus.powTargetSpacing;
    const behind = Math.floor((Math.floor(this.#now() / 1000) - this.#chain.tip.time) / spacing);
    if ((services & NODE_NETWORK_LIMITED) !== 0n && behind < LIMITED_PEERS_BLOCKS) {
      return NODE_NETWORK_LIMITED | NODE_WITNESS;
    }
    return NODE_NETWORK | NODE_WITNESS;
  }

  hasDesirableServices(services: bigint): boolean {
    return (this.desirableServices(services) & ~services) === 0n;
  }

  isAncestorOfBestHeaderOrTip(node: HeaderNode | undefined): boolean {
    if (node === undefined) return false;
    return this.#chain.headers.best.ancestor(node.height) === node || this.#chain.isActive(node);
  }

  /** Whether a block or its header may be told: in the main chain, or validated and not long stale. */
  mayBeServed(node: HeaderNode): boolean {
    if (this.#chain.isActive(node)) return true;
    const { best } = this.#chain.headers;
    return (
      node.isValid(BlockStatus.VALID_SCRIPTS) &&
      best.time - node.time < STALE_RELAY_AGE &&
      this.#equivalentSeconds(best, node) < STALE_RELAY_AGE
    );
  }

  /** Seconds that the difference in work would take at the best header's difficulty (GetBlockProofEquivalentTime). */
  #equivalentSeconds(to: HeaderNode, from: HeaderNode): number {
    const spacing = BigInt(this.#chain.network.consensus.powTargetSpacing);
    return Number(((to.chainWork - from.chainWork) * spacing) / blockWork(to.bits));
  }
}
