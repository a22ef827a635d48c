/**
 * For tests: a chain of headers and coins in memory, and keys that spend them. Blocks are real bytes without proof
 * of work; what is spent is looked up as the chain would, and found only after it was prefetched.
 */

import { secp256k1 } from "@noble/curves/secp256k1.js";
import { hash160, sha256 } from "#base/crypto/sha256.ts";
import { ByteWriter } from "#base/lib/byte-writer.ts";
import { concatBytes, toHex, writeU32 } from "#base/lib/bytes.ts";
import { silentLogger } from "#base/lib/logger.ts";
import { Mutex } from "#base/lib/mutex.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { type BlockTable, parseBlock, parseHeader } from "#protocol/bitcoin/block-table.ts";
import type { BlockHash } from "#protocol/bitcoin/hashes.ts";
import type { Network } from "#protocol/bitcoin/network.ts";
import { regtest } from "#protocol/bitcoin/networks.ts";
import { OP_0, OP_1, OP_CHECKSIG, OP_DUP, OP_EQUALVERIFY, OP_HASH160 } from "#protocol/bitcoin/opcodes.ts";
import { buildScript, pushNumber } from "#protocol/bitcoin/script.ts";
import { SIGHASH_ALL, SighashMidstates, segwitV0Sighash } from "#protocol/bitcoin/sighash.ts";
import { encodeTransaction, type Transaction } from "#protocol/bitcoin/transaction.ts";
import { parseTx, type TxTable } from "#protocol/bitcoin/tx-table.ts";
import { blockHash, hashTxs, type TxHashes, txidAt } from "#protocol/bitcoin/txid.ts";
import { type HeaderContext, medianTimePastOf } from "#protocol/consensus/header-context.ts";
import { merkleRoot } from "#protocol/consensus/merkle.ts";
import { blockSubsidy } from "#protocol/consensus/subsidy.ts";
import { MempoolAcceptor } from "./accept.ts";
import { Mempool } from "./mempool.ts";
import type { ChainCoin, ChainCoins, ChainMove, MempoolChain, MovedBlock } from "./mempool-chain.ts";
import { DEFAULT_MEMPOOL_OPTIONS, type MempoolOptions } from "./mempool-options.ts";

/** How an output is locked and how it is spent. */
export interface Lock {
  readonly script: Uint8Array;
  /** Script and witness that spend it, made when all else of the transaction stands. */
  unlock(table: TxTable, input: number, amount: number): { script?: Uint8Array; witness?: Uint8Array[] };
}

const TRUE_SCRIPT = Uint8Array.of(OP_1);

/** P2WSH of OP_TRUE. */
export const anyone: Lock = {
  script: buildScript(OP_0, sha256(TRUE_SCRIPT)),
  unlock: () => ({ witness: [TRUE_SCRIPT] }),
};

/** P2WPKH of a key, signed for real. */
export function keyLock(seed: number): Lock {
  const secret = new Uint8Array(32).fill(seed);
  const key = secp256k1.getPublicKey(secret, true);
  const hash = hash160(key);
  const code = buildScript(OP_DUP, OP_HASH160, hash, OP_EQUALVERIFY, OP_CHECKSIG);
  return {
    script: buildScript(OP_0, hash),
    unlock(table, input, amount) {
      const digest = segwitV0Sighash(new SighashMidstates(table, 0), input, code, amount, SIGHASH_ALL);
      const der = secp256k1.sign(digest, secret, { prehash: false, format: "der", lowS: true });
      return { witness: [concatBytes(der, Uint8Array.of(SIGHASH_ALL)), key] };
    },
  };
}

/** An output that can be spent. */
export interface Coin {
  readonly txid: Uint8Array;
  readonly index: number;
  readonly amount: number;
  readonly lock: Lock;
}

/** The output of a transaction as a coin. */
export function coinOf(table: TxTable, index = 0, lock: Lock = anyone): Coin {
  return { txid: txidAt(hashTxs(table), 0).slice(), index, amount: table.value(index), lock };
}

export interface SpendOptions {
  readonly version?: number;
  readonly lockTime?: number;
  readonly sequence?: number;
  /** Outputs in place of one to anyone. */
  readonly outputs?: readonly { value: number; script: Uint8Array }[];
  /** Number of equal outputs to anyone. */
  readonly split?: number;
  /** Bytes of OP_RETURN in a further output. */
  readonly data?: number;
}

