import { sha256d } from "#base/crypto/sha256.ts";
import { ByteWriter } from "#base/lib/byte-writer.ts";
import { concatBytes, toHex, writeU32 } from "#base/lib/bytes.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { parseBlock } from "#protocol/bitcoin/block-table.ts";
import type { Network } from "#protocol/bitcoin/network.ts";
import { OP_1, OP_RETURN } from "#protocol/bitcoin/opcodes.ts";
import { isUnspendable, pushNumber } from "#protocol/bitcoin/script.ts";
import {
  encodeTransaction,
  hasWitness,
  type Transaction,
  transactionAt,
} from "#protocol/bitcoin/transaction.ts";
import { type HeaderContext, medianTimePastOf } from "#protocol/consensus/header-context.ts";
import { merkleRoot } from "#protocol/consensus/merkle.ts";
import { checkProofOfWork, nextWorkRequired } from "#protocol/consensus/pow.ts";
import { blockSubsidy } from "#protocol/consensus/subsidy.ts";
import { witnessCommitment, witnessCommitmentScript } from "#protocol/consensus/witness-commitment.ts";
import { LOCK_KINDS, type Lock, type LockKind, makeLock, signAll } from "./forge-locks.ts";

/** An output that the forge can spend. */
export interface ForgeCoin {
  readonly txid: Uint8Array;
  readonly index: number;
  readonly value: number;
  readonly lock: Lock;
  readonly height: number;
  readonly coinbase: boolean;
}

/** A block of the forge, in its chain. */
export interface ForgedBlock extends HeaderContext {
  readonly prev: ForgedBlock | null;
  readonly raw: Uint8Array;
  /** Coins that it makes and that are unspent at its end, and those of earlier blocks that it spends. */
  readonly created: readonly ForgeCoin[];
  readonly spent: readonly ForgeCoin[];
  ancestor(height: number): ForgedBlock | null;
}

/** A block in the making. Change what you like, then {@link BlockForge.seal} it. */
export interface Draft {
  readonly prev: ForgedBlock;
  readonly height: number;
  version: number;
  time: number;
  bits: number;
  coinbase: Transaction;
  txs: Transaction[];
  /** Whether the coinbase commits to witnesses: "auto" where there are any. */
  commit: "auto" | "always" | "never";
  /** Satoshi that the coinbase may claim beside the subsidy. */
  fees: number;
}

/** What a sealed block may get wrong on purpose. */
export interface SealOptions {
  /** Seek a nonce whose hash misses the target. */
  readonly missTarget?: boolean;
  /** The target is none that a nonce could meet: leave it at that. */
  readonly impossibleTarget?: boolean;
  /** Called with the whole block before its nonce is sought, such as to change the Merkle root. */
  readonly change?: (raw: Uint8Array) => void;
}

/** The null outpoint's transaction. */
export const NULL_TXID: Uint8Array = new Uint8Array(32);

const keyOf = (txid: Uint8Array, index: number): string => `${toHex(txid)}:${index}`;

export function txidOf(tx: Transaction): Uint8Array {
  return sha256d(encodeTransaction(tx, { witness: false }));
}

export function cloneTransaction(tx: Transaction): Transaction {
  return {
    ...tx,
    inputs: tx.inputs.map((input) => ({ ...input, witness: [...input.witness] })),
    outputs: tx.outputs.map((output) => ({ ...output })),
  };
}

/** A copy whose transactions can be changed without touching the original. */
export function cloneDraft(draft: Draft): Draft {
  return { ...draft, coinbase: cloneTransaction(draft.coinbase), txs: draft.txs.map(cloneTransaction) };
}

/**
 * Makes blocks of one network, valid ones and ones that break a chosen rule, with transactions of every usual
 * kind, signed. It keeps its own account of the coins, so it can build on any block of its own, and gives the
 * same blocks for the same seed.
 */
export class BlockForge {
  readonly network: Network;
  readonly random: SeededRandom;
  readonly genesis: ForgedBlock;
  #tip: ForgedBlock;
  readonly #coins = new Map<string, ForgeCoin>();
  readonly #locks = new Map<string, Lock>();
  /** Locks to choose from again: making keys is what costs most. */
  readonly #known = new Map<LockKind, Lock[]>();

  constructor(network: Network, seed: number) {
    this.network = network;
    this.random = new SeededRandom(seed);
    this.genesis = forgedBlock(network.genesis, null, [], []);
    this.#tip = this.genesis;
  }

