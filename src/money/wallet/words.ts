/** The words that stand for a seed (BIP39, English list). */
import { pbkdf2 } from "node:crypto";
import { promisify } from "node:util";
import { entropyToMnemonic, mnemonicToEntropy } from "@scure/bip39";
import { wordlist } from "@scure/bip39/wordlists/english.js";
import type { Random } from "#base/lib/random.ts";

const stretch = promisify(pbkdf2);

/** Bytes of entropy behind 24 words. */
const ENTROPY_LENGTH = 32;
const KNOWN: ReadonlySet<string> = new Set(wordlist);
/** Counts of words that BIP39 knows. */
const COUNTS: readonly number[] = [12, 15, 18, 21, 24];

/** Entropy of a new wallet: 32 bytes, 24 words. */
export function newEntropy(random: Random): Uint8Array {
  return random.fill(new Uint8Array(ENTROPY_LENGTH));
}

/** @param entropy 16 to 32 bytes in steps of four */
export function wordsOfEntropy(entropy: Uint8Array): string {
  return entropyToMnemonic(entropy, wordlist);
}

/** Words as typed, in the one form that BIP39 hashes: lower case, one space between. */
function normaliseWords(text: string): string {
  return text.normalize("NFKD").trim().toLowerCase().split(/\s+/).join(" ");
}

/** Why a text is no seed's words, `undefined` where it is. The reason repeats no word but an unknown one's place. */
export function whyNotWords(text: string): string | undefined {
  const words = normaliseWords(text).split(" ");
  if (!COUNTS.includes(words.length)) return `a seed has 12, 15, 18, 21 or 24 words, not ${words.length}`;
  const unknown = words.findIndex((word) => !KNOWN.has(word));
  if (unknown >= 0) return `word ${unknown + 1} is not in the BIP39 list`;
  try {
    mnemonicToEntropy(words.join(" "), wordlist);
    return undefined;
  } catch {
    return "the checksum in the last word is wrong: a word is mistaken, missing or out of order";
  }
}

/** @throws Error where {@link whyNotWords} names a reason */
export function entropyOfWords(text: string): Uint8Array {
  const reason = whyNotWords(text);
  if (reason !== undefined) throw new Error(reason);
  return mnemonicToEntropy(normaliseWords(text), wordlist);
}

/** BIP39 seed of words, 64 bytes; without a 25th word. */
export async function seedOfWords(words: string): Promise<Uint8Array> {
  return new Uint8Array(await stretch(normaliseWords(words), "mnemonic", 2048, 64, "sha512"));
}
