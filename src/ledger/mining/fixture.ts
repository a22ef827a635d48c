/** For tests: mining on a chain in memory that checks blocks by the consensus rules. */

import { equalBytes, toHex } from "#base/lib/bytes.ts";
import { Signal } from "#base/lib/events.ts";
import { createFixture, type Fixture } from "#ledger/mempool/fixture.ts";
import type { MempoolOptions } from "#ledger/mempool/mempool-options.ts";
import { parseBlock } from "#protocol/bitcoin/block-table.ts";
import type { Network } from "#protocol/bitcoin/network.ts";
import { blockHash, hashTxs } from "#protocol/bitcoin/txid.ts";
import { checkBlock, contextualCheckBlock, contextualCheckHeader } from "#protocol/consensus/check-block.ts";
import type { HeaderContext } from "#protocol/consensus/header-context.ts";
import { type Rejection, reject } from "#protocol/consensus/rejection.ts";
import { blockSubsidy } from "#protocol/consensus/subsidy.ts";
import { VersionbitsCache } from "#protocol/consensus/versionbits.ts";
import type { GenerateDependencies } from "./generate.ts";
import type { BlockSubmitter, MiningChain } from "./mining-chain.ts";
import { DEFAULT_TEMPLATE_OPTIONS } from "./template.ts";

export interface MiningFixture extends Fixture {
  readonly mining: MiningChain;
  readonly submitter: BlockSubmitter;
  readonly dependencies: GenerateDependencies;
  readonly tipMoved: Signal<void>;
}

/** A chain of `height` blocks, a mempool, and all that mining asks for. */
export function createMiningFixture(
  height = 110,
  options: Partial<MempoolOptions> = {},
  network?: Network,
): MiningFixture {
  const fixture = createFixture(height, options, network);
  const { chain } = fixture;
  const known = new Map<string, HeaderContext>();
  const tipMoved = new Signal<void>();
  const blockChecked = new Signal<{ hash: Uint8Array; rejection?: Rejection }>();

  const check = (raw: Uint8Array, pow: boolean, merkle: boolean): Rejection | undefined => {
    const block = parseBlock(raw);
    const hashes = hashTxs(block.txs);
    const { tip } = chain;
    return (
      checkBlock(block, hashes, chain.network, { pow, merkle }) ??
      contextualCheckHeader(block.header, tip, chain.network, fixture.now) ??
      contextualCheckBlock(block, hashes, tip, chain.network) ??
      checkSpends(raw)
    );
  };
  /** Inputs and amounts, by a chain that is put back. */
  const checkSpends = (raw: Uint8Array): Rejection | undefined => {
    try {
      chain.connect(raw);
    } catch {
      return reject("consensus", "bad-txns-inputs-missingorspent");
    }
    const { block, spent } = chain.unmine();
    const { txs } = block;
    let fees = [...spent.values()].reduce((sum, { amount }) => sum + amount, 0);
    const coinbaseOutputs = txs.outputCount(0);
    for (let output = coinbaseOutputs; output < txs.outputTotal; output++) fees -= txs.value(output);
    let claimed = 0;
    for (let output = 0; output < coinbaseOutputs; output++) claimed += txs.value(output);
    const most = fees + blockSubsidy(chain.tip.height + 1, chain.network);
    return claimed > most ? reject("consensus", "bad-cb-amount") : undefined;
  };

  const mining: MiningChain = {
    network: chain.network,
    lock: chain.lock,
    get tip() {
      return chain.tip;
    },
    now: () => fixture.now,
    testBlock: async (raw, { pow, merkle }) => check(raw, pow, merkle),
    knowledgeOf: (hash) => (known.has(toHex(hash)) ? "valid" : undefined),
    header: (hash) => (equalBytes(hash, chain.tip.hash) ? chain.tip : known.get(toHex(hash))),
  };
  const submitter: BlockSubmitter = {
    blockChecked,
    acceptBlock: (raw) =>
      chain.lock.run(async () => {
        const hash = blockHash(raw);
        if (known.has(toHex(hash))) return { isNew: false };
        if (!equalBytes(parseBlock(raw).header.prevHash, chain.tip.hash)) {
          return { isNew: false, rejection: reject("missing-prev", "prev-blk-not-found") };
        }
        const rejection = check(raw, true, true);
        await blockChecked.emit(rejection === undefined ? { hash } : { hash, rejection });
        if (rejection !== undefined) return { isNew: true };
        const block = chain.connect(raw);
        known.set(toHex(hash), block.node);
        await fixture.acceptor.chainMoved({ disconnected: [], connected: [block], tip: chain.tip });
        await tipMoved.emit();
        return { isNew: true };
      }),
  };
  const dependencies: GenerateDependencies = {
    chain: mining,
    mempool: fixture.mempool,
    versionbits: new VersionbitsCache(chain.network),
    submitter,
    options: DEFAULT_TEMPLATE_OPTIONS,
    stopped: () => false,
  };
  return Object.assign(fixture, { mining, submitter, dependencies, tipMoved });
}