  get tip(): ForgedBlock {
    return this.#tip;
  }

  /** Coins at the tip, in the order in which they came up. */
  get coins(): IterableIterator<ForgeCoin> {
    return this.#coins.values();
  }

  get coinCount(): number {
    return this.#coins.size;
  }

  /** A lock of a kind, of any kind when left out; at most a dozen keys of each are in use. */
  lock(kind: LockKind = LOCK_KINDS[this.random.below(LOCK_KINDS.length)]!): Lock {
    const known = this.#known.get(kind) ?? [];
    this.#known.set(kind, known);
    if (known.length >= 12) return known[this.random.below(known.length)]!;
    const lock = makeLock(kind, this.random);
    known.push(lock);
    this.remember(lock);
    return lock;
  }

  /** Outputs with this lock's script become coins that the forge can spend. */
  remember(lock: Lock): void {
    this.#locks.set(toHex(lock.script), lock);
  }

  /** A random integer from `least` to `most`, both included. */
  between(least: number, most: number): number {
    return least + this.random.below(most - least + 1);
  }

  oneIn(count: number): boolean {
    return this.random.below(count) === 0;
  }

  /**
   * A coin at the tip that a block after it may spend, and that is worth something.
   * @param fit further wishes.
   */
  pick(fit: (coin: ForgeCoin) => boolean = () => true): ForgeCoin | undefined {
    const height = this.#tip.height + 1;
    const usable = [...this.#coins.values()].filter(
      (coin) => coin.value > 0 && (!coin.coinbase || height - coin.height >= 100) && fit(coin),
    );
    return usable[this.random.below(Math.max(1, usable.length))];
  }

  /** Several different coins; `undefined` when there are not so many. */
  pickMany(count: number, fit: (coin: ForgeCoin) => boolean = () => true): ForgeCoin[] | undefined {
    const taken = new Set<ForgeCoin>();
    while (taken.size < count) {
      const coin = this.pick((candidate) => !taken.has(candidate) && fit(candidate));
      if (coin === undefined) return undefined;
      taken.add(coin);
    }
    return [...taken];
  }

  /** A signed transaction that spends `coins`. */
  spend(
    coins: readonly ForgeCoin[],
    outputs: readonly { readonly value: number; readonly script: Uint8Array }[],
    change: { version?: number; lockTime?: number; sequence?: number } = {},
  ): Transaction {
    const { version = 2, lockTime = 0, sequence = 0xffff_fffd } = change;
    const tx: Transaction = {
      version,
      lockTime,
      inputs: coins.map(({ txid, index }) => ({
        txid,
        index,
        sequence,
        script: new Uint8Array(0),
        witness: [],
      })),
      outputs: outputs.map((output) => ({ ...output })),
    };
    signAll(tx, coins);
    return tx;
  }

  /** The coin that output `index` of a transaction is, in a block at `height`. */
  coinOf(tx: Transaction, index: number, lock: Lock, height: number, coinbase = false): ForgeCoin {
    return { txid: txidOf(tx), index, value: tx.outputs[index]!.value, lock, height, coinbase };
  }

  /** Splits `total` into `count` outputs with random locks. */
  outputs(total: number, count: number): { value: number; script: Uint8Array }[] {
    const outputs: { value: number; script: Uint8Array }[] = [];
    let left = total;
    for (let i = 1; i < count; i++) {
      const value = Math.floor((left * this.random.below(1000)) / 1000);
      outputs.push({ value, script: this.lock().script });
      left -= value;
    }
    outputs.push({ value: left, script: this.lock().script });
    return outputs;
  }

  /** A valid block after the tip with about `txCount` random transactions. */
  draft(txCount: number = this.random.below(4)): Draft {
    const prev = this.#tip;
    // By the median, so that one block from the future does not drag the next ones along.
    const time = prev.medianTimePast() + this.between(1, 1800);
    const draft: Draft = {
      prev,
      height: prev.height + 1,
      version: 0x2000_0000,
      time,
      bits: nextWorkRequired(prev, time, this.network),
      coinbase: this.#coinbase(prev.height + 1),
      txs: [],
      commit: this.oneIn(4) ? "always" : "auto",
      fees: 0,
    };
    const taken = new Set<ForgeCoin>();
    for (let i = 0; i < txCount; i++) this.#addRandom(draft, taken);
    this.pay(draft);
    return draft;
  }

