import { chacha20Keystream } from "./chacha20.ts";
import { sha256 } from "./sha256.ts";

const BITS = 3072;
const BYTES = BITS / 8;
/** The modulus is 2^3072 − this, the largest 3072-bit safe prime. */
const GAP = 1_103_717n;
const MODULUS = (1n << 3072n) - GAP;

/**
 * Hash of a set, in any order of insertions and removals: Core's MuHash3072 (crypto/muhash.cpp). Each element
 * becomes a 3072-bit number; the set is the product of those inserted over the product of those removed.
 * An insertion takes about 6 µs.
 */
export class MuHash3072 {
  #numerator = 1n;
  #denominator = 1n;

  insert(element: Uint8Array): void {
    this.#numerator = multiply(this.#numerator, toNumber(element));
  }

  remove(element: Uint8Array): void {
    this.#denominator = multiply(this.#denominator, toNumber(element));
  }

  /** Numerator and denominator, 384 bytes each, little-endian, as Core serialises them. */
  serialize(): Uint8Array {
    const bytes = new Uint8Array(2 * BYTES);
    bytes.set(toBytes(this.#numerator));
    bytes.set(toBytes(this.#denominator), BYTES);
    return bytes;
  }

  /** The set that {@link serialize} wrote. @param bytes 768 of them. */
  static deserialize(bytes: Uint8Array): MuHash3072 {
    const hash = new MuHash3072();
    hash.#numerator = fromBytes(bytes.slice(0, BYTES));
    hash.#denominator = fromBytes(bytes.slice(BYTES, 2 * BYTES));
    return hash;
  }

  /** The hash of the set, 32 bytes. The set can change on. */
  finalize(): Uint8Array {
    this.#numerator = multiply(this.#numerator, inverse(this.#denominator));
    this.#denominator = 1n;
    return sha256(toBytes(this.#numerator));
  }
}

/** The number of an element: ChaCha20's keystream under the element's SHA-256, little-endian. */
function toNumber(element: Uint8Array): bigint {
  return fromBytes(chacha20Keystream(sha256(element), BYTES));
}

/** Reads little-endian; reverses `bytes` in place. Through hex, V8's fastest way to a large BigInt. */
function fromBytes(bytes: Uint8Array): bigint {
  bytes.reverse();
  return BigInt(`0x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex")}`);
}

function toBytes(value: bigint): Uint8Array {
  const reduced = value % MODULUS;
  return new Uint8Array(Buffer.from(reduced.toString(16).padStart(2 * BYTES, "0"), "hex")).reverse();
}

/** Product below 2^3072, not always below the modulus: 2^3072 ≡ GAP, so the high half folds onto the low one. */
function multiply(a: bigint, b: bigint): bigint {
  let product = a * b;
  while (product >> 3072n !== 0n) {
    product = BigInt.asUintN(BITS, product) + (product >> 3072n) * GAP;
  }
  return product;
}

/** Modular inverse by Euclid's algorithm; the modulus is prime and no factor is a multiple of it. */
function inverse(value: bigint): bigint {
  let [r0, r1] = [MODULUS, value % MODULUS];
  let [t0, t1] = [0n, 1n];
  while (r1 !== 0n) {
    const quotient = r0 / r1;
    [r0, r1] = [r1, r0 - quotient * r1];
    [t0, t1] = [t1, t0 - quotient * t1];
  }
  return t0 < 0n ? t0 + MODULUS : t0;
}
