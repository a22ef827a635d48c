/** The txids of a block, for telling which inputs spend outputs of the same block. */
export class TxidSet {
  readonly #txids: DataView;
  /** Transaction number plus one; the place follows from the txid's first word and a secret odd factor. */
  readonly #places: Int32Array;
  readonly #factor: number;
  readonly #shift: number;

  /**
   * @param txids 32 bytes each, end to end.
   * @param factor a secret odd number of 32 bits, so that nobody can make txids collide.
   */
  constructor(txids: Uint8Array, factor: number) {
    this.#txids = new DataView(txids.buffer, txids.byteOffset, txids.byteLength);
    this.#factor = factor;
    const count = txids.byteLength / 32;
    const bits = Math.ceil(Math.log2(2 * count + 2));
    this.#shift = 32 - bits;
    this.#places = new Int32Array(2 ** bits);
    for (let tx = 0; tx < count; tx++) {
      let place = this.#placeOf(this.#txids, 32 * tx);
      while (this.#places[place] !== 0) place = (place + 1) & (this.#places.length - 1);
      this.#places[place] = tx + 1;
    }
  }

  #placeOf(view: DataView, at: number): number {
    return Math.imul(view.getInt32(at, true), this.#factor) >>> this.#shift;
  }

  /** Whether the txid at `view[at]` is one of them. */
  has(view: DataView, at: number): boolean {
    const places = this.#places;
    for (let place = this.#placeOf(view, at); ; place = (place + 1) & (places.length - 1)) {
      const tx = places[place]! - 1;
      if (tx < 0) return false;
      if (equalWords(this.#txids, 32 * tx, view, at)) return true;
    }
  }
}

function equalWords(a: DataView, atA: number, b: DataView, atB: number): boolean {
  for (let i = 0; i < 32; i += 4) if (a.getInt32(atA + i, true) !== b.getInt32(atB + i, true)) return false;
  return true;
}
