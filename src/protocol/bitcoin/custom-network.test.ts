import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { sha256d } from "#base/crypto/sha256.ts";
import { hex, toHex, toHexReversed } from "#base/lib/bytes.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import { parseBlock } from "./block-table.ts";
import { networkFromJson } from "./custom-network.ts";
import { ALWAYS_ACTIVE, NEVER_ACTIVE, regtest } from "./networks.ts";

const EASY = `7f${"ff".repeat(31)}`;

interface Description {
  [name: string]: unknown;
}

const LEAST: Description = {
  name: "circle",
  ports: { p2p: 18555 },
  genesis: { time: 1_700_000_000 },
  addresses: { bech32: "circ" },
  pow: { limit: EASY },
};

/** A copy with one member changed by its path; `undefined` takes it out. */
function changed(path: string, value: unknown): string {
  const copy = structuredClone(LEAST);
  const names = path.split(".");
  let at = copy;
  for (const name of names.slice(0, -1)) {
    at[name] ??= {};
    at = at[name] as Description;
  }
  at[names.at(-1)!] = value;
  return JSON.stringify(copy);
}

test("the least description: all else has a default", () => {
  const network = networkFromJson(JSON.stringify(LEAST));
  assert.equal(network.name, "circle");
  assert.equal(network.folder, "circle");
  assert.deepEqual([network.p2pPort, network.rpcPort, network.onionPort], [18555, 18554, 18556]);
  const { header, txs } = parseBlock(network.genesis);
  assert.equal(header.bits, 0x207fffff);
  assert.equal(toHex(header.merkleRoot), toHex(sha256d(txs.raw(0))));
  assert.match(new TextDecoder().decode(txs.inputScript(0)), /circle$/);
  const hash = sha256d(network.genesis.subarray(0, 80));
  assert.ok(toHexReversed(hash) <= EASY);
  assert.deepEqual(network.magic, sha256d(hash).slice(0, 4));
  assert.deepEqual(network.consensus.deployments["taproot"], {
    bit: 2,
    startTime: ALWAYS_ACTIVE,
    timeout: Number.MAX_SAFE_INTEGER,
    minActivationHeight: 0,
    period: 2016,
    threshold: 1815,
  });
  assert.equal(network.consensus.deployments["testdummy"]!.startTime, NEVER_ACTIVE);
});

test("the same description gives the same network to everyone", () => {
  assert.deepEqual(networkFromJson(JSON.stringify(LEAST)), networkFromJson(JSON.stringify(LEAST)));
  const other = networkFromJson(changed("name", "other"));
  assert.notDeepEqual(other.magic, networkFromJson(JSON.stringify(LEAST)).magic);
});

test("every field is taken over", () => {
  const block = toHex(regtest().genesis);
  const network = networkFromJson(
    JSON.stringify({
      name: "full-1",
      magic: "0102F3f4",
      ports: { p2p: 1, rpc: 2, onion: 3 },
      genesis: { block },
      addresses: {
        pubkeyHash: 1,
        scriptHash: 2,
        secretKey: 3,
        extendedPublic: "0488b21e",
        extendedPrivate: "0488ade4",
        bech32: "f1",
      },
      pow: {
        limit: EASY.toUpperCase(),
        targetSpacing: 60,
        targetTimespan: 600,
        allowMinDifficultyBlocks: true,
        noRetargeting: true,
        enforceBip94: true,
      },
      subsidy: { initial: 1000, halvingInterval: 500 },
      heights: { bip34: 2, bip65: 3, bip66: 4, csv: 5, segwit: 6, minBip9Warning: 7 },
      deployments: {
        testdummy: { bit: 7, startTime: 10, timeout: 20, minActivationHeight: 30, period: 12, threshold: 9 },
        taproot: "never",
      },
      signetChallenge: "51",
      dnsSeeds: ["seed.example."],
      minimumChainWork: "Ff",
      assumeValid: "AB".repeat(32),
      mineBlocksOnDemand: true,
      acceptNonStandard: true,
    }),
  );
  assert.deepEqual(network, {
    name: "full-1",
    folder: "full-1",
    magic: hex("0102f3f4"),
    p2pPort: 1,
    rpcPort: 2,
    onionPort: 3,
    genesis: regtest().genesis,
    addresses: {
      pubkeyHash: 1,
      scriptHash: 2,
      secretKey: 3,
      extendedPublic: 0x0488_b21e,
      extendedPrivate: 0x0488_ade4,
      bech32: "f1",
    },
    consensus: {
      powLimit: EASY,
      powAllowMinDifficultyBlocks: true,
      powNoRetargeting: true,
      enforceBip94: true,
      powTargetSpacing: 60,
      powTargetTimespan: 600,
      subsidyHalvingInterval: 500,
      initialSubsidy: 1000,
      bip34Height: 2,
      bip34Hash: "",
      bip65Height: 3,
      bip66Height: 4,
      csvHeight: 5,
      segwitHeight: 6,
      scriptFlagExceptions: {},
      bip30Exceptions: {},
      minBip9WarningHeight: 7,
      deployments: {
        testdummy: { bit: 7, startTime: 10, timeout: 20, minActivationHeight: 30, period: 12, threshold: 9 },
        taproot: {
          bit: 2,
          startTime: NEVER_ACTIVE,
          timeout: Number.MAX_SAFE_INTEGER,
          minActivationHeight: 0,
          period: 10,
          threshold: 9,
        },
      },
      signetChallenge: "51",
    },
    dnsSeeds: ["seed.example."],
    minimumChainWork: "ff".padStart(64, "0"),
    assumeValid: "ab".repeat(32),
    mineBlocksOnDemand: true,
    acceptNonStandard: true,
  });
});

