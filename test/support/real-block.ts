/**
 * Blocks of the real chain together with what they spend. A byte of one can be changed and all that commits to it
 * made anew, but for the proof of work: then it keeps every rule but the one that the byte was there for.
 */
import { readFileSync } from "node:fs";
import { toHex } from "#base/lib/bytes.ts";
import { FaultWorld } from "#base/store/fault-world.ts";
import { CoinDatabase } from "#ledger/chain/coin-database.ts";
import { CoinCache } from "#ledger/chain/coins.ts";
import { connectBlock } from "#ledger/chain/connect-block.ts";
import { prepareBlock } from "#ledger/chain/prepare-block.ts";
import { ScriptChecks, scriptRejection } from "#ledger/chain/script-checks.ts";
import { type BlockTable, parseBlock } from "#protocol/bitcoin/block-table.ts";
import type { BlockHash } from "#protocol/bitcoin/hashes.ts";
import type { Network } from "#protocol/bitcoin/network.ts";
import { main, testnet3 } from "#protocol/bitcoin/networks.ts";
import type { Prevouts } from "#protocol/bitcoin/prevouts.ts";
import { parseTx, type TxTable } from "#protocol/bitcoin/tx-table.ts";
import { blockHash, hashTxs, type TxHashes, txidAt } from "#protocol/bitcoin/txid.ts";
import { checkBlock, contextualCheckBlock } from "#protocol/consensus/check-block.ts";
import { scriptFlagsFor } from "#protocol/consensus/deployments.ts";
import { merkleRoot } from "#protocol/consensus/merkle.ts";
import type { Rejection } from "#protocol/consensus/rejection.ts";
import {
  witnessCommitment,
  witnessCommitmentOutput,
  witnessMerkleRoot,
} from "#protocol/consensus/witness-commitment.ts";
import { sharedVector } from "../vectors/vectors.ts";
import { firstHeader, type TestHeader } from "./test-header.ts";
import { readUndoFile } from "./undo-file.ts";

/** A block whose spent outputs are at hand, and what is known of it. */
export interface KnownBlock {
  readonly network: Network;
  readonly height: number;
  /** Without the coinbase's. */
  readonly inputs: number;
  readonly weight: number;
  /** Cost of all signature operations. */
  readonly sigOpCost: number;
  /** Whether its coinbase commits to witnesses. */
  readonly commits: boolean;
  /** ECDSA signatures in inputs' scripts and witnesses. */
  readonly signatures: number;
}

function known(
  network: Network,
  height: number,
  inputs: number,
  weight: number,
  sigOpCost: number,
  commits: boolean,
  signatures: number,
): KnownBlock {
  return { network, height, inputs, weight, sigOpCost, commits, signatures };
}

export const KNOWN_BLOCKS: readonly KnownBlock[] = [
  known(testnet3, 928_816, 8692, 3_568_200, 9109, true, 8697),
  known(testnet3, 928_828, 1972, 2_481_560, 23_236, false, 3870),
  known(testnet3, 928_831, 9984, 3_992_382, 10_035, true, 9987),
  known(testnet3, 928_848, 11_215, 3_992_537, 11_319, true, 11216),
  known(testnet3, 928_849, 8594, 3_682_105, 9137, true, 8603),
  known(testnet3, 928_927, 9983, 3_992_391, 10_015, true, 9984),
  known(testnet3, 1_087_400, 205, 193_331, 1298, true, 270),
  known(main, 300_025, 1427, 1_136_924, 5284, false, 1427),
];

/** Whether the files of {@link KNOWN_BLOCKS} are here. */
export const haveRealBlocks: boolean = sharedVector("blocks/block300025-undo.raw") !== undefined;

/** How many blocks before it the coins that a block spends are said to have been made. */
const COIN_AGE = 1000;
const CACHE_BYTES = 64 * 1024 * 1024;

export class RealBlock {
  readonly known: KnownBlock;
  /** The block in its present state. */
  readonly block: BlockTable;
  readonly prevouts: Prevouts;
  readonly #original: Uint8Array;
  readonly #originalHashes: TxHashes;
  /** Of the block in its present state. */
  readonly #hashes: TxHashes;
  /** Inputs that spend an output of the block itself, by the transaction they spend from. */
  readonly #spenders: Map<number, { readonly tx: number; readonly input: number }[]>;
  readonly #commitment: number;
  readonly #prev: TestHeader;
  readonly #scripts = new ScriptChecks(1);
  #coins: Promise<CoinCache> | undefined;