  #addRandom(draft: Draft, taken: Set<ForgeCoin>): void {
    // Where coins abound they are gathered, else scattered.
    const many = this.#coins.size > 300;
    const coins = this.pickMany(many ? this.between(2, 5) : this.between(1, 2), (coin) => !taken.has(coin));
    if (coins === undefined) return;
    for (const coin of coins) taken.add(coin);
    const total = coins.reduce((sum, coin) => sum + coin.value, 0);
    const fee = this.random.below(Math.min(total, 1000) + 1);
    this.add(draft, this.spend(coins, this.outputs(total - fee, many ? 1 : this.between(1, 4))), fee);
  }

  /** Appends a transaction that pays `fee`, and lets the coinbase claim it. */
  add(draft: Draft, tx: Transaction, fee: number): void {
    draft.txs.push(tx);
    draft.fees += fee;
    this.pay(draft);
  }

  #coinbase(height: number): Transaction {
    // BIP34's height, and at least two bytes; the random ones keep coinbases of siblings apart.
    const script = concatBytes(pushNumber(height), Uint8Array.of(4), this.random.fill(new Uint8Array(4)));
    return {
      version: 2,
      lockTime: 0,
      inputs: [{ txid: NULL_TXID, index: 0xffff_ffff, sequence: 0xffff_ffff, script, witness: [] }],
      outputs: [{ value: 0, script: this.lock().script }],
    };
  }

  /** What the coinbase of a draft may claim at most, in satoshi. */
  reward(draft: Draft): number {
    return blockSubsidy(draft.height, this.network) + draft.fees;
  }

  /** Lets the coinbase's first output take all that the others leave. */
  pay(draft: Draft): void {
    const { outputs } = draft.coinbase;
    const others = outputs.slice(1).reduce((sum, { value }) => sum + value, 0);
    outputs[0]!.value = this.reward(draft) - others;
  }

  /** A copy of a draft's coinbase with the commitment that the draft asks for. */
  committed(draft: Draft): Transaction {
    const coinbase = cloneTransaction(draft.coinbase);
    const commits =
      draft.commit === "always" || (draft.commit === "auto" && draft.txs.some((tx) => hasWitness(tx)));
    if (commits) commit(coinbase, draft.txs);
    return coinbase;
  }

  /** The header of `block` over the transactions of a draft. */
  sealWith(block: ForgedBlock, draft: Draft): Uint8Array {
    const txs = [this.committed(draft), ...draft.txs];
    const writer = new ByteWriter().bytes(block.raw.subarray(0, 80)).compactSize(txs.length);
    for (const tx of txs) writer.bytes(encodeTransaction(tx));
    return writer.finish();
  }

  /** Puts a draft together: commitment, Merkle root, proof of work. */
  seal(draft: Draft, options: SealOptions = {}): ForgedBlock {
    const txs = [this.committed(draft), ...draft.txs];
    const raw = this.assemble(
      draft,
      txs.map((tx) => encodeTransaction(tx)),
      txs.map(txidOf),
      options,
    );
    return this.#account(raw, draft, txs);
  }

  /** The serialised block of encoded transactions; mined. */
  assemble(
    draft: Draft,
    encoded: readonly Uint8Array[],
    txids: readonly Uint8Array[],
    options: SealOptions = {},
  ): Uint8Array {
    const writer = new ByteWriter().u32(draft.version).bytes(draft.prev.hash);
    writer.bytes(merkleRoot(concatBytes(...txids), txids.length).root);
    writer.u32(draft.time).u32(draft.bits).u32(0).compactSize(encoded.length);
    for (const tx of encoded) writer.bytes(tx);
    const raw = writer.finish();
    options.change?.(raw);
    if (options.impossibleTarget !== true) this.mine(raw, options.missTarget ?? false);
    return raw;
  }

  /** Seeks a nonce for the header; one that misses the target with `miss`. */
  mine(raw: Uint8Array, miss = false): void {
    const header = raw.subarray(0, 80);
    const bits = new DataView(raw.buffer, raw.byteOffset).getUint32(72, true);
    for (let nonce = 0; ; nonce++) {
      writeU32(header, 76, nonce);
      if (checkProofOfWork(sha256d(header), bits, this.network.consensus) !== miss) return;
    }
  }

  /** The forge's account of a block: what it makes and spends. Nonsense where the block is invalid. */
  #account(raw: Uint8Array, draft: Pick<Draft, "prev" | "height">, txs: readonly Transaction[]): ForgedBlock {
    const created = new Map<string, ForgeCoin>();
    const spent: ForgeCoin[] = [];
    for (const [i, tx] of txs.entries()) {
      for (const input of i === 0 ? [] : tx.inputs) {
        const key = keyOf(input.txid, input.index);
        const older = this.#coins.get(key);
        if (!created.delete(key) && older !== undefined) spent.push(older);
      }
      const txid = txidOf(tx);
      for (const [index, { value, script }] of tx.outputs.entries()) {
        const lock = this.#locks.get(toHex(script));
        if (lock === undefined || isUnspendable(script)) continue;
        const coin = { txid, index, value, lock, height: draft.height, coinbase: i === 0 };
        created.set(keyOf(txid, index), coin);
      }
    }
    return forgedBlock(raw, draft.prev, [...created.values()], spent);
  }

  /** The forge's account of a block on its tip that somebody else made. */
  adopt(raw: Uint8Array): ForgedBlock {
    const { txs } = parseBlock(raw);
    const prev = this.#tip;
    const draft = { prev, height: prev.height + 1 };
    return this.#account(
      raw,
      draft,
      Array.from({ length: txs.txCount }, (_, tx) => transactionAt(txs, tx)),
    );
  }

  /** Moves the tip to any block of the forge, back and forth as far as it takes. */
  moveTo(block: ForgedBlock): void {
    const path: ForgedBlock[] = [];
    let target: ForgedBlock = block;
    while (target.height > this.#tip.height || !isAncestor(target, this.#tip)) {
      path.push(target);
      target = target.prev!;
    }
    while (this.#tip !== target) this.#disconnect();
    for (let next = path.pop(); next !== undefined; next = path.pop()) this.#connect(next);
  }

  #connect(block: ForgedBlock): void {
    for (const { txid, index } of block.spent) this.#coins.delete(keyOf(txid, index));
    for (const coin of block.created) this.#coins.set(keyOf(coin.txid, coin.index), coin);
    this.#tip = block;
  }

  #disconnect(): void {
    const block = this.#tip;
    for (const { txid, index } of block.created) this.#coins.delete(keyOf(txid, index));
    for (const coin of block.spent) this.#coins.set(keyOf(coin.txid, coin.index), coin);
    this.#tip = block.prev!;
  }

  /** A random valid block on the tip, which it becomes. */
  extend(txCount?: number): ForgedBlock {
    const block = this.seal(this.draft(txCount));
    this.moveTo(block);
    return block;
  }
}

