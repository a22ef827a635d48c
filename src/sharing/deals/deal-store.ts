/**
 * Deals and receipts on disk. Every change is one synced batch, so that what was told to the other side is never lost;
 * changes asked for at the same time share a sync.
 */
import { concatBytes, hex } from "#base/lib/bytes.ts";
import type { BatchOperation, KeyValueStore } from "#base/store/key-value-store.ts";
import { decodeCbor, encodeCbor } from "#sharing/mesh/cbor.ts";
import type { Deal, DealId, KeptReceipt, ReceiptQuery } from "./deal.ts";

/** A deal with both signatures, and what it came to so far. */
export interface KeptDeal extends Deal {
  readonly buyerSignature: Uint8Array;
  readonly sellerSignature: Uint8Array;
  /** Receipts so far; the next one's sequence. */
  readonly receipts: number;
  /** Sum of the receipts, millisatoshi. */
  readonly earnedMsat: number;
  /** What was paid for them, millisatoshi. */
  readonly paidMsat: number;
}

const DEAL = 0x64; // d: id → deal
const RECEIPT = 0x72; // r: deal, sequence → receipt
const TIME = 0x74; // t: order of arrival → deal, sequence
const STEP = 0x73; // s: name of a step → deal, sequence
const UNSENT = 0x75; // u: deal, sequence → nothing: our signature is still to be sent
const END = new Uint8Array(9).fill(0xff);

/** Receipts read at a time while listing. */
const PAGE = 256;

interface Pending {
  readonly operations: BatchOperation[];
  readonly done: PromiseWithResolvers<void>;
}

export class DealStore {
  readonly #store: KeyValueStore;
  #arrivals: number;
  #pending: Pending | undefined;
  #writing: Promise<void> = Promise.resolve();

  private constructor(store: KeyValueStore, arrivals: number) {
    this.#store = store;
    this.#arrivals = arrivals;
  }

  static async open(store: KeyValueStore): Promise<DealStore> {
    let arrivals = 0;
    for await (const [key] of store.iterate({ ...range(TIME), reverse: true, limit: 1 })) {
      arrivals = Number(new DataView(key.buffer, key.byteOffset).getBigUint64(1)) + 1;
    }
    return new DealStore(store, arrivals);
  }

  async deals(): Promise<KeptDeal[]> {
    const deals: KeptDeal[] = [];
    for await (const [, value] of this.#store.iterate(range(DEAL))) deals.push(decodeCbor(value) as KeptDeal);
    return deals;
  }

  putDeal(deal: KeptDeal): Promise<void> {
    return this.#write([{ type: "put", key: dealKey(deal.id), value: encodeCbor(deal) }]);
  }

  /** Keeps a new receipt and the deal that it changed, as one. */
  addReceipt(deal: KeptDeal, receipt: KeptReceipt, step: Uint8Array): Promise<void> {
    const place = encodeCbor([receipt.deal, receipt.sequence]);
    const isUnsent = receipt.role === "buyer";
    return this.#write([
      { type: "put", key: dealKey(deal.id), value: encodeCbor(deal) },
      ...(isUnsent ? [putUnsent(receipt)] : []),
      { type: "put", key: receiptKey(receipt.deal, receipt.sequence), value: encodeCbor(receipt) },
      { type: "put", key: concatBytes(Uint8Array.of(TIME), u64(this.#arrivals++)), value: place },
      { type: "put", key: concatBytes(Uint8Array.of(STEP), step), value: place },
    ]);
  }

  /** Writes changed receipts and their deal. */
  updateReceipts(deal: KeptDeal, receipts: readonly KeptReceipt[]): Promise<void> {
    return this.#write([
      { type: "put", key: dealKey(deal.id), value: encodeCbor(deal) },
      ...receipts.map(
        (receipt): BatchOperation => ({
          type: "put",
          key: receiptKey(receipt.deal, receipt.sequence),
          value: encodeCbor(receipt),
        }),
      ),
    ]);
  }

  async receipt(deal: DealId, sequence: number): Promise<KeptReceipt | undefined> {
    const value = await this.#store.get(receiptKey(deal, sequence));
    return value === undefined ? undefined : (decodeCbor(value) as KeptReceipt);
  }

