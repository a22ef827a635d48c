/** A regtest chain for nodes that are to be harmed: a trunk, then reorgs of many depths, all full of coins that move. */
import { concatBytes, equalBytes, toHexReversed, writeU32 } from "#base/lib/bytes.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { FaultWorld } from "#base/store/fault-world.ts";
import {
  buildBlock,
  coinsHash,
  genesisBlock,
  openTestChain,
  type TestBlock,
} from "#ledger/chain/chain-fixture.ts";
import { regtest } from "#protocol/bitcoin/networks.ts";
import { OP_1, OP_DROP, OP_PUSHDATA2 } from "#protocol/bitcoin/opcodes.ts";
import { encodeTransaction, type Transaction } from "#protocol/bitcoin/transaction.ts";
import { parseTx } from "#protocol/bitcoin/tx-table.ts";
import { hashTxs } from "#protocol/bitcoin/txid.ts";
import { blockSubsidy } from "#protocol/consensus/subsidy.ts";

export interface StoryOptions {
  /** Decides all that is left to chance. */
  readonly seed: number;
  /** Blocks before the first reorg; more than 100, so that there is something to spend. */
  readonly trunk: number;
  /** How many blocks each reorg leaves behind; they come in random order. */
  readonly depths: readonly number[];
}

/** A branch that wins over the chain before it by one block. */
export interface StoryReorg {
  /** Blocks that are left for it. */
  readonly depth: number;
  /** `depth` + 1 blocks. */
  readonly blocks: readonly TestBlock[];
  /** What was the tip before. */
  readonly from: TestBlock;
}

export interface CrashStory {
  readonly trunk: readonly TestBlock[];
  readonly reorgs: readonly StoryReorg[];
  /** Where it ends. */
  readonly tip: TestBlock;
}

/** Depths 1 to 30. */
export const ALL_DEPTHS: readonly number[] = Array.from({ length: 30 }, (_, i) => i + 1);

const network = regtest();
const MATURITY = 100;
/** Coins that the blocks leave unspent, about: with their scripts as much as the smallest coin cache holds. */
const COINS = 1500;
const FEE = 50_000;
const LEAST_VALUE = 10_000;
const MOST_PUSHED = 520;

interface Coin {
  readonly txid: Uint8Array;
  readonly index: number;
  readonly value: number;
  readonly script: Uint8Array;
  /** Height from which it may be spent. */
  readonly matureAt: number;
}

/** Mines blocks on one tip, can take the last ones back, and knows the coins all along. */
class Miner {
  readonly chain: TestBlock[] = [genesisBlock(network)];
  readonly #random: SeededRandom;
  /** Coins that can be spent, and for each block what it spent and made. */
  #coins: Coin[] = [];
  readonly #moves: { spent: Coin[]; made: Set<Coin> }[] = [{ spent: [], made: new Set() }];
  #salt = 0;

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  get tip(): TestBlock {
    return this.chain.at(-1)!;
  }