  constructor(block: KnownBlock) {
    const name = `blocks/block${block.height}`;
    this.known = block;
    this.#original = new Uint8Array(readFileSync(sharedVector(`${name}.raw`)!));
    this.block = parseBlock(this.#original.slice());
    const { txs } = this.block;
    this.prevouts = readUndoFile(sharedVector(`${name}-undo.raw`)!, txs);
    this.#originalHashes = hashTxs(txs);
    const { txids, wtxids } = this.#originalHashes;
    this.#hashes = { txids: txids.slice(), wtxids: wtxids.slice() };
    this.#spenders = spendersOf(txs, this.#originalHashes);
    this.#commitment = witnessCommitmentOutput(txs);
    this.#prev = firstHeader({ time: this.block.header.time - 600 }, block.height - 1);
  }

  /** SCRIPT_VERIFY_* of the block in its present state. */
  get flags(): number {
    return scriptFlagsFor(this.known.network, blockHash(this.block.bytes), this.known.height);
  }

  /**
   * Changes a byte, and all that commits to it: transactions of the block that spend the changed one, the witness
   * commitment, the Merkle root. {@link restore} takes it back.
   */
  flip(tx: number, at: number, mask: number): void {
    const { bytes, txs } = this.block;
    bytes[at]! ^= mask;
    const changed = new Set([tx]);
    // Whatever spends a transaction of the block stands after it.
    for (let i = tx; changed.size > 0; i++) if (changed.delete(i)) this.#rehash(i, changed);
    if (this.#commitment >= 0) {
      this.#commit();
      this.#rehash(0, changed);
    }
    bytes.set(merkleRoot(this.#hashes.txids, txs.txCount).root, 36);
  }

  /** Hashes a transaction anew, and points those that spend it to its new txid. */
  #rehash(tx: number, changed: Set<number>): void {
    const { bytes, txs } = this.block;
    const before = toHex(txidAt(this.#hashes, tx));
    const { txids, wtxids } = hashTxs(parseTx(txs.raw(tx)));
    this.#hashes.txids.set(txids, 32 * tx);
    this.#hashes.wtxids.set(wtxids, 32 * tx);
    if (toHex(txids) === before) return;
    for (const spender of this.#spenders.get(tx) ?? []) {
      bytes.set(txids, txs.outpoint(spender.input));
      changed.add(spender.tx);
    }
  }

  /** BIP141: after OP_RETURN, a push and the marker. */
  #commit(): void {
    const { bytes, txs } = this.block;
    const root = witnessMerkleRoot(this.#hashes.wtxids, txs.txCount);
    const commitment = witnessCommitment(root, txs.witness(0)[0]!);
    bytes.set(commitment, txs.outputScriptStart(this.#commitment) + 6);
  }

  /** Makes it the real block again. */
  restore(): void {
    this.block.bytes.set(this.#original);
    this.#hashes.txids.set(this.#originalHashes.txids);
    this.#hashes.wtxids.set(this.#originalHashes.wtxids);
  }

  /** What connecting checks before it looks at coins, proof of work aside. */
  check(): Rejection | undefined {
    const { block, known } = this;
    return (
      checkBlock(block, this.#hashes, known.network, { pow: false }) ??
      contextualCheckBlock(block, this.#hashes, this.#prev, known.network)
    );
  }

  /** The script checks of connecting, for the transactions from `fromTx` to before `toTx`. */
  async checkScripts(fromTx: number, toTx: number): Promise<Rejection | undefined> {
    const { txs } = this.block;
    const scripts = this.#scripts.begin(txs, this.flags);
    scripts.add(this.prevouts, fromTx, toTx);
    const failure = await scripts.finish();
    return failure === undefined ? undefined : scriptRejection(txs, this.#hashes, failure);
  }

  /**
   * Takes the whole block in as if from the wire: parses and hashes it, checks it, and connects it to coins of which
   * only amount and script are real. Nothing is kept.
   */
  async connect(scripts: ScriptChecks): Promise<Rejection | undefined> {
    const { network } = this.known;
    const prev = this.#prev;
    const { block, hashes, bad } = await prepareBlock(this.block.bytes.slice(), network, { pow: false });
    const refused = bad ?? contextualCheckBlock(block, hashes, prev, network);
    if (refused !== undefined) return refused;
    this.#coins ??= this.#makeCoins();
    const coins = await this.#coins;
    coins.begin();
    try {
      const hash = blockHash(block.bytes);
      const request = { block, hashes, hash, prev, checkScripts: true };
      return (await connectBlock({ network, coins, scripts }, request)).rejection;
    } finally {
      coins.rollback();
    }
  }

  /** The coins that the block spends, its own outputs aside. */
  async #makeCoins(): Promise<CoinCache> {
    const { txs } = this.block;
    const database = await CoinDatabase.open({ path: "/chainstate" }, { disk: new FaultWorld() });
    const coins = new CoinCache({ maxBytes: CACHE_BYTES }, { database });
    const own = new Set([...this.#spenders.values()].flat().map(({ input }) => input));
    const height = this.known.height - COIN_AGE;
    coins.begin();
    for (let input = 1; input < txs.inputTotal; input++) {
      if (own.has(input)) continue;
      const at = txs.outpoint(input);
      const coin = { amount: this.prevouts.amount(input), script: this.prevouts.script(input) };
      coins.add(txs.bytes.slice(at, at + 36), { ...coin, height, coinbase: false });
    }
    coins.commit(this.#prev.hash as BlockHash);
    return coins;
  }
}

/** The inputs that spend an output of the same block, by the transaction that has it. */
function spendersOf(txs: TxTable, hashes: TxHashes): Map<number, { tx: number; input: number }[]> {
  const byTxid = new Map<string, number>();
  for (let tx = 0; tx < txs.txCount; tx++) byTxid.set(toHex(txidAt(hashes, tx)), tx);
  const spenders = new Map<number, { tx: number; input: number }[]>();
  for (let tx = 1; tx < txs.txCount; tx++) {
    for (let input = txs.firstInput(tx); input < txs.firstInput(tx) + txs.inputCount(tx); input++) {
      const parent = byTxid.get(toHex(txs.prevTxid(input)));
      if (parent === undefined) continue;
      const list = spenders.get(parent) ?? [];
      list.push({ tx, input });
      spenders.set(parent, list);
    }
  }
  return spenders;
}
