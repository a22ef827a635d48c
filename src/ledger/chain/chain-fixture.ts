/** Regtest chains for tests: blocks mined on the spot, over a real data directory or a disk in memory. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ByteWriter } from "#base/lib/byte-writer.ts";
import { concatBytes, readU32, toHexReversed, writeU32 } from "#base/lib/bytes.ts";
import { type Clock, ManualClock } from "#base/lib/clock.ts";
import type { Logger } from "#base/lib/logger.ts";
import { SeededRandom } from "#base/lib/random.ts";
import type { Disk } from "#base/store/disk.ts";
import { nodeDisk } from "#base/store/node-disk.ts";
import { parseBlock } from "#protocol/bitcoin/block-table.ts";
import type { Network } from "#protocol/bitcoin/network.ts";
import { regtest } from "#protocol/bitcoin/networks.ts";
import { pushNumber } from "#protocol/bitcoin/script.ts";
import { encodeTransaction, hasWitness, type Transaction } from "#protocol/bitcoin/transaction.ts";
import { blockHash, hashTxs, txidAt } from "#protocol/bitcoin/txid.ts";
import { merkleRoot } from "#protocol/consensus/merkle.ts";
import { checkProofOfWork } from "#protocol/consensus/pow.ts";
import { blockSubsidy } from "#protocol/consensus/subsidy.ts";
import {
  witnessCommitment,
  witnessCommitmentScript,
  witnessMerkleRoot,
} from "#protocol/consensus/witness-commitment.ts";
import { CHAIN_DEFAULTS, type ChainOptions } from "./chain-options.ts";
import { ChainState } from "./chain-state.ts";
import type { BlockVerdict, ChainUpdate } from "./chain-update.ts";
import { utxoStats } from "./utxo-stats.ts";

/** OP_TRUE: an output that anyone can spend with an empty script. */
export const TRUE_SCRIPT: Uint8Array = Uint8Array.of(0x51);
/** OP_FALSE: an output that nobody can spend, though it looks as if. */
export const FALSE_SCRIPT: Uint8Array = Uint8Array.of(0x00);

/** Time of the first block after genesis; the test clock stands some days later. */
export const START_TIME = 1_700_000_000;
export const CLOCK_TIME: number = START_TIME + 20 * 24 * 60 * 60;

/** A block, and what the next one needs to know of it. */
export interface TestBlock {
  readonly raw: Uint8Array;
  readonly hash: Uint8Array;
  readonly height: number;
  readonly time: number;
  /** Of each transaction, the coinbase first. */
  readonly txids: readonly Uint8Array[];
}

export interface BlockSpec {
  readonly txs?: readonly Transaction[];
  /** What the coinbase claims besides the subsidy. */
  readonly fees?: number;
  /** Makes blocks differ that would be the same. */
  readonly salt?: number;
  readonly time?: number;
  readonly version?: number;
  readonly bits?: number;
  /** Changes the coinbase before it is serialised. */
  readonly coinbase?: (tx: Transaction) => void;
  /** Changes the whole block before it is mined. The Merkle root stands already. */
  readonly change?: (raw: Uint8Array) => void;
}

/** Genesis as a block to build on. */
export function genesisBlock(network: Network): TestBlock {
  const raw = network.genesis;
  const { txids } = hashTxs(parseBlock(raw).txs);
  return { raw, hash: blockHash(raw), height: 0, time: readU32(raw, 68), txids: [txids] };
}

/** Mines a block on `prev`. */
export function buildBlock(network: Network, prev: TestBlock, spec: BlockSpec = {}): TestBlock {
  const height = prev.height + 1;
  const txs = spec.txs ?? [];
  const coinbase = buildCoinbase(network, height, spec);
  if (txs.some(hasWitness)) commitToWitness(coinbase, txs);
  spec.coinbase?.(coinbase);
  const time = spec.time ?? Math.max(prev.time + 60, START_TIME);
  const header = new ByteWriter(80)
    .u32(spec.version ?? 0x2000_0000)
    .bytes(prev.hash)
    .bytes(new Uint8Array(32))
    .u32(time)
    .u32(spec.bits ?? 0x207f_ffff)
    .u32(0);
  const writer = new ByteWriter().bytes(header.finish()).compactSize(1 + txs.length);
  for (const tx of [coinbase, ...txs]) writer.bytes(encodeTransaction(tx));
  const raw = writer.finish();
  const table = parseBlock(raw).txs;
  const hashes = hashTxs(table);
  raw.set(merkleRoot(hashes.txids, table.txCount).root, 36);
  spec.change?.(raw);
  mine(network, raw);
  const txids = Array.from({ length: table.txCount }, (_, tx) => txidAt(hashes, tx));
  return { raw, hash: blockHash(raw), height, time, txids };
}

/** Finds a nonce. */
export function mine(network: Network, raw: Uint8Array): void {
  for (let nonce = 0; !checkProofOfWork(blockHash(raw), readU32(raw, 72), network.consensus); nonce++) {
    writeU32(raw, 76, nonce);
  }
}

function buildCoinbase(network: Network, height: number, spec: BlockSpec): Transaction {
  const salt = new Uint8Array(5);
  salt[0] = 4;
  writeU32(salt, 1, spec.salt ?? 0);
  return {
    version: 2,
    inputs: [
      {
        txid: new Uint8Array(32),
        index: 0xffff_ffff,
        script: concatBytes(pushNumber(height), salt),
        sequence: 0xffff_ffff,
        witness: [],
      },
    ],
    outputs: [{ value: blockSubsidy(height, network) + (spec.fees ?? 0), script: TRUE_SCRIPT }],
    lockTime: 0,
  };
}

