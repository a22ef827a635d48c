/** Counts, sums and hashes of the whole set of unspent outputs (Core: kernel/coinstats.cpp). */
import { MuHash3072 } from "#base/crypto/muhash.ts";
import { Sha256Stream, sha256 } from "#base/crypto/sha256.ts";
import { ByteWriter } from "#base/lib/byte-writer.ts";
import { equalBytes } from "#base/lib/bytes.ts";
import type { CoinSnapshot, SnapshotCoin } from "./coin-database.ts";

export type UtxoHashType = "hash_serialized_3" | "muhash" | "none";

/** What gettxoutsetinfo tells of the UTXO set (Core's CCoinsStats). */
export interface UtxoStats {
  readonly txouts: number;
  readonly transactions: number;
  /** Core's database-independent measure of size. */
  readonly bogosize: number;
  /** Satoshi. */
  readonly totalAmount: number;
  /** In hashed order; undefined for "none". */
  readonly hash: Uint8Array | undefined;
}

/** Bytes that a coin counts for beside its script: txid, index, height and coinbase, amount, script length. */
const BOGO_OVERHEAD = 32 + 4 + 4 + 8 + 2;

/** Walks the whole set in slices of at most 20 ms. @throws the signal's reason when aborted. */
export async function utxoStats(
  snapshot: CoinSnapshot,
  hashType: UtxoHashType,
  options: { signal?: AbortSignal } = {},
): Promise<UtxoStats> {
  const hasher = hasherOf(hashType);
  const lastTxid = new Uint8Array(32);
  let txouts = 0;
  let transactions = 0;
  let bogosize = 0;
  let totalAmount = 0;
  await snapshot.forEach((coin) => {
    if (txouts === 0 || !equalBytes(coin.txid, lastTxid)) {
      transactions++;
      lastTxid.set(coin.txid);
    }
    txouts++;
    bogosize += BOGO_OVERHEAD + coin.script.length;
    totalAmount += coin.amount;
    hasher.add(coin);
  }, options);
  return { txouts, transactions, bogosize, totalAmount, hash: hasher.finish() };
}

interface CoinHasher {
  add(coin: SnapshotCoin): void;
  finish(): Uint8Array | undefined;
}

function hasherOf(type: UtxoHashType): CoinHasher {
  switch (type) {
    case "hash_serialized_3":
      return new SerializedHasher();
    case "muhash":
      return new MuHasher();
    case "none":
      return { add() {}, finish: () => undefined };
  }
}

/** Outpoint, height and coinbase, and output, as both hashes take them (Core: TxOutSer). */
function writeCoin(writer: ByteWriter, coin: SnapshotCoin): void {
  writer
    .bytes(coin.txid)
    .u32(coin.index)
    .u32(coin.height * 2 + (coin.coinbase ? 1 : 0))
    .i64(coin.amount)
    .varBytes(coin.script);
}

/** Bytes gathered before they are hashed. */
const CHUNK = 64 * 1024;

/** Double SHA-256 over all coins by txid, then by index as a number. */
class SerializedHasher implements CoinHasher {
  readonly #stream = new Sha256Stream();
  #writer = new ByteWriter(CHUNK + 1024);
  /** Coins of the present transaction: keys order high indexes otherwise than numbers do. */
  #txid = new Uint8Array(32);
  #group: { index: number; bytes: Uint8Array }[] = [];

  add(coin: SnapshotCoin): void {
    if (this.#group.length > 0 && !equalBytes(coin.txid, this.#txid)) this.#endGroup();
    if (this.#group.length === 0) this.#txid.set(coin.txid);
    const writer = new ByteWriter(64 + coin.script.length);
    writeCoin(writer, coin);
    this.#group.push({ index: coin.index, bytes: writer.finish() });
  }

  finish(): Uint8Array {
    this.#endGroup();
    this.#stream.update(this.#writer.finish());
    return sha256(this.#stream.digest());
  }

  #endGroup(): void {
    this.#group.sort((a, b) => a.index - b.index);
    for (const { bytes } of this.#group) this.#writer.bytes(bytes);
    this.#group = [];
    if (this.#writer.length < CHUNK) return;
    this.#stream.update(this.#writer.finish());
    this.#writer = new ByteWriter(CHUNK + 1024);
  }
}

/** MuHash of all coins: the order does not matter. */
class MuHasher implements CoinHasher {
  readonly #hash = new MuHash3072();

  add(coin: SnapshotCoin): void {
    const writer = new ByteWriter(64 + coin.script.length);
    writeCoin(writer, coin);
    this.#hash.insert(writer.finish());
  }

  finish(): Uint8Array {
    return this.#hash.finalize();
  }
}
