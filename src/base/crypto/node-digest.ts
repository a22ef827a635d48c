/**
 * Hashes of Node's own OpenSSL, the fastest for more than two blocks of input. The only file here that needs
 * `node:crypto` for hashing: a browser build replaces it.
 */
import { createHash, hash } from "node:crypto";

type Algorithm = "sha1" | "sha256";

/**
 * One-shot digest into `out` at `at`. The result comes as a string of char codes (latin1) because that path through Node takes
 * 0.4 µs, against 1.0 for a buffer.
 */
export function nodeDigestInto(algorithm: Algorithm, bytes: Uint8Array, out: Uint8Array, at: number): void {
  const text = hash(algorithm, bytes, "binary");
  for (let i = 0; i < text.length; i++) out[at + i] = text.charCodeAt(i);
}

/** SHA-256 of a message that comes in parts, for messages too large to hold. */
export class Sha256Stream {
  readonly #hash = createHash("sha256");
  readonly #buffer = new Uint8Array(65_536);
  #filled = 0;

  update(bytes: Uint8Array): this {
    if (this.#filled + bytes.length > this.#buffer.length) this.#drain();
    if (bytes.length > this.#buffer.length) {
      this.#hash.update(bytes);
    } else {
      this.#buffer.set(bytes, this.#filled);
      this.#filled += bytes.length;
    }
    return this;
  }

  /** The digest of all parts; the stream cannot go on. */
  digest(): Uint8Array {
    this.#drain();
    return new Uint8Array(this.#hash.digest());
  }

  #drain(): void {
    // One call into OpenSSL for many small parts; it copies nothing it keeps.
    if (this.#filled > 0) this.#hash.update(this.#buffer.subarray(0, this.#filled));
    this.#filled = 0;
  }
}
