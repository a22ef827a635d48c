import { dirname } from "node:path";
import { compareBytes } from "#base/lib/bytes.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import type { Logger } from "#base/lib/logger.ts";
import type { Random } from "#base/lib/random.ts";
import { errorCode } from "#base/store/disk-error.ts";
import type { FileSystem } from "#base/store/file-system.ts";
import { removeIfThere } from "#base/store/write-atomically.ts";
import type { Txid } from "#protocol/bitcoin/hashes.ts";
import { hashTxs, txidAt } from "#protocol/bitcoin/txid.ts";
import type { MempoolAcceptor } from "./accept.ts";
import type { Mempool } from "./mempool.ts";
import { KEY_LENGTH, MempoolFileReader, MempoolFileWriter, type SavedTransaction } from "./mempool-file.ts";

export interface PersistDependencies {
  readonly files: FileSystem;
  readonly random: Random;
  readonly log: Logger;
  /** Seconds since 1970, mocked time included. */
  now(): number;
}

/**
 * Writes the mempool to a file, whole or not at all.
 * @param options `version1` for the old format without a key (-persistmempoolv1).
 * @returns the file's length.
 */
export async function saveMempool(
  mempool: Mempool,
  path: string,
  { files, random, log }: PersistDependencies,
  options: { version1?: boolean } = {},
): Promise<number> {
  const entries = mempool.entriesByScore();
  const deltas = mempool.prioritised().filter(({ modifiedFee }) => modifiedFee === undefined);
  const unbroadcast = mempool.unbroadcast().sort(compareBytes);
  log.info(`Writing ${entries.length} mempool transactions to file...`);
  const temporary = `${path}.new`;
  await removeIfThere(files, temporary);
  const file = await files.open(temporary, "create");
  let length: number;
  try {
    const key = options.version1 ? undefined : random.fill(new Uint8Array(KEY_LENGTH));
    const writer = new MempoolFileWriter(file, key);
    await writer.open(entries.length);
    for (const entry of entries) await writer.transaction(entry);
    await writer.deltas(deltas.sort((a, b) => compareBytes(a.txid, b.txid)));
    await writer.unbroadcast(unbroadcast);
    length = await writer.finish();
    await file.sync();
  } finally {
    await file.close();
  }
  await files.rename(temporary, path);
  await files.syncDirectory(dirname(path));
  log.info(`Dumped mempool: ${length} bytes dumped to file`);
  return length;
}

/** How a file is read: as the node's own at start, or as a stranger's (importmempool). */
export interface LoadOptions {
  /** Marks the transactions with the present and not with their times. */
  readonly useCurrentTime?: boolean;
  readonly applyFeeDeltas?: boolean;
  readonly applyUnbroadcast?: boolean;
  /** Asked before each transaction; true ends the loading. */
  interrupted?(): boolean;
}

/**
 * Takes the transactions of a file into the mempool, each by all rules.
 * @returns false when there is no such file, it is damaged, or the loading was interrupted.
 */
export async function loadMempool(
  acceptor: MempoolAcceptor,
  path: string,
  dependencies: PersistDependencies,
  options: LoadOptions = {},
): Promise<boolean> {
  const { files, log } = dependencies;
  const file = await files.open(path, "read").catch((error: unknown) => {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  });
  if (file === undefined) {
    log.info("Failed to open mempool file. Continuing anyway.");
    return false;
  }
  try {
    return await new Loading(acceptor, dependencies, options).run(await MempoolFileReader.open(file));
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    log.info(`Failed to deserialize mempool data on file: ${error.message}. Continuing anyway.`);
    return false;
  } finally {
    await file.close();
  }
}

class Loading {
  readonly #acceptor: MempoolAcceptor;
  readonly #mempool: Mempool;
  readonly #dependencies: PersistDependencies;
  readonly #options: LoadOptions;
  #succeeded = 0;
  #failed = 0;
  #expired = 0;
  #alreadyThere = 0;

  constructor(acceptor: MempoolAcceptor, dependencies: PersistDependencies, options: LoadOptions) {
    this.#acceptor = acceptor;
    this.#mempool = acceptor.mempool;
    this.#dependencies = dependencies;
    this.#options = options;
  }

  async run(reader: MempoolFileReader): Promise<boolean> {
    const { log } = this.#dependencies;
    const total = reader.transactionsLeft;
    log.info(`Loading ${total} mempool transactions from file...`);
    let nextTenth = 0;
    for (let tx = await reader.nextTransaction(); tx !== undefined; tx = await reader.nextTransaction()) {
      if (this.#options.interrupted?.() === true) return false;
      const tried = total - reader.transactionsLeft;
      const tenth = Math.floor((10 * tried) / total);
      if (tenth > nextTenth) {
        nextTenth = tenth;
        const progress = `${tenth * 10}% (tried ${tried}, ${reader.transactionsLeft} remaining)`;
        log.info(`Progress loading mempool transactions from file: ${progress}`);
      }
      await this.#take(tx);
    }
    for (const { txid, feeDelta } of await reader.deltas()) this.#prioritise(txid, feeDelta);
    const unbroadcast = await reader.unbroadcast();
    const applied = this.#options.applyUnbroadcast ?? true;
    if (applied) for (const txid of unbroadcast) this.#mempool.addUnbroadcast(txid);
    log.info(
      `Imported mempool transactions from file: ${this.#succeeded} succeeded, ${this.#failed} failed, ` +
        `${this.#expired} expired, ${this.#alreadyThere} already there, ` +
        `${applied ? unbroadcast.length : 0} waiting for initial broadcast`,
    );
    return true;
  }

  async #take({ table, time: savedTime, feeDelta }: SavedTransaction): Promise<void> {
    const now = this.#dependencies.now();
    const time = this.#options.useCurrentTime ? now : savedTime;
    const txid = txidAt(hashTxs(table), 0).slice() as Txid;
    this.#prioritise(txid, feeDelta);
    if (time <= now - this.#mempool.options.expiry) {
      this.#expired++;
      return;
    }
    const { accepted } = await this.#acceptor.accept(table, { time });
    if (accepted) this.#succeeded++;
    else if (this.#mempool.has(txid)) this.#alreadyThere++;
    else this.#failed++;
  }

  #prioritise(txid: Txid, feeDelta: number): void {
    if (feeDelta !== 0 && (this.#options.applyFeeDeltas ?? true)) this.#mempool.prioritise(txid, feeDelta);
  }
}
