/**
 * The outputs that a table's inputs spend, one slot for each input of the table, in its order. Scripts lie end
 * to end in one arena, so that a block's prevouts reach a worker in three buffers. A coinbase's slot stays empty.
 */
export class Prevouts {
  /** Satoshi by input. */
  readonly amounts: Float64Array;
  /** Where each input's script starts in {@link scripts}; one more entry than inputs. */
  readonly offsets: Int32Array;
  readonly scripts: Uint8Array;

  constructor(amounts: Float64Array, offsets: Int32Array, scripts: Uint8Array) {
    this.amounts = amounts;
    this.offsets = offsets;
    this.scripts = scripts;
  }

  amount(input: number): number {
    return this.amounts[input]!;
  }

  /** The script that the spent output was locked with, a view. */
  script(input: number): Uint8Array {
    return this.scripts.subarray(this.offsets[input]!, this.offsets[input + 1]!);
  }
}

/** Prevouts from values, for a single transaction or a test. */
export function prevoutsOf(
  outputs: readonly { readonly amount: number; readonly script: Uint8Array }[],
): Prevouts {
  const builder = new PrevoutsBuilder(outputs.length);
  for (const { amount, script } of outputs) builder.add(amount, script);
  return builder.finish();
}

/** Collects prevouts in input order. */
export class PrevoutsBuilder {
  readonly #amounts: Float64Array;
  readonly #offsets: Int32Array;
  #scripts: Uint8Array;
  #count = 0;

  constructor(inputTotal: number) {
    this.#amounts = new Float64Array(inputTotal);
    this.#offsets = new Int32Array(inputTotal + 1);
    this.#scripts = new Uint8Array(Math.max(64, inputTotal * 32));
  }

  /** The next input's prevout; the script is copied from `source` between `start` and `end`. */
  add(amount: number, source: Uint8Array, start = 0, end = source.length): void {
    const at = this.#offsets[this.#count]!;
    const after = at + end - start;
    if (after > this.#scripts.length) {
      const grown = new Uint8Array(Math.max(after, this.#scripts.length * 2));
      grown.set(this.#scripts.subarray(0, at));
      this.#scripts = grown;
    }
    for (let i = start, to = at; i < end; i++, to++) this.#scripts[to] = source[i]!;
    this.#amounts[this.#count] = amount;
    this.#count++;
    this.#offsets[this.#count] = after;
  }

  /** An input that spends nothing (a coinbase's). */
  skip(): void {
    this.add(0, this.#scripts, 0, 0);
  }

  finish(): Prevouts {
    const used = this.#offsets[this.#count]!;
    return new Prevouts(this.#amounts, this.#offsets, this.#scripts.subarray(0, used));
  }
}
