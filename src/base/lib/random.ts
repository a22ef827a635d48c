/** Randomness is handed in, so that a simulation can be run again from its seed. */
export interface Random {
  /** Fills `bytes` and returns it. */
  fill(bytes: Uint8Array): Uint8Array;
  /** An integer in 0 … limit − 1; limit at most 2^32. */
  below(limit: number): number;
}

/** The operating system's randomness, fit for keys. */
export const secureRandom: Random = {
  fill(bytes) {
    for (let at = 0; at < bytes.length; at += 65_536) {
      crypto.getRandomValues(bytes.subarray(at, Math.min(bytes.length, at + 65_536)));
    }
    return bytes;
  },
  below(limit) {
    const word = new Uint32Array(1);
    const bound = Math.floor(0x1_0000_0000 / limit) * limit;
    do crypto.getRandomValues(word);
    while (word[0]! >= bound);
    return word[0]! % limit;
  },
};

/** xoshiro128**: the same sequence for the same seed. For tests and simulations, never for keys. */
export class SeededRandom implements Random {
  readonly #state = new Uint32Array(4);

  constructor(seed: number) {
    // splitmix32 spreads the seed over the state, which must not be all zero.
    let x = seed >>> 0;
    for (let i = 0; i < 4; i++) {
      x = (x + 0x9e37_79b9) >>> 0;
      let z = x;
      z = Math.imul(z ^ (z >>> 16), 0x85eb_ca6b);
      z = Math.imul(z ^ (z >>> 13), 0xc2b2_ae35);
      this.#state[i] = z ^ (z >>> 16);
    }
  }

  u32(): number {
    const s = this.#state;
    const x = Math.imul(s[1]!, 5);
    const result = Math.imul((x << 7) | (x >>> 25), 9) >>> 0;
    const t = s[1]! << 9;
    s[2]! ^= s[0]!;
    s[3]! ^= s[1]!;
    s[1]! ^= s[2]!;
    s[0]! ^= s[3]!;
    s[2]! ^= t;
    s[3] = (s[3]! << 11) | (s[3]! >>> 21);
    return result;
  }

  below(limit: number): number {
    return Math.floor((this.u32() / 0x1_0000_0000) * limit);
  }

  fill(bytes: Uint8Array): Uint8Array {
    for (let i = 0; i < bytes.length; i++) bytes[i] = this.u32() >>> 24;
    return bytes;
  }
}