  /** The receipt that a step already has. */
  async receiptOfStep(step: Uint8Array): Promise<KeptReceipt | undefined> {
    const place = await this.#store.get(concatBytes(Uint8Array.of(STEP), step));
    if (place === undefined) return undefined;
    const [deal, sequence] = decodeCbor(place) as [DealId, number];
    return await this.receipt(deal, sequence);
  }

  /** Newest first. */
  async list(query: ReceiptQuery): Promise<KeptReceipt[]> {
    const found: KeptReceipt[] = [];
    const limit = query.limit ?? 100;
    for await (const chunk of this.#store.chunks({ ...range(TIME), reverse: true }, PAGE)) {
      const keys = chunk.map(([, place]) => receiptKey(...(decodeCbor(place) as [DealId, number])));
      for (const value of await this.#store.getMany(keys)) {
        if (value === undefined) continue;
        const receipt = decodeCbor(value) as KeptReceipt;
        if (fits(receipt, query)) found.push(receipt);
        if (found.length >= limit) return found;
      }
    }
    return found;
  }

  /** As buyer: receipts that the seller has not got our signature for, oldest first, `limit` at most. */
  async unsent(deal: DealId, limit: number): Promise<KeptReceipt[]> {
    const prefix = concatBytes(Uint8Array.of(UNSENT), hex(deal));
    const keys: Uint8Array[] = [];
    for await (const [key] of this.#store.iterate({ gte: prefix, lt: concatBytes(prefix, END), limit })) {
      keys.push(concatBytes(Uint8Array.of(RECEIPT), key.subarray(1)));
    }
    const values = await this.#store.getMany(keys);
    return values.filter((value) => value !== undefined).map((value) => decodeCbor(value) as KeptReceipt);
  }

  /** The seller has our signatures, and the deal stands as told. */
  sent(deal: KeptDeal, receipts: readonly KeptReceipt[]): Promise<void> {
    return this.#write([
      { type: "put", key: dealKey(deal.id), value: encodeCbor(deal) },
      ...receipts.map(({ sequence }): BatchOperation => ({ type: "del", key: unsentKey(deal.id, sequence) })),
    ]);
  }

  async close(): Promise<void> {
    await this.#writing;
    await this.#store.close();
  }

  /** Joins the batch that waits for the disk; resolves when it is synced. */
  #write(operations: readonly BatchOperation[]): Promise<void> {
    if (this.#pending !== undefined) {
      this.#pending.operations.push(...operations);
      return this.#pending.done.promise;
    }
    const pending: Pending = { operations: [...operations], done: Promise.withResolvers<void>() };
    this.#pending = pending;
    this.#writing = this.#writing.then(async () => {
      this.#pending = undefined;
      await this.#store
        .batch(pending.operations, { sync: true })
        .then(pending.done.resolve, pending.done.reject);
    });
    return pending.done.promise;
  }
}

function fits(receipt: KeptReceipt, query: ReceiptQuery): boolean {
  return (
    (query.peer === undefined || receipt.peer === query.peer) &&
    (query.service === undefined || receipt.service === query.service) &&
    (query.deal === undefined || receipt.deal === query.deal) &&
    (query.role === undefined || receipt.role === query.role)
  );
}

function range(prefix: number): { gte: Uint8Array; lt: Uint8Array } {
  return { gte: Uint8Array.of(prefix), lt: Uint8Array.of(prefix + 1) };
}

function dealKey(id: DealId): Uint8Array {
  return concatBytes(Uint8Array.of(DEAL), hex(id));
}

function receiptKey(deal: DealId, sequence: number): Uint8Array {
  return concatBytes(Uint8Array.of(RECEIPT), hex(deal), u64(sequence));
}

function unsentKey(deal: DealId, sequence: number): Uint8Array {
  return concatBytes(Uint8Array.of(UNSENT), hex(deal), u64(sequence));
}

function putUnsent({ deal, sequence }: KeptReceipt): BatchOperation {
  return { type: "put", key: unsentKey(deal, sequence), value: new Uint8Array(0) };
}

function u64(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value));
  return bytes;
}
