/** The checksum after `#` of a descriptor (BIP380): a code that finds up to four wrong characters. */

const INPUT_CHARSET =
  "0123456789()[],'/*abcdefgh@:$%{}" +
  "IJKLMNOPQRSTUVWXYZ&+-.;<=>?!^_|~" +
  'ijklmnopqrstuvwxyzABCDEFGH`#"\\ ';
const CHECKSUM_CHARSET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";

const POSITION = new Int16Array(128).fill(-1);
for (let i = 0; i < INPUT_CHARSET.length; i++) POSITION[INPUT_CHARSET.charCodeAt(i)] = i;

/** The generator's multiples, 40 bits each as the upper and lower 20. */
const GENERATOR: readonly (readonly [number, number])[] = [
  [0xf5dee, 0x51989],
  [0xa9fdc, 0xa3312],
  [0x1bab1, 0x0e32d],
  [0x3706b, 0x1677a],
  [0x644d6, 0x26ffd],
];

/** A remainder of 40 bits, in halves that fit a 32-bit integer. */
class Remainder {
  #high = 0;
  #low = 1;

  feed(value: number): void {
    const top = this.#high >> 15;
    this.#high = ((this.#high & 0x7fff) << 5) | (this.#low >> 15);
    this.#low = ((this.#low & 0x7fff) << 5) ^ value;
    for (let i = 0; i < 5; i++) {
      if (((top >> i) & 1) === 0) continue;
      this.#high ^= GENERATOR[i]![0];
      this.#low ^= GENERATOR[i]![1];
    }
  }

  text(): string {
    const low = this.#low ^ 1;
    let text = "";
    for (let i = 3; i >= 0; i--) text += CHECKSUM_CHARSET[(this.#high >> (5 * i)) & 31];
    for (let i = 3; i >= 0; i--) text += CHECKSUM_CHARSET[(low >> (5 * i)) & 31];
    return text;
  }
}

/** The eight characters for a descriptor without `#`, `undefined` when it holds a character that none may. */
export function descriptorChecksum(text: string): string | undefined {
  const remainder = new Remainder();
  let groups = 0;
  let count = 0;
  for (let i = 0; i < text.length; i++) {
    const position = POSITION[text.charCodeAt(i)] ?? -1;
    if (position < 0) return undefined;
    remainder.feed(position & 31);
    groups = groups * 3 + (position >> 5);
    count++;
    if (count === 3) {
      remainder.feed(groups);
      groups = 0;
      count = 0;
    }
  }
  if (count > 0) remainder.feed(groups);
  for (let i = 0; i < 8; i++) remainder.feed(0);
  return remainder.text();
}

/** A descriptor with its checksum. @throws RangeError when it holds a character that none may. */
export function addChecksum(text: string): string {
  const checksum = descriptorChecksum(text);
  if (checksum === undefined) throw new RangeError("Invalid characters in payload");
  return `${text}#${checksum}`;
}

/** The part before `#` and the checksum it must have, or what is wrong in Core's words (`CheckChecksum`). */
export function splitChecksum(
  text: string,
  required = false,
): { payload: string; checksum: string } | { error: string } {
  const parts = text.split("#");
  const [payload = "", given] = parts;
  if (parts.length > 2) return { error: "Multiple '#' symbols" };
  if (given === undefined && required) return { error: "Missing checksum" };
  if (given !== undefined && byteLength(given) !== 8) {
    return { error: `Expected 8 character checksum, not ${byteLength(given)} characters` };
  }
  const checksum = descriptorChecksum(payload);
  if (checksum === undefined) return { error: "Invalid characters in payload" };
  if (given !== undefined && given !== checksum) {
    return { error: `Provided checksum '${given}' does not match computed checksum '${checksum}'` };
  }
  return { payload, checksum };
}

function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}