test("a signet of one's own has its magic from the challenge", () => {
  assert.deepEqual(networkFromJson(changed("signetChallenge", "51")).magic, sha256d(hex("0151")).slice(0, 4));
});

test("a genesis built from its parts", () => {
  const parts = {
    message: "hello",
    time: 5,
    bits: "207fffff",
    version: 3,
    script: "51",
    reward: 0,
    nonce: 2,
  };
  let network: ReturnType<typeof networkFromJson> | undefined;
  // A given nonce is not searched for: of a few some meets the target, half of all do.
  for (let nonce = 0; network === undefined; nonce++) {
    try {
      network = networkFromJson(changed("genesis", { ...parts, nonce }));
    } catch (error) {
      assert.equal((error as Error).message, "genesis.nonce: the hash does not meet the target");
    }
  }
  const { header, txs } = parseBlock(network.genesis);
  assert.deepEqual([header.version, header.time, header.bits], [3, 5, 0x207fffff]);
  assert.equal(toHex(txs.outputScript(0)), "51");
  assert.equal(txs.value(0), 0);
  assert.match(new TextDecoder().decode(txs.inputScript(0)), /hello$/);
});

/** What is wrong, and the text that says where and what. */
const ERRORS: readonly [string, unknown, string][] = [
  ["name", undefined, "name: must be lower-case letters, digits and hyphens, at most 32, a letter first"],
  ["name", "../up", "name: must be lower-case letters, digits and hyphens, at most 32, a letter first"],
  ["name", "regtest", 'name: "regtest" is a network of Bitcoin\'s own'],
  ["magic", "0102", "magic: must be 4 bytes in hex"],
  ["ports", 5, "ports: must be an object"],
  ["ports.p2p", 0, "ports.p2p: must be a whole number from 1 to 65535"],
  ["ports.p2p", "18555", "ports.p2p: must be a whole number from 1 to 65535"],
  ["ports.rpc", 18555, "ports.rpc: the ports must differ"],
  ["ports.rcp", 1, "ports.rcp: unknown field"],
  ["genesis.time", undefined, "genesis.time: must be a whole number from 1 to 4294967295"],
  ["genesis.bits", "217fffff", "genesis.bits: its target must be above zero and at most pow.limit"],
  ["genesis.bits", "20800000", "genesis.bits: its target must be above zero and at most pow.limit"],
  ["genesis.bits", "00ffffff", "genesis.bits: its target must be above zero and at most pow.limit"],
  ["genesis.message", "x".repeat(92), "genesis.message: must be a text of at most 91 characters"],
  ["genesis.message", "é".repeat(60), "genesis.message: must be at most 91 bytes"],
  ["genesis.block", "00", "genesis.block: must be 81 to 1000000 bytes in hex"],
  ["genesis.block", "00".repeat(100), "genesis.block: Block decode failed: bytes left over"],
  ["addresses.bech32", undefined, "addresses.bech32: must be 1 to 20 lower-case letters and digits"],
  ["addresses.bech32", "BC", "addresses.bech32: must be 1 to 20 lower-case letters and digits"],
  ["addresses.pubkeyHash", 256, "addresses.pubkeyHash: must be a whole number from 0 to 255"],
  ["addresses.scriptHash", 111, "addresses.scriptHash: must differ from pubkeyHash"],
  ["addresses.extendedPublic", "04358394", "addresses.extendedPrivate: must differ from extendedPublic"],
  ["pow.limit", "ff", "pow.limit: must be 64 hex digits"],
  ["pow.limit", "00".repeat(32), "pow.limit: must not be zero"],
  ["pow.targetTimespan", 601, "pow.targetTimespan: must be a multiple of targetSpacing"],
  ["pow.noRetargeting", 1, "pow.noRetargeting: must be true or false"],
  [
    "subsidy.initial",
    50e8 + 1,
    "subsidy.initial: with this halvingInterval more than 21,000,000 coins would come to be",
  ],
  ["heights.segwit", -1, "heights.segwit: must be a whole number from 0 to 2147483647"],
  ["heights.segwit2", 1, "heights.segwit2: unknown field"],
  ["deployments.taproot", "soon", "deployments.taproot: must be an object"],
  [
    "deployments.taproot",
    {},
    "deployments.taproot.startTime: must be a whole number from 0 to 9007199254740991",
  ],
  [
    "deployments.taproot",
    { startTime: 1, period: 10, threshold: 11 },
    "deployments.taproot.threshold: must be a whole number from 1 to 10",
  ],
  ["deployments.taproot", { startTime: 1, bit: 28 }, "deployments.taproot.bit: is testdummy's too"],
  ["deployments.csv", "always", "deployments.csv: unknown field"],
  ["signetChallenge", "", "signetChallenge: must be 1 to 10000 bytes in hex"],
  ["dnsSeeds", "x", "dnsSeeds: must be a list of at most 64 texts"],
  ["dnsSeeds", ["a b"], "dnsSeeds: each must be the name of a host"],
  ["minimumChainWork", "0x1", "minimumChainWork: must be at most 64 hex digits"],
  ["assumeValid", "00", "assumeValid: must be a block hash"],
  ["mineBlocksOnDemand", "yes", "mineBlocksOnDemand: must be true or false"],
  ["coin", "x", "coin: unknown field"],
];

