/**
 * The chain of the IBD benchmark: 300 regtest blocks, the same at every run. Blocks 101–104 split coinbases into
 * 2,000 coins; each of the 196 blocks after them spends 2,000 coins of the block before, one input and two outputs a
 * transaction.
 */
import { mkdir, open, rename, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import * as tiny from "tiny-secp256k1";
import { encodeDer } from "#base/crypto/lax-der.ts";
import { hash160 } from "#base/crypto/sha256.ts";
import { writeU32 } from "#base/lib/bytes.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { assembleBlock } from "#ledger/mining/assemble-block.ts";
import { payToPubkeyHash, payToWitness } from "#protocol/bitcoin/address.ts";
import { COIN } from "#protocol/bitcoin/amount.ts";
import { parseBlock } from "#protocol/bitcoin/block-table.ts";
import type { BlockHash } from "#protocol/bitcoin/hashes.ts";
import { regtest } from "#protocol/bitcoin/networks.ts";
import { prevoutsOf } from "#protocol/bitcoin/prevouts.ts";
import {
  SIGHASH_ALL,
  SIGHASH_DEFAULT,
  SighashMidstates,
  segwitV0Sighash,
  taprootSighash,
} from "#protocol/bitcoin/sighash.ts";
import { encodeTransaction, type Transaction, tableOf } from "#protocol/bitcoin/transaction.ts";
import { blockHash, hashTxs, txidAt, wtxidAt } from "#protocol/bitcoin/txid.ts";
import { checkProofOfWork } from "#protocol/consensus/pow.ts";
import { blockSubsidy } from "#protocol/consensus/subsidy.ts";
import { makeKey, tweakOutputKey, tweakSecretKey } from "../interop/kernel/forge-keys.ts";

export const HEIGHT = 300;
export const COINS = 2000;
const FIRST_SPLIT = 101;
const SPLITS = 4;
/** Satoshi that stay behind in each transaction's second output, and that it pays. */
const LEFT_BEHIND = 1000;
const FEE = 200;
/** Bytes of one signature job: kind, signature, key, digest. */
export const JOB_LENGTH = 1 + 64 + 33 + 32;
/** Signature checks in the chain. */
export const SPENDS: number = (HEIGHT - FIRST_SPLIT - SPLITS + 1) * COINS + SPLITS;

export interface BenchChain {
  /** Blocks with magic and length in front, as in a blk file. */
  readonly blocks: string;
  /** The signature checks of the chain, {@link JOB_LENGTH} bytes each. */
  readonly jobs: string;
}

interface Coin {
  readonly txid: Uint8Array;
  readonly index: number;
  readonly amount: number;
  readonly owner: Owner;
}

interface Owner {
  readonly script: Uint8Array;
  readonly taproot: boolean;
  readonly secret: Uint8Array;
  /** Compressed, or the output key alone for taproot. */
  readonly publicKey: Uint8Array;
}

/** The files of a chain, made where they are not there yet. `taprootShare` in tenths of all coins. */
export async function benchChain(folder: string, name: string, taprootShare: number): Promise<BenchChain> {
  const files = { blocks: join(folder, `${name}.blk.dat`), jobs: join(folder, `${name}.jobs`) };
  if ((await isThere(files.blocks)) && (await isThere(files.jobs))) return files;
  await mkdir(folder, { recursive: true });
  const maker = new ChainMaker(taprootShare);
  const blocks = await open(`${files.blocks}.new`, "w");
  const jobs = await open(`${files.jobs}.new`, "w");
  for (let height = 1; height <= HEIGHT; height++) {
    const made = maker.next(height);
    await blocks.write(made.frame);
    await jobs.write(made.jobs);
    if (height % 50 === 0) console.log(`  making chain ${name}: ${height} of ${HEIGHT} blocks`);
  }
  await blocks.close();
  await jobs.close();
  await rename(`${files.jobs}.new`, files.jobs);
  await rename(`${files.blocks}.new`, files.blocks);
  return files;
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

class ChainMaker {
  readonly #network = regtest();
  readonly #owners: readonly Owner[];
  readonly #coinbases: Coin[] = [];
  #coins: Coin[] = [];
  #tip: BlockHash;
  #jobs: Uint8Array[] = [];

  constructor(taprootShare: number) {
    this.#tip = blockHash(this.#network.genesis.subarray(0, 80));
    const random = new SeededRandom(300);
    this.#owners = Array.from({ length: COINS }, (_, i) => makeOwner(random, i % 10 >= 10 - taprootShare));
  }

  next(height: number): { frame: Uint8Array; jobs: Uint8Array } {
    this.#jobs = [];
    const split = height >= FIRST_SPLIT && height < FIRST_SPLIT + SPLITS;
    const spending = height >= FIRST_SPLIT + SPLITS;
    const made = split
      ? [this.#split(height - FIRST_SPLIT)]
      : spending
        ? this.#coins.map((coin) => this.#spend(coin))
        : [];
    if (split) this.#coins.push(...made[0]!.coins);
    if (spending) this.#coins = made.map(({ coins }) => coins[0]!);
    const fees = made.reduce((sum, { fee }) => sum + fee, 0);
    const block = this.#block(height, made, fees);
    return { frame: frameOf(block, this.#network.magic), jobs: Buffer.concat(this.#jobs) };
  }

  #block(height: number, made: readonly Made[], fees: number): Uint8Array {
    const payee = this.#owners[0]!;
    const coinbaseValue = blockSubsidy(height, this.#network) + fees;
    const { block } = assembleBlock(
      {
        version: 0x2000_0000,
        prevHash: this.#tip,
        time: 1_296_688_602 + height * 600,
        bits: 0x207f_ffff,
        height,
        coinbaseScript: payee.script,
        coinbaseValue,
      },
      made,
      this.#network,
    );
    for (let nonce = 0; ; nonce++) {
      writeU32(block, 76, nonce);
      this.#tip = blockHash(block.subarray(0, 80));
      if (checkProofOfWork(this.#tip, 0x207f_ffff, this.#network.consensus)) break;
    }
    const { txs } = parseBlock(block);
    const txid = txidAt(hashTxs(txs), 0).slice();
    this.#coinbases.push({ txid, index: 0, amount: coinbaseValue, owner: payee });
    return block;
  }

  #split(number: number): Made {
    const coin = this.#coinbases[number]!;
    const share = COINS / SPLITS;
    const owners = this.#owners.slice(number * share, (number + 1) * share);
    const value = (50 * COIN) / share - FEE;
    return this.#transaction(
      coin,
      owners.map((owner) => ({ value, owner })),
    );
  }

  #spend(coin: Coin): Made {
    return this.#transaction(coin, [
      { value: coin.amount - LEFT_BEHIND - FEE, owner: coin.owner },
      { value: LEFT_BEHIND, owner: coin.owner },
    ]);
  }

  #transaction(coin: Coin, outputs: readonly { value: number; owner: Owner }[]): Made {
    const { owner } = coin;
    const input = {
      txid: coin.txid,
      index: coin.index,
      script: new Uint8Array(0),
      sequence: 0xffff_ffff,
      witness: [] as Uint8Array[],
    };
    const transaction: Transaction = {
      version: 2,
      inputs: [input],
      outputs: outputs.map(({ value, owner: payee }) => ({ value, script: payee.script })),
      lockTime: 0,
    };
    const prevouts = prevoutsOf([{ amount: coin.amount, script: owner.script }]);
    const midstates = new SighashMidstates(tableOf(transaction), 0, prevouts);
    input.witness = owner.taproot
      ? this.#signTaproot(owner, midstates)
      : this.#signV0(owner, coin, midstates);
    const raw = encodeTransaction(transaction);
    const hashes = hashTxs(tableOf(transaction));
    const txid = txidAt(hashes, 0).slice() as Made["txid"];
    const fee = coin.amount - outputs.reduce((sum, { value }) => sum + value, 0);
    return {
      raw,
      txid,
      wtxid: wtxidAt(hashes, 0).slice() as Made["wtxid"],
      fee,
      coins: outputs.map(({ value, owner: payee }, index) => ({ txid, index, amount: value, owner: payee })),
    };
  }

  #signV0(owner: Owner, coin: Coin, midstates: SighashMidstates): Uint8Array[] {
    const code = payToPubkeyHash(hash160(owner.publicKey));
    const digest = segwitV0Sighash(midstates, 0, code, coin.amount, SIGHASH_ALL);
    const compact = signEcdsa(digest, owner.secret);
    this.#jobs.push(job(0, compact, owner.publicKey, digest));
    return [Buffer.concat([encodeDer(compact), Uint8Array.of(SIGHASH_ALL)]), owner.publicKey];
  }

  #signTaproot(owner: Owner, midstates: SighashMidstates): Uint8Array[] {
    const digest = taprootSighash(midstates, 0, SIGHASH_DEFAULT)!;
    const signature = tiny.signSchnorr(digest, owner.secret, new Uint8Array(32));
    this.#jobs.push(job(1, signature, owner.publicKey, digest));
    return [signature];
  }
}