function commitToWitness(coinbase: Transaction, txs: readonly Transaction[]): void {
  const reserved = new Uint8Array(32);
  coinbase.inputs[0]!.witness = [reserved];
  const writer = new ByteWriter().bytes(new Uint8Array(80)).compactSize(1 + txs.length);
  for (const tx of [coinbase, ...txs]) writer.bytes(encodeTransaction(tx));
  const table = parseBlock(writer.finish()).txs;
  const root = witnessMerkleRoot(hashTxs(table).wtxids, table.txCount);
  coinbase.outputs.push({ value: 0, script: witnessCommitmentScript(witnessCommitment(root, reserved)) });
}

/** Mines `count` blocks on `prev`, without transactions. */
export function buildChain(network: Network, prev: TestBlock, count: number, salt = 0): TestBlock[] {
  const blocks: TestBlock[] = [];
  for (let i = 0; i < count; i++) blocks.push(buildBlock(network, blocks.at(-1) ?? prev, { salt }));
  return blocks;
}

/** A transaction that spends an output of {@link TRUE_SCRIPT} to others of it, or to given scripts. */
export function spend(
  txid: Uint8Array,
  index: number,
  outputs: readonly (number | { value: number; script: Uint8Array })[],
  changes: { sequence?: number; lockTime?: number; version?: number } = {},
): Transaction {
  return {
    version: changes.version ?? 2,
    inputs: [
      { txid, index, script: new Uint8Array(0), sequence: changes.sequence ?? 0xffff_ffff, witness: [] },
    ],
    outputs: outputs.map((output) =>
      typeof output === "number" ? { value: output, script: TRUE_SCRIPT } : output,
    ),
    lockTime: changes.lockTime ?? 0,
  };
}

/** A chain under test and what it told. */
export interface TestChain {
  readonly chain: ChainState;
  readonly network: Network;
  readonly updates: ChainUpdate[];
  readonly verdicts: BlockVerdict[];
  readonly fatal: Error[];
  readonly log: string[];
  /** Hands in a block as the user does; the reason when it was refused, at once or when connected. */
  submit(block: TestBlock): Promise<string | undefined>;
  submitAll(blocks: readonly TestBlock[]): Promise<void>;
}

export interface TestChainOptions extends Partial<ChainOptions> {
  readonly disk?: Disk;
  readonly clock?: Clock;
}

/** Opens the chain in `dir`. The caller closes it. */
export async function openTestChain(dir: string, options: TestChainOptions = {}): Promise<TestChain> {
  const { disk, clock, ...chosen } = options;
  const network = chosen.network ?? regtest();
  const fatal: Error[] = [];
  const log: string[] = [];
  const chain = await ChainState.open(
    {
      ...CHAIN_DEFAULTS,
      dataDir: dir,
      blocksDir: join(dir, "blocks"),
      cacheBytes: 16 * 1024 * 1024,
      maxTipAge: 1e9,
      ...chosen,
      network,
    },
    {
      clock: clock ?? new ManualClock(CLOCK_TIME * 1000),
      random: new SeededRandom(1),
      log: listLogger(log),
      disk: disk ?? nodeDisk,
      fatal: (error) => fatal.push(error),
    },
  );
  return watch(chain, network, fatal, log);
}

function watch(chain: ChainState, network: Network, fatal: Error[], log: string[]): TestChain {
  const updates: ChainUpdate[] = [];
  const verdicts: BlockVerdict[] = [];
  chain.updated.on((update) => {
    updates.push(update);
  });
  chain.blockChecked.on((verdict) => {
    verdicts.push(verdict);
  });
  const submit = async (block: TestBlock): Promise<string | undefined> => {
    const before = verdicts.length;
    const { rejection } = await chain.acceptBlock(block.raw.slice(), {
      requested: true,
      minPowChecked: true,
    });
    if (rejection !== undefined) return rejection.reason;
    const told = verdicts.slice(before).find((verdict) => sameHash(verdict.hash, block.hash));
    return told?.rejection?.reason;
  };
  const submitAll = async (blocks: readonly TestBlock[]): Promise<void> => {
    for (const block of blocks) {
      const reason = await submit(block);
      if (reason !== undefined) throw new Error(`block ${block.height} was refused: ${reason}`);
    }
  };
  return { chain, network, updates, verdicts, fatal, log, submit, submitAll };
}

function sameHash(a: Uint8Array, b: Uint8Array): boolean {
  return a.every((byte, i) => byte === b[i]);
}

function listLogger(lines: string[]): Logger {
  const add = (text: string): void => {
    lines.push(text);
  };
  return { info: add, warn: add, error: add, debug: (_category, text) => add(text()) };
}

/** A new directory, removed when the process ends. */
export function temporaryDirectory(): string {
  const dir = mkdtempSync(join(tmpdir(), "freehold-chain-"));
  process.once("exit", () => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** Hash of all coins at the tip (hash_serialized_3), in display order. */
export async function coinsHash(chain: ChainState): Promise<string> {
  const snapshot = await chain.snapshot();
  try {
    const { hash } = await utxoStats(snapshot.coins, "hash_serialized_3");
    return toHexReversed(hash!);
  } finally {
    await snapshot.close();
  }
}
