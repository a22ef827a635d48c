import { MuHash3072 } from "#base/crypto/muhash.ts";
import { Sha256Stream } from "#base/crypto/node-digest.ts";
import { sha256 } from "#base/crypto/sha256.ts";
import { ByteWriter } from "#base/lib/byte-writer.ts";
import { equalBytes } from "#base/lib/bytes.ts";
import type { CoinSnapshot, SnapshotCoin } from "./coin-database.ts";

export type UtxoHashType = "hash_serialized_3" | "muhash" | "none";

/** What gettxoutsetinfo tells of the UTXO set (Core's CCoinsStats). */
export interface UtxoStats {
  readonly txouts: number;
  readonly transactions: number;
  /** Core's measure of size that does not depend on the database. */
  readonly bogosize: number;
  /** Satoshi. */
  readonly totalAmount: number;
  /** In hashed order; undefined for "none". */
  readonly hash: Uint8Array | undefined;
}

/** GetBogoSize: txid, index, height and coinbase, amount, script length; the script comes on top. */
const BOGO_OVERHEAD = 32 + 4 + 4 + 8 + 2;

/**
 * Counts and hashes the whole set, in slices of at most 20 ms (Core: kernel/coinstats.cpp).
 * @throws the signal's reason when aborted.
 */
export async function utxoStats(
  snapshot: CoinSnapshot,
  hashType: UtxoHashType,
  options: { signal?: AbortSignal } = {},
): Promise<UtxoStats> {
  const hasher = HASHERS[hashType]();
  const count = new Count(hasher);
  await snapshot.forEach((coin) => {
    count.add(coin);
  }, options);
  count.endTransaction();
  const { txouts, transactions, bogosize, totalAmount } = count;
  return { txouts, transactions, bogosize, totalAmount, hash: hasher?.finish() };
}

/** Hash of a set of serialised coins that come in the order of txid and index. */
interface CoinHasher {
  add(coin: Uint8Array): void;
  finish(): Uint8Array;
}

const HASHERS: Readonly<Record<UtxoHashType, () => CoinHasher | undefined>> = {
  hash_serialized_3: () => {
    const stream = new Sha256Stream();
    return { add: (coin) => stream.update(coin), finish: () => sha256(stream.digest()) };
  },
  muhash: () => {
    const set = new MuHash3072();
    return { add: (coin) => set.insert(coin), finish: () => set.finalize() };
  },
  none: () => undefined,
};

class Count {
  txouts = 0;
  transactions = 0;
  bogosize = 0;
  totalAmount = 0;
  readonly #hasher: CoinHasher | undefined;
  #txid: Uint8Array = new Uint8Array(0);
  /** Coins of the transaction so far, as they are hashed. */
  #coins: { index: number; bytes: Uint8Array }[] = [];
  #inOrder = true;

  constructor(hasher: CoinHasher | undefined) {
    this.#hasher = hasher;
  }

  add(coin: SnapshotCoin): void {
    if (this.#txid.length === 0 || !equalBytes(this.#txid, coin.txid)) {
      this.endTransaction();
      this.#txid = coin.txid;
      this.transactions++;
    }
    this.txouts++;
    this.totalAmount += coin.amount;
    this.bogosize += BOGO_OVERHEAD + coin.script.length;
    if (this.#hasher === undefined) return;
    const last = this.#coins.at(-1);
    if (last !== undefined && last.index > coin.index) this.#inOrder = false;
    this.#coins.push({ index: coin.index, bytes: serializeCoin(coin) });
  }

  /** Hashes what the transaction has: by index, which is not the order of keys where an index is large. */
  endTransaction(): void {
    if (!this.#inOrder) this.#coins.sort((a, b) => a.index - b.index);
    for (const { bytes } of this.#coins) this.#hasher?.add(bytes);
    this.#coins = [];
    this.#inOrder = true;
  }
}

/** Core's TxOutSer. */
function serializeCoin(coin: SnapshotCoin): Uint8Array {
  return new ByteWriter(64 + coin.script.length)
    .bytes(coin.txid)
    .u32(coin.index)
    .u32(coin.height * 2 + (coin.coinbase ? 1 : 0))
    .i64(coin.amount)
    .varBytes(coin.script)
    .finish();
}
