import { fromHex, toHex } from "#base/lib/bytes.ts";
import type { Txid } from "#protocol/bitcoin/hashes.ts";

/** Fees that prioritisetransaction added, by transaction, whether it is in the mempool or not. */
export class FeeDeltas {
  /** By hex of the txid; never zero. */
  readonly #deltas = new Map<string, number>();

  get count(): number {
    return this.#deltas.size;
  }

  /** Satoshi. */
  of(txid: Uint8Array): number {
    return this.#deltas.size === 0 ? 0 : (this.#deltas.get(toHex(txid)) ?? 0);
  }

  /** Adds to a delta. It stays a safe integer. @returns the sum. */
  add(txid: Uint8Array, delta: number): number {
    const key = toHex(txid);
    const total = clamp((this.#deltas.get(key) ?? 0) + delta, Number.MAX_SAFE_INTEGER);
    if (total === 0) this.#deltas.delete(key);
    else this.#deltas.set(key, total);
    return total;
  }

  clear(txid: Uint8Array): void {
    if (this.#deltas.size > 0) this.#deltas.delete(toHex(txid));
  }

  all(): { txid: Txid; feeDelta: number }[] {
    return [...this.#deltas].map(([key, feeDelta]) => ({ txid: fromHex(key) as Txid, feeDelta }));
  }
}

export function clamp(value: number, limit: number): number {
  return Math.max(-limit, Math.min(limit, value));
}