interface Made {
  readonly raw: Uint8Array;
  readonly txid: ReturnType<typeof txidAt>;
  readonly wtxid: ReturnType<typeof wtxidAt>;
  readonly fee: number;
  readonly coins: readonly Coin[];
}

function makeOwner(random: SeededRandom, taproot: boolean): Owner {
  const key = makeKey(random);
  if (!taproot) {
    const script = payToWitness(0, hash160(key.compressed));
    return { script, taproot, secret: key.secret, publicKey: key.compressed };
  }
  const { outputKey } = tweakOutputKey(key.xOnly, undefined)!;
  return {
    script: payToWitness(1, outputKey),
    taproot,
    secret: tweakSecretKey(key, undefined),
    publicKey: outputKey,
  };
}

function job(kind: number, signature: Uint8Array, key: Uint8Array, digest: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(JOB_LENGTH);
  bytes[0] = kind;
  bytes.set(signature, 1);
  bytes.set(key, 65);
  bytes.set(digest, 98);
  return bytes;
}

/** Signs with the native package where it is there, four times as fast. Both give the same signature (RFC 6979). */
const signEcdsa: (digest: Uint8Array, secret: Uint8Array) => Uint8Array = (() => {
  try {
    const native = createRequire(import.meta.url)("secp256k1") as {
      ecdsaSign(digest: Uint8Array, secret: Uint8Array): { signature: Uint8Array };
    };
    return (digest, secret) => native.ecdsaSign(digest, secret).signature;
  } catch {
    return (digest, secret) => tiny.sign(digest, secret);
  }
})();

function frameOf(block: Uint8Array, magic: Uint8Array): Uint8Array {
  const frame = new Uint8Array(8 + block.length);
  frame.set(magic);
  writeU32(frame, 4, block.length);
  frame.set(block, 8);
  return frame;
}
