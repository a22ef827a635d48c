import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { hex, toHex } from "#base/lib/bytes.ts";
import { bitcoreVector, NO_SHARED, sharedVector } from "../../../test/vectors/vectors.ts";
import { decodeAddress, describeAddress, encodeAddress, isAddressError } from "./address.ts";
import { encodeBase58Check } from "./base58.ts";
import type { Network } from "./network.ts";
import { main, regtest, signet, testnet3, testnet4 } from "./networks.ts";
import { decodeWif, encodeWif } from "./wif.ts";

const NETWORKS: Readonly<Record<string, Network>> = {
  main,
  test: testnet3,
  testnet4,
  signet: signet(),
  regtest: regtest(),
};

interface KeyRow {
  chain: string;
  isPrivkey: boolean;
  isCompressed?: boolean;
  tryCaseFlip?: boolean;
}

const validPath = sharedVector("core/key_io_valid.json");
const invalidPath = sharedVector("core/key_io_invalid.json");

test("key_io_valid.json", { skip: validPath === undefined && NO_SHARED }, (t) => {
  const rows = JSON.parse(readFileSync(validPath!, "utf8")) as [string, string, KeyRow][];
  for (const [text, payload, row] of rows) {
    const network = NETWORKS[row.chain]!;
    if (row.isPrivkey) checkKey(text, payload, row.isCompressed!, network);
    else checkAddress(text, payload, row.tryCaseFlip ?? false, network);
  }
  t.diagnostic(`${rows.length} rows`);
});

function checkKey(text: string, secret: string, compressed: boolean, network: Network): void {
  const key = decodeWif(text, network)!;
  assert.deepEqual({ secret: toHex(key.secret), compressed: key.compressed }, { secret, compressed });
  assert.equal(encodeWif({ secret: hex(secret), compressed }, network), text);
  assert.ok(isAddressError(decodeAddress(text, network)));
}

function checkAddress(text: string, script: string, flipCase: boolean, network: Network): void {
  const decoded = decodeAddress(text, network);
  assert.ok(!isAddressError(decoded), text);
  assert.equal(toHex(decoded.script), script);
  assert.equal(encodeAddress(hex(script), network), text);
  assert.equal(decodeWif(text, network), undefined);
  const flipped = [...text].map((c) => (c === c.toLowerCase() ? c.toUpperCase() : c.toLowerCase())).join("");
  const other = decodeAddress(flipped, network);
  assert.equal(!isAddressError(other), flipCase, flipped);
  if (!isAddressError(other)) assert.equal(toHex(other.script), script);
}

test("key_io_invalid.json", { skip: invalidPath === undefined && NO_SHARED }, (t) => {
  const rows = JSON.parse(readFileSync(invalidPath!, "utf8")) as [string][];
  for (const [text] of rows) assertInvalid(text);
  t.diagnostic(`${rows.length} rows`);
});

function assertInvalid(text: string): void {
  for (const network of Object.values(NETWORKS)) {
    assert.ok(isAddressError(decodeAddress(text, network)), `${text} on ${network.name}`);
    assert.equal(decodeWif(text, network), undefined, `${text} on ${network.name}`);
  }
}

test("base58_keys_valid.json of an older Core", (t) => {
  const rows = JSON.parse(readFileSync(bitcoreVector("bitcoind/base58_keys_valid.json"), "utf8")) as [
    string,
    string,
    { isPrivkey: boolean; isTestnet: boolean; isCompressed?: boolean; addrType?: string },
  ][];
  for (const [text, payload, row] of rows) {
    const network = row.isTestnet ? testnet3 : main;
    if (row.isPrivkey) checkKey(text, payload, row.isCompressed!, network);
    else {
      const script = row.addrType === "pubkey" ? `76a914${payload}88ac` : `a914${payload}87`;
      checkAddress(text, script, false, network);
    }
  }
  t.diagnostic(`${rows.length} rows`);
});

test("base58_keys_invalid.json of an older Core", (t) => {
  const rows = JSON.parse(readFileSync(bitcoreVector("bitcoind/base58_keys_invalid.json"), "utf8")) as [
    string,
  ][];
  for (const [text] of rows) assertInvalid(text);
  t.diagnostic(`${rows.length} rows`);
});

const LONG = Array.from({ length: 18 }, (_, i) => 90 + i);

