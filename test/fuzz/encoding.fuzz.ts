import assert from "node:assert/strict";
import { equalBytes } from "#base/lib/bytes.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import { fromAsm, toAsm } from "#protocol/bitcoin/asm.ts";
import {
  decodeBase58,
  decodeBase58Check,
  encodeBase58,
  encodeBase58Check,
} from "#protocol/bitcoin/base58.ts";
import { decodeBech32, encodeBech32, locateBech32Errors } from "#protocol/bitcoin/bech32.ts";
import { describeScript } from "#protocol/bitcoin/describe-script.ts";
import { regtest } from "#protocol/bitcoin/networks.ts";
import type { FuzzTarget } from "./fuzz.ts";

const network = regtest();
const KEY = "02ff12471208c14bd580709cb2358d98975247d8765f92bc25eab3b2763ed605f8";

const SEEDS = [
  "a12uel5l",
  "abcdef1l7aum6echk45nj3s0wdvt2fg8x9yrzpqzd3ryx",
  "2NEpo7TZRRrLZSi2U",
  "DUP HASH160 0x14 0x0000000000000000000000000000000000000000 EQUALVERIFY CHECKSIG",
  "1 'text' -17 OP_NOP10",
  `0x5121${KEY}21${KEY}52ae`,
];

/** Script bytes too: the same input is read as text and as a script. */
export const target: FuzzTarget = {
  name: "base58, bech32, assembly and scripts",
  seeds: [
    ...SEEDS.map((text) => new TextEncoder().encode(text)),
    fromAsm(SEEDS.at(-1)!),
    fromAsm(SEEDS[3]!),
    fromAsm("0 0x14 0x0000000000000000000000000000000000000000"),
  ],
  run(input) {
    const text = new TextDecoder("latin1").decode(input);
    const bytes = decodeBase58(text, 200);
    if (bytes !== undefined) assert.equal(encodeBase58(bytes), text.trim());
    assert.ok(equalBytes(decodeBase58Check(encodeBase58Check(input), input.length)!, input));
    const bech32 = decodeBech32(text);
    if (bech32 === undefined) locateBech32Errors(text);
    else assert.equal(encodeBech32(bech32.encoding, bech32.prefix, bech32.values), text.toLowerCase());
    checkScript(input);
    checkScript(scriptOf(text));
  },
};

function checkScript(script: Uint8Array): void {
  toAsm(script, true);
  const { type, desc } = describeScript(script, network);
  assert.match(desc, /^(pk|multi|addr|raw|rawtr)\(.*\)#[a-z0-9]{8}$/, type);
}

function scriptOf(text: string): Uint8Array {
  try {
    return fromAsm(text);
  } catch (error) {
    if (error instanceof DecodeError) return new Uint8Array(0);
    throw error;
  }
}
