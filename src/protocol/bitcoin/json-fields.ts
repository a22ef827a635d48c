import { fromHex } from "#base/lib/bytes.ts";
import { DecodeError } from "#base/lib/decode-error.ts";

/**
 * The members of a JSON object from outside, each taken once and checked; errors name the member by its path.
 * {@link end} refuses what was not asked for, so that a misspelt member is found.
 */
export class JsonFields {
  readonly #members: ReadonlyMap<string, unknown>;
  readonly #path: string;
  readonly #taken = new Set<string>();

  /** @throws DecodeError when `value` is not an object. */
  constructor(value: unknown, path = "") {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new DecodeError(`${path === "" ? "the description" : path}: must be an object`);
    }
    this.#members = new Map(Object.entries(value));
    this.#path = path;
  }

  /** A member's path, such as `ports.p2p`. */
  pathOf(name: string): string {
    return this.#path === "" ? name : `${this.#path}.${name}`;
  }

  fail(name: string, why: string): never {
    throw new DecodeError(`${this.pathOf(name)}: ${why}`);
  }

  has(name: string): boolean {
    return this.#members.get(name) !== undefined;
  }

  /** Names of all members. */
  names(): string[] {
    return [...this.#members.keys()];
  }

  take(name: string): unknown {
    this.#taken.add(name);
    return this.#members.get(name);
  }

  /** The members of a member; of an empty object when it is absent. */
  object(name: string): JsonFields {
    return new JsonFields(this.take(name) ?? {}, this.pathOf(name));
  }

  /** A whole number in `least` … `most`. */
  integer(name: string, least: number, most: number, fallback?: number): number {
    const value = this.take(name) ?? fallback;
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < least || value > most) {
      return this.fail(name, `must be a whole number from ${least} to ${most}`);
    }
    return value;
  }

  boolean(name: string, fallback: boolean): boolean {
    const value = this.take(name) ?? fallback;
    return typeof value === "boolean" ? value : this.fail(name, "must be true or false");
  }

  /** A text that matches; `form` says in words how it must look. */
  text(name: string, pattern: RegExp, form: string, fallback?: string): string {
    const value = this.take(name) ?? fallback;
    if (typeof value !== "string" || !pattern.test(value)) return this.fail(name, `must be ${form}`);
    return value;
  }

  /** Bytes in hex, `least` to `most` of them. */
  bytes(name: string, least: number, most: number): Uint8Array {
    const value = this.take(name);
    const bytes = typeof value === "string" ? fromHex(value) : undefined;
    if (bytes === undefined || bytes.length < least || bytes.length > most) {
      const size = least === most ? `${least}` : `${least} to ${most}`;
      return this.fail(name, `must be ${size} bytes in hex`);
    }
    return bytes;
  }

  /** Texts that match, at most `most` of them; none when absent. */
  texts(name: string, most: number, pattern: RegExp, form: string): string[] {
    const value = this.take(name) ?? [];
    if (!Array.isArray(value) || value.length > most) {
      return this.fail(name, `must be a list of at most ${most} texts`);
    }
    for (const item of value) {
      if (typeof item !== "string" || !pattern.test(item)) this.fail(name, `each must be ${form}`);
    }
    return value;
  }

  /** @throws DecodeError when there is a member that nobody asked for. */
  end(): void {
    for (const name of this.#members.keys()) if (!this.#taken.has(name)) this.fail(name, "unknown field");
  }
}