/** As Core's functional test rpc_invalid_address_message.py has them. */
const ERRORS: readonly [string, string, number[]][] = [
  [
    "bcrt1s0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7v8n0nx0muaewav25430mtr",
    "Invalid Bech32 address program size (41 bytes)",
    [],
  ],
  [
    "bc1pw508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7k7grplx",
    "Invalid or unsupported Segwit (Bech32) or Base58 encoding.",
    [],
  ],
  [
    "bcrt1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqdmchcc",
    "Version 1+ witness address must use Bech32m checksum",
    [],
  ],
  ["bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7k35mrzd", "Version 0 witness address must use Bech32 checksum", []],
  [
    "bcrt130xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqynjegk",
    "Invalid Bech32 address witness version",
    [],
  ],
  [
    "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kqqq5k3my",
    "Invalid Bech32 v0 address program size (21 bytes), per BIP141",
    [],
  ],
  [
    "bcrt1q049edschfnwystcqnsvyfpj23mpsg3jcedq9xv049edschfnwystcqnsvyfpj23mpsg3jcedq9xv049edschfnwystcqnsvyfpj23m",
    "Bech32 string too long",
    LONG,
  ],
  ["bcrt1q049edschfnwystcqnsvyfpj23mpsg3jcedq9xv", "Invalid Bech32 checksum", [9]],
  ["bcrt1qax9suht3qv95sw33xavx8crpxduefdrsvgsklu", "Invalid Bech32 checksum", [22, 43]],
  ["BCRT1QPLMTZKC2XHARPPZDLNPAQL78RSHJ68U32RAH7R", "Invalid Bech32 checksum", [38]],
  ["bcrtq049ldschfnwystcqnsvyfpj23mpsg3jcedq9xv", "Missing separator", []],
  ["bcrt1q04oldschfnwystcqnsvyfpj23mpsg3jcedq9xv", "Invalid Base 32 character", [8]],
  ["bcrt1qdg3myrgvzw7ml8q0ejxhlkyxn7vl9r56yzkfgvzclrf4hkpx9yfqhpsuks", "Invalid Bech32 checksum", [19, 30]],
  ["bcrt1ptmp74ayg7p24uslctssvjm06q5phz4yrxucgnv", "Invalid Bech32 checksum", [5]],
  ["17VZNX1SN5NtKa8UQFxwQbFeFc3iqRYhem", "Invalid or unsupported Base58-encoded address.", []],
  ["mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJJfn", "Invalid checksum or length of Base58 address (P2PKH or P2SH)", []],
  [
    "2VKf7XKMrp4bVNVmuRbyCewkP8FhGLP2E54LHDPakr9Sq5mtU2",
    "Invalid checksum or length of Base58 address (P2PKH or P2SH)",
    [],
  ],
  ["asfah14i8fajz0123f", "Invalid or unsupported Segwit (Bech32) or Base58 encoding.", []],
  ["", "Invalid or unsupported Segwit (Bech32) or Base58 encoding.", []],
];

test("errors in Core's words, with the places of wrong characters", () => {
  const network = regtest();
  for (const [text, error, errorLocations] of ERRORS) {
    const expected = { error, errorLocations };
    // An empty text is Base58 of no bytes.
    if (text === "") expected.error = "Invalid checksum or length of Base58 address (P2PKH or P2SH)";
    assert.deepEqual(decodeAddress(text, network), expected, text);
  }
});

test("errors that Core's test has for the main network", () => {
  const rows: readonly [string, string, number[]][] = [
    [
      "tc1qw508d6qejxtdg4y5r3zarvary0c5xw7kg3g4ty",
      "Invalid or unsupported Segwit (Bech32) or Base58 encoding.",
      [],
    ],
    ["bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5", "Invalid Bech32 checksum", [41]],
    [
      "BC13W508D6QEJXTDG4Y5R3ZARVARY0C5XW7KN40WF2",
      "Version 1+ witness address must use Bech32m checksum",
      [],
    ],
    [
      "BC1QR508D6QEJXTDG4Y5R3ZARVARYV98GJ9P",
      "Invalid Bech32 v0 address program size (16 bytes), per BIP141",
      [],
    ],
    ["BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3t4", "Invalid character or mixed case", [40]],
    ["bc1gmk9yu", "Empty Bech32 data section", []],
    ["bc1pw5dgrnzv", "Invalid Bech32 address program size (1 byte)", []],
    ["bc1é", "Invalid character or mixed case", [3, 4]],
  ];
  for (const [text, error, errorLocations] of rows) {
    assert.deepEqual(decodeAddress(text, main), { error, errorLocations }, text);
  }
});

test("a hash of another length under a known prefix", () => {
  for (const prefix of [main.addresses.pubkeyHash, main.addresses.scriptHash]) {
    const text = encodeBase58Check(Uint8Array.of(prefix, ...new Uint8Array(19)));
    const error = "Invalid length for Base58 address (P2PKH or P2SH)";
    assert.deepEqual(decodeAddress(text, main), { error, errorLocations: [] });
  }
});

test("scripts without an address have none", () => {
  for (const script of ["6a00", "51", "", `2102${"11".repeat(32)}ac`, "00030102ff"]) {
    assert.equal(encodeAddress(hex(script), main), undefined, script);
  }
});

test("pay to anchor has an address", () => {
  assert.equal(encodeAddress(hex("51024e73"), main), "bc1pfeessrawgf");
  assert.equal(encodeAddress(hex("51024e73"), regtest()), "bcrt1pfeesnyr2tx");
  assert.deepEqual(describeAddress(hex("51024e73")), { isScript: true, isWitness: true });
});

test("what validateaddress tells of each type", () => {
  const program = new Uint8Array(32).fill(7);
  const version = (opcode: number, bytes: Uint8Array): Uint8Array =>
    Uint8Array.of(opcode, bytes.length, ...bytes);
  assert.deepEqual(describeAddress(hex(`76a914${"00".repeat(20)}88ac`)), {
    isScript: false,
    isWitness: false,
  });
  assert.deepEqual(describeAddress(hex(`a914${"00".repeat(20)}87`)), { isScript: true, isWitness: false });
  const key = { isScript: false, isWitness: true, witnessVersion: 0, witnessProgram: program.slice(0, 20) };
  assert.deepEqual(describeAddress(version(0, program.slice(0, 20))), key);
  const script = { isScript: true, isWitness: true, witnessVersion: 0, witnessProgram: program };
  assert.deepEqual(describeAddress(version(0, program)), script);
  assert.deepEqual(describeAddress(version(0x51, program)), { ...script, witnessVersion: 1 });
  const unknown = { isWitness: true, witnessVersion: 2, witnessProgram: program };
  assert.deepEqual(describeAddress(version(0x52, program)), unknown);
});