test("errors name the field and what it must be", () => {
  for (const [path, value, message] of ERRORS) {
    assert.throws(
      () => networkFromJson(changed(path, value)),
      (error) => {
        assert.ok(error instanceof DecodeError);
        assert.equal(error.message, message);
        return true;
      },
      `${path} = ${JSON.stringify(value)}`,
    );
  }
});

test("a genesis block that cannot be one", () => {
  const block = regtest().genesis;
  const withByte = (at: number, value: number): string => {
    const copy = block.slice();
    copy[at] = value;
    return changed("genesis", { block: toHex(copy) });
  };
  const refused = (text: string, message: string): void => {
    assert.throws(() => networkFromJson(text), { message });
  };
  refused(withByte(4, 1), "genesis.block: must have no previous block");
  refused(withByte(36, 0), "genesis.block: the Merkle root is not its transaction's");
  refused(withByte(75, 0x1d), "genesis.block: the hash does not meet the target");
  refused(withByte(80, 0), "genesis.block: Block decode failed: bytes left over");
});

test("a text that is no description", () => {
  for (const text of ["", "{", "[]", "null", "5", '"x"'])
    assert.throws(() => networkFromJson(text), DecodeError);
  assert.throws(() => networkFromJson(" ".repeat(1_000_001)), { message: "the description is too long" });
});

test("a genesis too hard to mine asks for a nonce", () => {
  const limit = `00000000ffff${"00".repeat(26)}`;
  assert.throws(() => networkFromJson(changed("pow", { limit })), {
    message: /^genesis\.nonce: none below \d+ meets the target/,
  });
});

test("the example of the documentation is a network", () => {
  const path = join(import.meta.dirname, "../../../docs/operating/custom-network.md");
  const [, example] = /```json\n([^`]*)```/.exec(readFileSync(path, "utf8"))!;
  assert.equal(networkFromJson(example!).name, "our-circle");
});