/** A transaction that spends coins and pays `fee` satoshi. */
export function spend(coins: readonly Coin[], fee: number, options: SpendOptions = {}): TxTable {
  const total = coins.reduce((sum, { amount }) => sum + amount, 0) - fee;
  const split = options.split ?? 1;
  const outputs = [
    ...(options.outputs ??
      Array.from({ length: split }, () => ({ value: Math.floor(total / split), script: anyone.script }))),
  ];
  if (options.data !== undefined) {
    outputs.push({ value: 0, script: buildScript(0x6a, new Uint8Array(options.data)) });
  }
  const tx: Transaction = {
    version: options.version ?? 2,
    lockTime: options.lockTime ?? 0,
    inputs: coins.map(({ txid, index }) => ({
      txid,
      index,
      script: new Uint8Array(0),
      sequence: options.sequence ?? 0xffff_fffd,
      witness: [],
    })),
    outputs,
  };
  const unsigned = parseTx(encodeTransaction(tx), coins.length > 0);
  coins.forEach((coin, i) => {
    const { script, witness } = coin.lock.unlock(unsigned, i, coin.amount);
    tx.inputs[i]!.script = script ?? new Uint8Array(0);
    tx.inputs[i]!.witness = witness ?? [];
  });
  return parseTx(encodeTransaction(tx));
}

class FakeHeader implements HeaderContext {
  readonly hash: BlockHash;
  readonly height: number;
  readonly version: number;
  readonly time: number;
  readonly bits: number;
  readonly prev: FakeHeader | null;

  constructor(raw: Uint8Array, prev: FakeHeader | null) {
    const { version, time, bits } = parseHeader(raw);
    this.hash = blockHash(raw);
    this.height = prev === null ? 0 : prev.height + 1;
    this.version = version;
    this.time = time;
    this.bits = bits;
    this.prev = prev;
  }

  ancestor(height: number): HeaderContext | null {
    let at: FakeHeader | null = this;
    while (at !== null && at.height > height) at = at.prev;
    return at?.height === height ? at : null;
  }

  medianTimePast(): number {
    return medianTimePastOf(this);
  }
}

interface FakeBlock extends MovedBlock {
  readonly node: FakeHeader;
  readonly block: BlockTable;
  readonly hashes: TxHashes;
  readonly spent: ReadonlyMap<string, ChainCoin>;
}

export interface MineOptions {
  /** Seconds after the block before. */
  readonly after?: number;
  /** Makes the block differ from another with the same transactions. */
  readonly mark?: number;
  readonly lock?: Lock;
}

/** A chain in memory. */
export class FakeChain implements MempoolChain {
  readonly network: Network;
  readonly lock = new Mutex();
  readonly coins: ChainCoins;
  readonly #blocks: FakeBlock[] = [];
  readonly #unspent = new Map<string, ChainCoin>();
  readonly #fetched = new Set<string>();
  #tip: FakeHeader;

  /** @param height blocks that are there from the start, with coinbases to anyone. */
  constructor(height: number, network: Network = regtest()) {
    this.network = network;
    this.#tip = new FakeHeader(network.genesis, null);
    this.coins = {
      prefetch: async (outpoints) => {
        await null;
        for (const outpoint of outpoints) this.#fetched.add(toHex(outpoint));
      },
      get: (outpoint) => {
        const key = toHex(outpoint);
        return this.#fetched.has(key) ? this.#unspent.get(key) : undefined;
      },
      release: (outpoints) => {
        for (const outpoint of outpoints) this.#fetched.delete(toHex(outpoint));
      },
    };
    for (let i = 0; i < height; i++) this.mine();
  }

  get tip(): FakeHeader {
    return this.#tip;
  }

  /** The coinbase of the block at a height. */
  coinbase(height: number, lock: Lock = anyone): Coin {
    const { block, hashes } = this.#blocks[height - 1]!;
    return { txid: txidAt(hashes, 0).slice(), index: 0, amount: block.txs.value(0), lock };
  }

  /** How many outpoints have been fetched and not let go. */
  get fetchedCount(): number {
    return this.#fetched.size;
  }

  /** Whether an output is unspent in the chain. */
  isUnspent({ txid, index }: Pick<Coin, "txid" | "index">): boolean {
    return this.#unspent.has(outpointKey(txid, index));
  }

  /** Puts a block on the tip. */
  mine(txs: readonly TxTable[] = [], options: MineOptions = {}): FakeBlock {
    const height = this.#tip.height + 1;
    const raw = this.#build(txs, height, options);
    return this.connect(raw);
  }

