import assert from "node:assert/strict";
import { equalBytes } from "#base/lib/bytes.ts";
import { decodeAddress, describeAddress, encodeAddress, isAddressError } from "#protocol/bitcoin/address.ts";
import { decodeExtendedPrivate, decodeExtendedPublic } from "#protocol/bitcoin/bip32.ts";
import { main, regtest, signet } from "#protocol/bitcoin/networks.ts";
import { decodeWif } from "#protocol/bitcoin/wif.ts";
import type { FuzzTarget } from "./fuzz.ts";

const NETWORKS = [main, signet(), regtest()];

const SEEDS = [
  "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
  "3P14159f73E4gFr7JterCCQh9QjiTjiZrG",
  "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
  "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4",
  "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
  "bcrt1pfeesnyr2tx",
  "tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sl5k7",
  "KwuVvu6hsuEMHrfFWJQV64tRrWX3QzqHH18JuAHYqYV6dqBvNKxd",
  "xpub661MyMwAqRbcFtXgS5sYJABqqG9YLmC4Q1Rdap9gSE8NqtwybGhePY2gZ29ESFjqJoCu1Rupje8YtGqsefD265TMg7usUDFdp6W1EGMcet8",
];

export const target: FuzzTarget = {
  name: "addresses and keys as text",
  seeds: SEEDS.map((text) => new TextEncoder().encode(text)),
  run(input) {
    for (const text of [new TextDecoder().decode(input), new TextDecoder("latin1").decode(input)]) {
      for (const network of NETWORKS) {
        const decoded = decodeAddress(text, network);
        if (isAddressError(decoded)) {
          assert.ok(decoded.errorLocations.every((at) => Number.isInteger(at) && at >= 0));
        } else {
          const again = decodeAddress(encodeAddress(decoded.script, network)!, network);
          assert.ok(!isAddressError(again) && equalBytes(again.script, decoded.script));
          describeAddress(decoded.script);
        }
        decodeWif(text, network);
        decodeExtendedPublic(text, network);
        decodeExtendedPrivate(text, network);
      }
    }
  },
};
