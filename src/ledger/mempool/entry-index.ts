import { equalBytes } from "#base/lib/bytes.ts";
import type { Random } from "#base/lib/random.ts";
import type { TxTable } from "#protocol/bitcoin/tx-table.ts";
import type { MempoolEntry } from "./mempool-entry.ts";
import { SlotIndex } from "./slot-index.ts";

/** The mempool's entries by slot, txid, wtxid and spent outpoint. */
export class EntryIndex {
  readonly #entries: (MempoolEntry | undefined)[] = [];
  readonly #byTxid: SlotIndex;
  readonly #byWtxid: SlotIndex;
  readonly #bySpent: SlotIndex;

  constructor(random: Random) {
    this.#byTxid = new SlotIndex(32, random, (slot, bytes, at) => startsAt(bytes, at, this.at(slot).txid));
    this.#byWtxid = new SlotIndex(32, random, (slot, bytes, at) => startsAt(bytes, at, this.at(slot).wtxid));
    this.#bySpent = new SlotIndex(36, random, (slot, bytes, at) => spends(this.at(slot).table, bytes, at));
  }

  /** The entry of a slot that is taken. */
  at(slot: number): MempoolEntry {
    return this.#entries[slot]!;
  }

  /** Slot of a txid, −1 when it is not here. */
  slotOf(txid: Uint8Array): number {
    return this.#byTxid.get(txid);
  }

  byTxid(txid: Uint8Array): MempoolEntry | undefined {
    return this.#entries[this.#byTxid.get(txid)];
  }

  byWtxid(wtxid: Uint8Array): MempoolEntry | undefined {
    return this.#entries[this.#byWtxid.get(wtxid)];
  }

  /** Who spends the outpoint (36 bytes) at `at`. */
  spender(outpoint: Uint8Array, at: number): MempoolEntry | undefined {
    return this.#entries[this.#bySpent.get(outpoint, at)];
  }

  *all(): IterableIterator<MempoolEntry> {
    for (const entry of this.#entries) if (entry !== undefined) yield entry;
  }

  add(entry: MempoolEntry): void {
    const { slot, table } = entry;
    this.#entries[slot] = entry;
    this.#byTxid.add(slot, entry.txid);
    this.#byWtxid.add(slot, entry.wtxid);
    for (let input = 0; input < table.inputCount(0); input++) {
      this.#bySpent.add(slot, table.bytes, table.outpoint(input));
    }
  }

  /** Puts an entry in the place of another of the same transaction. */
  replace(entry: MempoolEntry): void {
    this.#entries[entry.slot] = entry;
  }

  delete(entry: MempoolEntry): void {
    const { table } = entry;
    for (let input = 0; input < table.inputCount(0); input++) {
      this.#bySpent.delete(table.bytes, table.outpoint(input));
    }
    this.#byTxid.delete(entry.txid);
    this.#byWtxid.delete(entry.wtxid);
    this.#entries[entry.slot] = undefined;
  }
}

function startsAt(bytes: Uint8Array, at: number, hash: Uint8Array): boolean {
  for (let i = 0; i < hash.length; i++) if (bytes[at + i] !== hash[i]) return false;
  return true;
}

function spends(table: TxTable, bytes: Uint8Array, at: number): boolean {
  const outpoint = bytes.subarray(at, at + 36);
  for (let input = 0; input < table.inputCount(0); input++) {
    const own = table.outpoint(input);
    if (equalBytes(table.bytes.subarray(own, own + 36), outpoint)) return true;
  }
  return false;
}
