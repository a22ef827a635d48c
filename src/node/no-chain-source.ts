/** The chain behind the wallet where the node keeps none (-ledger=none): it begins, and nothing ever happens. */

import { sha256d } from "#base/crypto/sha256.ts";
import { readU32, toHexReversed } from "#base/lib/bytes.ts";
import { Signal } from "#base/lib/events.ts";
import { RPC_CODE, RpcError } from "#doors/rpc/rpc-error.ts";
import type { BlockPlace, ChainChange, ChainSource } from "#money/ports/chain-source.ts";
import type { Network } from "#protocol/bitcoin/network.ts";

/** What a wallet answers that is asked for what takes a chain. */
const NO_CHAIN = "this node keeps no chain (-ledger=none)";

/** Planning a payment takes a chain; the doors hand the text on, over RPC with code -1, over HTTP with 409. */
class NoChainError extends RpcError {
  readonly statusCode = 409;

  constructor() {
    super(RPC_CODE.misc, NO_CHAIN);
  }
}

const HEADER_BYTES = 80;
const TIME_AT = 68;

export class NoChainSource implements ChainSource {
  readonly isAbsent = true;
  readonly changed = new Signal<{ readonly follower: string; readonly change: ChainChange }>();
  readonly #genesis: BlockPlace;

  constructor(network: Network) {
    const header = network.genesis.subarray(0, HEADER_BYTES);
    this.#genesis = { height: 0, hash: toHexReversed(sha256d(header)), time: readU32(header, TIME_AT) };
  }

  async tip(): Promise<BlockPlace> {
    return this.#genesis;
  }

  async blockAt(height: number): Promise<BlockPlace | undefined> {
    return height === 0 ? this.#genesis : undefined;
  }

  async watch(): Promise<void> {}

  async forget(): Promise<void> {}

  /** Nothing, so that a wallet keeps what it saw when it had a chain. */
  async *scan(): AsyncGenerator<ChainChange> {}

  async broadcast(): Promise<{ readonly ok: false; readonly reason: string }> {
    return { ok: false, reason: NO_CHAIN };
  }

  async feeRate(): Promise<undefined> {
    return undefined;
  }

  async minimumFeeRate(): Promise<never> {
    throw new NoChainError();
  }
}
