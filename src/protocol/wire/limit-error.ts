import { DecodeError } from "#base/lib/decode-error.ts";

/**
 * A list longer than the protocol allows. It is told apart from other bad bytes because Core punishes it, where
 * it only drops a message that does not parse.
 */
export class LimitError extends DecodeError {
  /** Items announced. */
  readonly count: number;
  readonly limit: number;

  constructor(count: number, limit: number) {
    super(`${count} items, at most ${limit} allowed`);
    this.count = count;
    this.limit = limit;
  }
}
