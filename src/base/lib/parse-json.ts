/**
 * JSON as Core's UniValue reads it: an object in which a name stands twice answers with the first and keeps all
 * (`membersOf`), numbers that a double cannot hold keep their text, nesting is bounded, and half a surrogate pair
 * is no text. All else is as the language's own parser has it.
 */
import { type Json, JsonNumber, type JsonObject, keepRepeated } from "./json.ts";

/** Most arrays and objects inside each other (UniValue's MAX_JSON_DEPTH). */
const MAX_DEPTH = 512;

const BLANK = /[ \t\n\r]*/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WHOLE = /^-?\d+$/;
const QUOTE = '"';

/** The value of a text, with integers beyond 2^53 and numbers beyond a double as `JsonNumber`. @throws SyntaxError */
export function parseJson(text: string): Json {
  return new JsonParser(text, false).parse();
}

/** The value of a text, with every number as it was written. @throws SyntaxError */
export function parseExact(text: string): Json {
  return new JsonParser(text, true).parse();
}

class JsonParser {
  readonly #text: string;
  readonly #exact: boolean;
  #at = 0;

  constructor(text: string, exact: boolean) {
    this.#text = text;
    this.#exact = exact;
  }

  parse(): Json {
    const value = this.#value(0);
    if (this.#peek() !== "") throw this.#unexpected();
    return value;
  }

  #value(depth: number): Json {
    switch (this.#peek()) {
      case "{":
        return this.#object(depth + 1);
      case "[":
        return this.#array(depth + 1);
      case QUOTE:
        return this.#string();
      case "n":
        return this.#word("null", null);
      case "t":
        return this.#word("true", true);
      case "f":
        return this.#word("false", false);
      default:
        return this.#number();
    }
  }

  #array(depth: number): Json[] {
    this.#open(depth);
    const items: Json[] = [];
    if (this.#take("]")) return items;
    do items.push(this.#value(depth));
    while (this.#take(","));
    this.#expect("]");
    return items;
  }

  #object(depth: number): JsonObject {
    this.#open(depth);
    const object: JsonObject = {};
    if (this.#take("}")) return object;
    const members: [string, Json][] = [];
    let repeats = false;
    do {
      if (this.#peek() !== QUOTE) throw this.#unexpected();
      const name = this.#string();
      this.#expect(":");
      const value = this.#value(depth);
      members.push([name, value]);
      if (Object.hasOwn(object, name)) repeats = true;
      // An assignment to __proto__ would make no member.
      else if (name === "__proto__") Object.defineProperty(object, name, { ...OWN, value });
      else object[name] = value;
    } while (this.#take(","));
    this.#expect("}");
    if (repeats) keepRepeated(object, members);
    return object;
  }

  /** Steps over the bracket that begins an array or object. */
  #open(depth: number): void {
    if (depth > MAX_DEPTH) throw new SyntaxError(`more than ${MAX_DEPTH} levels of nesting`);
    this.#at++;
  }

  #string(): string {
    const start = this.#at;
    let end = start;
    do {
      end = this.#text.indexOf(QUOTE, end + 1);
      if (end < 0) throw this.#unexpected();
    } while (this.#isEscaped(end));
    this.#at = end + 1;
    const string = JSON.parse(this.#text.slice(start, this.#at)) as string;
    if (!string.isWellFormed()) throw new SyntaxError("half a surrogate pair");
    return string;
  }

  /** Whether an odd number of backslashes stands before a place. */
  #isEscaped(at: number): boolean {
    let before = at - 1;
    while (this.#text[before] === "\\") before--;
    return (at - before) % 2 === 0;
  }

  #number(): Json {
    NUMBER.lastIndex = this.#at;
    const source = NUMBER.exec(this.#text)?.[0];
    if (source === undefined) throw this.#unexpected();
    this.#at += source.length;
    if (this.#exact) return new JsonNumber(source);
    const value = Number(source);
    const isHeld = Number.isFinite(value) && (Number.isSafeInteger(value) || !WHOLE.test(source));
    return isHeld ? value : new JsonNumber(source);
  }

  #word<T>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) throw this.#unexpected();
    this.#at += word.length;
    return value;
  }

  /** The next character that is no blank; "" at the end. */
  #peek(): string {
    BLANK.lastIndex = this.#at;
    BLANK.test(this.#text);
    this.#at = BLANK.lastIndex;
    return this.#text.charAt(this.#at);
  }

  #take(character: string): boolean {
    if (this.#peek() !== character) return false;
    this.#at++;
    return true;
  }

  #expect(character: string): void {
    if (!this.#take(character)) throw this.#unexpected();
  }

  #unexpected(): SyntaxError {
    return new SyntaxError(`unexpected ${this.#text.charAt(this.#at) || "end"} at ${this.#at}`);
  }
}

const OWN = { enumerable: true, configurable: true, writable: true } as const;
