/** For tests: the node's own chain as a ChainSource, to be run against the suite directly and across the link. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sha256 } from "#base/crypto/sha256.ts";
import { toHexReversed } from "#base/lib/bytes.ts";
import { silentLogger } from "#base/lib/logger.ts";
import { SeededRandom } from "#base/lib/random.ts";
import {
  buildBlock,
  genesisBlock,
  openTestChain,
  type TestBlock,
  type TestChain,
} from "#ledger/chain/chain-fixture.ts";
import { MempoolAcceptor } from "#ledger/mempool/accept.ts";
import { FeeEstimator } from "#ledger/mempool/fee-estimator.ts";
import { Mempool } from "#ledger/mempool/mempool.ts";
import { DEFAULT_MEMPOOL_OPTIONS } from "#ledger/mempool/mempool-options.ts";
import type { BlockPlace } from "#money/ports/chain-source.ts";
import type { ChainSourceWorld } from "#money/ports/test-support/chain-source-suite.ts";
import { payFrom, spendCoin, type TestOutput } from "#money/ports/test-support/spend-coin.ts";
import { payToWitness } from "#protocol/bitcoin/address.ts";
import { decodeTransaction, type Transaction } from "#protocol/bitcoin/transaction.ts";
import { OwnChainSource } from "../own-chain-source.ts";

/** OP_TRUE behind a witness program. */
const TRUE = Uint8Array.of(0x51);
const ANYONE = payToWitness(0, sha256(TRUE));
const HEIGHT = 110;
const REWARD = 50 * 100_000_000;

/** A chain on disk with a mempool, wired as the node does it. */
export class OwnChainWorld implements ChainSourceWorld {
  readonly source: OwnChainSource;
  readonly anyone: Uint8Array = ANYONE;
  readonly #directory: string;
  readonly #test: TestChain;
  readonly #mempool: Mempool;
  readonly #blocks: TestBlock[];
  #spentCoinbases = 0;
  #salt = 0;

  private constructor(directory: string, test: TestChain) {
    const { chain } = test;
    const now = () => this.#blocks.at(-1)!.time + 1;
    this.#directory = directory;
    this.#test = test;
    this.#blocks = [genesisBlock(test.network)];
    this.#mempool = new Mempool(DEFAULT_MEMPOOL_OPTIONS, {
      log: silentLogger,
      random: new SeededRandom(2),
      now,
    });
    const acceptor = new MempoolAcceptor({ mempool: this.#mempool, chain, log: silentLogger, now });
    this.source = new OwnChainSource({
      chain,
      mempool: this.#mempool,
      acceptor,
      fees: new FeeEstimator(),
      peers: undefined,
      log: silentLogger,
    });
    chain.updated.on((update) => acceptor.chainMoved(update));
    chain.updated.on((update) => this.source.chainMoved(update));
    this.#mempool.added.on((event) => this.source.mempoolAdded(event));
    this.#mempool.removed.on((event) => this.source.mempoolRemoved(event));
  }

  static async open(): Promise<OwnChainWorld> {
    const directory = mkdtempSync(join(tmpdir(), "freehold-source-"));
    const world = new OwnChainWorld(directory, await openTestChain(directory));
    for (let i = 0; i < HEIGHT; i++) await world.#mineWith([], ANYONE);
    return world;
  }

  async #mineWith(txs: readonly Transaction[], script: Uint8Array): Promise<BlockPlace> {
    const block = buildBlock(this.#test.network, this.#blocks.at(-1)!, {
      txs,
      salt: this.#salt++,
      coinbase: (tx) => {
        tx.outputs[0]!.script = script;
      },
    });
    await this.#test.submitAll([block]);
    this.#blocks.push(block);
    return { height: block.height, hash: toHexReversed(block.hash), time: block.time };
  }

  mine(script: Uint8Array = ANYONE): Promise<BlockPlace> {
    const txs = this.#mempool.entriesByScore().map(({ raw }) => decodeTransaction(raw));
    return this.#mineWith(txs, script);
  }

  async pay(script: Uint8Array, amount: number): Promise<{ txid: string; raw: Uint8Array }> {
    this.#spentCoinbases++;
    const coinbase = this.#blocks[this.#spentCoinbases]!.txids[0]!;
    const coin = { txid: toHexReversed(coinbase), index: 0, value: REWARD };
    const raw = payFrom(coin, { script, amount, fee: 1000 }, ANYONE, [TRUE]);
    const verdict = await this.source.broadcast(raw);
    if (!verdict.ok) throw new Error(verdict.reason);
    return { txid: verdict.txid, raw };
  }

  async spend(txid: string, index: number, outputs: readonly TestOutput[]): Promise<Uint8Array> {
    return spendCoin(txid, index, outputs, [TRUE]);
  }

  async reorg(depth: number): Promise<void> {
    const { network, chain } = this.#test;
    this.#blocks.splice(-depth);
    const branch: TestBlock[] = [];
    for (let i = 0; i <= depth; i++) {
      const prev = branch.at(-1) ?? this.#blocks.at(-1)!;
      branch.push(buildBlock(network, prev, { salt: this.#salt++ }));
    }
    this.#blocks.push(...branch);
    await this.#test.submitAll(branch);
    if (toHexReversed(chain.tip.hash) !== toHexReversed(branch.at(-1)!.hash)) throw new Error("no reorg");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.source.settled();
    await this.#test.chain.close();
    rmSync(this.#directory, { recursive: true });
  }
}