  /** Puts a given block on the tip, without a look at its rules. */
  connect(raw: Uint8Array): FakeBlock {
    const block = parseBlock(raw);
    const hashes = hashTxs(block.txs);
    const node = new FakeHeader(raw, this.#tip);
    const spent = new Map<string, ChainCoin>();
    for (let tx = 0; tx < block.txs.txCount; tx++)
      this.#connectTx(block.txs, tx, txidAt(hashes, tx), node, spent);
    const fake = { node, block, hashes, spent, load: async () => ({ block, hashes }) };
    this.#blocks.push(fake);
    this.#tip = node;
    return fake;
  }

  /** Takes the tip away. */
  unmine(): FakeBlock {
    const last = this.#blocks.pop()!;
    const { txs } = last.block;
    for (let tx = 0; tx < txs.txCount; tx++) {
      const txid = txidAt(last.hashes, tx);
      for (let i = 0; i < txs.outputCount(tx); i++) this.#unspent.delete(outpointKey(txid, i));
    }
    for (const [key, coin] of last.spent) if (!this.#isOwn(last, key)) this.#unspent.set(key, coin);
    this.#tip = last.node.prev!;
    return last;
  }

  /** Replaces the last `depth` blocks by others, each a list of transactions. */
  reorganise(depth: number, blocks: readonly (readonly TxTable[])[]): ChainMove {
    const disconnected = Array.from({ length: depth }, () => this.unmine());
    const connected = blocks.map((txs) => this.mine(txs, { mark: 7 }));
    return { disconnected, connected, tip: this.#tip };
  }

  /** A move of the tip by one block with transactions. */
  extend(txs: readonly TxTable[] = [], options: MineOptions = {}): ChainMove {
    const connected = [this.mine(txs, options)];
    return { disconnected: [], connected, tip: this.#tip };
  }

  #isOwn({ hashes, block }: FakeBlock, key: string): boolean {
    for (let tx = 0; tx < block.txs.txCount; tx++) if (key.startsWith(toHex(txidAt(hashes, tx)))) return true;
    return false;
  }

  #connectTx(
    txs: TxTable,
    tx: number,
    txid: Uint8Array,
    node: FakeHeader,
    spent: Map<string, ChainCoin>,
  ): void {
    const coinbase = txs.isCoinbase(tx);
    const first = txs.firstInput(tx);
    for (let input = first; !coinbase && input < first + txs.inputCount(tx); input++) {
      const key = outpointKey(txs.prevTxid(input), txs.prevIndex(input));
      const coin = this.#unspent.get(key);
      if (coin === undefined) throw new Error(`block spends ${key}, which is not there`);
      this.#unspent.delete(key);
      spent.set(key, coin);
    }
    const out = txs.firstOutput(tx);
    for (let i = 0; i < txs.outputCount(tx); i++) {
      const amount = txs.value(out + i);
      const coin = { amount, script: txs.outputScript(out + i), height: node.height, coinbase };
      this.#unspent.set(outpointKey(txid, i), coin);
    }
  }

  #build(txs: readonly TxTable[], height: number, { after = 600, mark = 0, lock = anyone }: MineOptions) {
    const coinbase = encodeTransaction({
      version: 2,
      lockTime: 0,
      inputs: [
        {
          txid: new Uint8Array(32),
          index: 0xffff_ffff,
          script: concatBytes(pushNumber(height), Uint8Array.of(OP_0, mark)),
          sequence: 0xffff_ffff,
          witness: [],
        },
      ],
      outputs: [{ value: blockSubsidy(height, this.network), script: lock.script }],
    });
    const raws = [coinbase, ...txs.map((table) => table.raw(0))];
    const txids = concatBytes(...raws.map((raw) => hashTxs(parseTx(raw)).txids.slice(0, 32)));
    const writer = new ByteWriter().u32(0x2000_0000).bytes(this.#tip.hash);
    writer
      .bytes(merkleRoot(txids, raws.length).root)
      .u32(this.#tip.time + after)
      .u32(0x207f_ffff)
      .u32(0);
    writer.compactSize(raws.length);
    for (const raw of raws) writer.bytes(raw);
    return writer.finish();
  }
}

function outpointKey(txid: Uint8Array, index: number): string {
  const outpoint = new Uint8Array(36);
  outpoint.set(txid);
  writeU32(outpoint, 32, index);
  return toHex(outpoint);
}

/** A chain with a mempool on it. */
export interface Fixture {
  readonly chain: FakeChain;
  readonly mempool: Mempool;
  readonly acceptor: MempoolAcceptor;
  /** Seconds since 1970 that the mempool sees; starts at the tip's. */
  now: number;
}

/** A chain of `height` blocks and an empty mempool. */
export function createFixture(
  height = 110,
  options: Partial<MempoolOptions> = {},
  network?: Network,
): Fixture {
  const chain = new FakeChain(height, network);
  const clock = { now: chain.tip.time };
  const now = () => clock.now;
  const random = new SeededRandom(1);
  const mempool = new Mempool({ ...DEFAULT_MEMPOOL_OPTIONS, ...options }, { log: silentLogger, random, now });
  const acceptor = new MempoolAcceptor({ mempool, chain, log: silentLogger, now });
  return Object.assign(clock, { chain, mempool, acceptor });
}