function isAncestor(block: ForgedBlock, of: ForgedBlock): boolean {
  return of.ancestor(block.height) === block;
}

/** Adds the commitment output, and the reserved value as the coinbase's witness (BIP141). */
export function commit(coinbase: Transaction, txs: readonly Transaction[]): void {
  const reserved = new Uint8Array(32);
  const wtxids = txs.map((tx) => sha256d(encodeTransaction(tx)));
  const root = merkleRoot(concatBytes(new Uint8Array(32), ...wtxids), wtxids.length + 1).root;
  coinbase.inputs[0]!.witness = [reserved];
  coinbase.outputs.push({ value: 0, script: witnessCommitmentScript(witnessCommitment(root, reserved)) });
}

function forgedBlock(
  raw: Uint8Array,
  prev: ForgedBlock | null,
  created: readonly ForgeCoin[],
  spent: readonly ForgeCoin[],
): ForgedBlock {
  const { header } = parseBlock(raw);
  const { version, time, bits } = header;
  const block: ForgedBlock = {
    raw,
    prev,
    created,
    spent,
    version,
    time,
    bits,
    hash: sha256d(raw.subarray(0, 80)),
    height: prev === null ? 0 : prev.height + 1,
    ancestor(height) {
      let node: ForgedBlock | null = block;
      while (node !== null && node.height > height) node = node.prev;
      return node?.height === height ? node : null;
    },
    medianTimePast: () => medianTimePastOf(block),
  };
  return block;
}

/** An output that nobody can spend. */
export const BURN: Uint8Array = Uint8Array.of(OP_RETURN);
/** An output that anyone can spend. */
export const ANYONE: Uint8Array = Uint8Array.of(OP_1);