  mine(): TestBlock {
    const height = this.chain.length;
    const move = { spent: [] as Coin[], made: new Set<Coin>() };
    const txs: Transaction[] = [];
    // Transactions after the first may spend outputs of those before them.
    for (let i = 0, count = this.#random.below(5); i < count; i++) {
      const tx = this.#transaction(height, move);
      if (tx !== undefined) txs.push(tx);
    }
    const script = this.#script();
    const coinbase = (tx: Transaction): void => {
      tx.outputs[0]!.script = script;
    };
    const block = buildBlock(network, this.tip, { txs, coinbase, salt: ++this.#salt });
    const value = blockSubsidy(height, network);
    this.#make(move.made, { txid: block.txids[0]!, index: 0, value, script, matureAt: height + MATURITY });
    this.chain.push(block);
    this.#moves.push(move);
    return block;
  }

  /** Takes the last block back. */
  pop(): void {
    const { spent, made } = this.#moves.pop()!;
    this.#coins = [...this.#coins, ...spent].filter((coin) => !made.has(coin));
    this.chain.pop();
  }

  #make(made: Set<Coin>, coin: Coin): void {
    made.add(coin);
    this.#coins.push(coin);
  }

  /** Spends some coins to others; more and smaller ones while there are few. */
  #transaction(height: number, move: { spent: Coin[]; made: Set<Coin> }): Transaction | undefined {
    const random = this.#random;
    const many = this.#coins.length > COINS;
    const inputs = this.#take(1 + random.below(many ? 24 : 4), height);
    const value = inputs.reduce((sum, coin) => sum + coin.value, 0) - FEE;
    const count = Math.min(1 + random.below(many ? 8 : 24), Math.floor(value / LEAST_VALUE));
    move.spent.push(...inputs);
    if (count < 1) return undefined;
    const share = Math.floor(value / count);
    const outputs = Array.from({ length: count }, () => ({ value: share, script: this.#script() }));
    const tx: Transaction = {
      version: 2,
      inputs: inputs.map(({ txid, index }) => ({
        txid,
        index,
        script: new Uint8Array(0),
        sequence: 0xffff_ffff,
        witness: [],
      })),
      outputs,
      lockTime: 0,
    };
    const { txids } = hashTxs(parseTx(encodeTransaction(tx)));
    for (const [index, output] of outputs.entries()) {
      this.#make(move.made, { txid: txids, index, ...output, matureAt: 0 });
    }
    return tx;
  }

  /** Takes up to `count` coins that a block of this height may spend. */
  #take(count: number, height: number): Coin[] {
    const coins = this.#coins;
    const taken: Coin[] = [];
    for (let i = 0; i < count && coins.length > 0; i++) {
      const at = this.#random.below(coins.length);
      if (coins[at]!.matureAt > height) continue;
      taken.push(coins[at]!);
      coins[at] = coins.at(-1)!;
      coins.pop();
    }
    return taken;
  }

  /** A script of random length that anybody can meet. */
  #script(): Uint8Array {
    const parts: Uint8Array[] = [];
    for (let left = this.#random.below(4 * MOST_PUSHED); left > 0; left -= MOST_PUSHED) {
      const length = Math.min(left, MOST_PUSHED);
      const head = Uint8Array.of(OP_PUSHDATA2, length & 0xff, length >>> 8);
      parts.push(head, this.#random.fill(new Uint8Array(length)), Uint8Array.of(OP_DROP));
    }
    return concatBytes(...parts, Uint8Array.of(OP_1));
  }
}

/** Mines the story. The same options give the same blocks. */
export function buildStory(options: StoryOptions): CrashStory {
  const random = new SeededRandom(options.seed);
  const miner = new Miner(random);
  const trunk: TestBlock[] = [];
  while (trunk.length < options.trunk) trunk.push(miner.mine());
  const reorgs = shuffled(options.depths, random).map((depth): StoryReorg => {
    const from = miner.tip;
    for (let i = 0; i < depth; i++) miner.pop();
    const blocks: TestBlock[] = [];
    while (blocks.length <= depth) blocks.push(miner.mine());
    return { depth, blocks, from };
  });
  return { trunk, reorgs, tip: miner.tip };
}

function shuffled<T>(items: readonly T[], random: SeededRandom): T[] {
  const left = [...items];
  const result: T[] = [];
  while (left.length > 0) result.push(...left.splice(random.below(left.length), 1));
  return result;
}

/** All blocks in the order in which they are handed in. */
export function blocksOf(story: CrashStory): TestBlock[] {
  return [...story.trunk, ...story.reorgs.flatMap(({ blocks }) => blocks)];
}

/** Frames blocks as a blk file does, without obfuscation. */
export function blockFile(blocks: readonly TestBlock[]): Uint8Array {
  return concatBytes(
    ...blocks.flatMap(({ raw }) => {
      const head = new Uint8Array(8);
      head.set(network.magic);
      writeU32(head, 4, raw.length);
      return [head, raw];
    }),
  );
}

/**
 * Hashes of the coins (hash_serialized_3) by tip, both as they are shown, for every block of the story: what a node
 * that was never harmed tells when it is there. Each reorg is walked a block at a time, after the branch it leaves was
 * called invalid.
 */
export async function coinsByTip(story: CrashStory): Promise<Map<string, string>> {
  const world = await openTestChain("/data", { disk: new FaultWorld(), cacheBytes: 64 << 20 });
  const { chain } = world;
  const hashes = new Map<string, string>();
  const note = async (): Promise<void> => {
    hashes.set(toHexReversed(chain.tip.hash), await coinsHash(chain));
  };
  await note();
  const follow = async (blocks: readonly TestBlock[]): Promise<void> => {
    for (const block of blocks) {
      await world.submitAll([block]);
      if (!equalBytes(chain.tip.hash, block.hash)) throw new Error("the story is not told in order");
      await note();
    }
  };
  await follow(story.trunk);
  for (const { depth, blocks } of story.reorgs) {
    await chain.invalidateBlock(chain.activeAt(chain.tip.height - depth + 1)!);
    await follow(blocks);
  }
  await chain.close();
  return hashes;
}
