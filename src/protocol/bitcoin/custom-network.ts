/** A network of one's own, read from JSON. The format is written down in docs/operating/custom-network.md. */

import { sha256d } from "#base/crypto/sha256.ts";
import { ByteWriter } from "#base/lib/byte-writer.ts";
import { equalBytes, toHex } from "#base/lib/bytes.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import { COIN, MAX_MONEY } from "./amount.ts";
import { HEADER_LENGTH, parseBlock } from "./block-table.ts";
import { buildGenesis, SATOSHI_SCRIPT } from "./genesis.ts";
import { JsonFields } from "./json-fields.ts";
import type { AddressPrefixes, ConsensusRules, Network, VersionbitsDeployment } from "./network.ts";
import { ALWAYS_ACTIVE, NEVER_ACTIVE, NO_TIMEOUT, NO_WORK, TEST_ADDRESSES } from "./network-defaults.ts";

/** Longest description, in characters. */
const MAX_TEXT = 1_000_000;
/** Names that mean a network of Bitcoin Core, by any of their forms. */
const KNOWN_NAMES: ReadonlySet<string> = new Set([
  "main",
  "test",
  "testnet",
  "testnet3",
  "test4",
  "testnet4",
  "signet",
  "regtest",
]);
/** Nonces tried for a genesis block without one, a few seconds: bits of up to some 2^19 hashes are nearly sure to find one. */
const MAX_GENESIS_TRIES = 1 << 21;
const MAX_SCRIPT = 10_000;
const MAX_HEIGHT = 0x7fff_ffff;
const U32 = 0xffff_ffff;

/**
 * The network that a JSON text describes.
 * @throws DecodeError that names the field and what it must be.
 */
export function networkFromJson(text: string): Network {
  if (text.length > MAX_TEXT) throw new DecodeError("the description is too long");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new DecodeError(`not JSON: ${(error as Error).message}`);
  }
  const fields = new JsonFields(value);
  const network = readNetwork(fields);
  fields.end();
  return network;
}

function readNetwork(fields: JsonFields): Network {
  const name = fields.text(
    "name",
    /^[a-z][a-z0-9-]{0,31}$/,
    "lower-case letters, digits and hyphens, at most 32, a letter first",
  );
  if (KNOWN_NAMES.has(name)) fields.fail("name", `"${name}" is a network of Bitcoin's own`);
  const ports = readPorts(fields.object("ports"));
  const consensus = readConsensus(fields);
  const genesis = readGenesis(fields.object("genesis"), name, consensus);
  return {
    name,
    folder: name,
    magic: readMagic(fields, genesis, consensus.signetChallenge),
    ...ports,
    genesis,
    addresses: readAddresses(fields.object("addresses")),
    consensus,
    dnsSeeds: fields.texts("dnsSeeds", 64, /^[A-Za-z0-9.-]{1,253}$/, "the name of a host"),
    minimumChainWork: fields
      .text("minimumChainWork", /^[0-9a-fA-F]{1,64}$/, "at most 64 hex digits", NO_WORK)
      .toLowerCase()
      .padStart(64, "0"),
    assumeValid: fields.has("assumeValid")
      ? fields.text("assumeValid", /^[0-9a-fA-F]{64}$/, "a block hash").toLowerCase()
      : undefined,
    mineBlocksOnDemand: fields.boolean("mineBlocksOnDemand", false),
    acceptNonStandard: fields.boolean("acceptNonStandard", false),
  };
}

function readPorts(fields: JsonFields): { p2pPort: number; rpcPort: number; onionPort: number } {
  const p2pPort = fields.integer("p2p", 1, 65_535);
  const rpcPort = fields.integer("rpc", 1, 65_535, p2pPort - 1);
  const onionPort = fields.integer("onion", 1, 65_535, p2pPort + 1);
  fields.end();
  if (new Set([p2pPort, rpcPort, onionPort]).size !== 3) fields.fail("rpc", "the ports must differ");
  return { p2pPort, rpcPort, onionPort };
}

/** Given, or as Core derives a signet's from its challenge, or from the genesis block. */
function readMagic(fields: JsonFields, genesis: Uint8Array, challenge: string | undefined): Uint8Array {
  if (fields.has("magic")) return fields.bytes("magic", 4, 4);
  fields.take("magic");
  if (challenge === undefined) return sha256d(sha256d(genesis.subarray(0, HEADER_LENGTH))).slice(0, 4);
  const script = fields.bytes("signetChallenge", 1, MAX_SCRIPT);
  return sha256d(new ByteWriter().varBytes(script).finish()).slice(0, 4);
}

function readAddresses(fields: JsonFields): AddressPrefixes {
  const addresses = {
    pubkeyHash: fields.integer("pubkeyHash", 0, 255, TEST_ADDRESSES.pubkeyHash),
    scriptHash: fields.integer("scriptHash", 0, 255, TEST_ADDRESSES.scriptHash),
    secretKey: fields.integer("secretKey", 0, 255, TEST_ADDRESSES.secretKey),
    extendedPublic: readVersion(fields, "extendedPublic", TEST_ADDRESSES.extendedPublic),
    extendedPrivate: readVersion(fields, "extendedPrivate", TEST_ADDRESSES.extendedPrivate),
    bech32: fields.text("bech32", /^[a-z0-9]{1,20}$/, "1 to 20 lower-case letters and digits"),
  };
  fields.end();
  if (addresses.pubkeyHash === addresses.scriptHash) fields.fail("scriptHash", "must differ from pubkeyHash");
  if (addresses.extendedPublic === addresses.extendedPrivate) {
    fields.fail("extendedPrivate", "must differ from extendedPublic");
  }
  return addresses;
}

function readVersion(fields: JsonFields, name: string, fallback: number): number {
  if (!fields.has(name)) return fallback;
  return Number.parseInt(toHex(fields.bytes(name, 4, 4)), 16);
}

function readConsensus(fields: JsonFields): ConsensusRules {
  const pow = fields.object("pow");
  const subsidy = fields.object("subsidy");
  const heights = fields.object("heights");
  const challenge = fields.has("signetChallenge")
    ? toHex(fields.bytes("signetChallenge", 1, MAX_SCRIPT))
    : undefined;
  const powTargetSpacing = pow.integer("targetSpacing", 1, U32, 600);
  const powTargetTimespan = pow.integer("targetTimespan", 1, U32, 2016 * powTargetSpacing);
  if (powTargetTimespan % powTargetSpacing !== 0) {
    pow.fail("targetTimespan", "must be a multiple of targetSpacing");
  }
  const rules: ConsensusRules = {
    powLimit: pow.text("limit", /^[0-9a-fA-F]{64}$/, "64 hex digits").toLowerCase(),
    powAllowMinDifficultyBlocks: pow.boolean("allowMinDifficultyBlocks", false),
    powNoRetargeting: pow.boolean("noRetargeting", false),
    enforceBip94: pow.boolean("enforceBip94", false),
    powTargetSpacing,
    powTargetTimespan,
    subsidyHalvingInterval: subsidy.integer("halvingInterval", 1, MAX_HEIGHT, 210_000),
    initialSubsidy: subsidy.integer("initial", 0, MAX_MONEY, 50 * COIN),
    bip34Height: heights.integer("bip34", 0, MAX_HEIGHT, 1),
    bip34Hash: "",
    bip65Height: heights.integer("bip65", 0, MAX_HEIGHT, 1),
    bip66Height: heights.integer("bip66", 0, MAX_HEIGHT, 1),
    csvHeight: heights.integer("csv", 0, MAX_HEIGHT, 1),
    segwitHeight: heights.integer("segwit", 0, MAX_HEIGHT, 1),
    scriptFlagExceptions: {},
    bip30Exceptions: {},
    deployments: readDeployments(fields.object("deployments"), powTargetTimespan / powTargetSpacing),
    minBip9WarningHeight: heights.integer("minBip9Warning", 0, MAX_HEIGHT, 0),
    signetChallenge: challenge,
  };
  if (/^0+$/.test(rules.powLimit)) pow.fail("limit", "must not be zero");
  if (2 * rules.initialSubsidy * rules.subsidyHalvingInterval > MAX_MONEY) {
    subsidy.fail("initial", "with this halvingInterval more than 21,000,000 coins would come to be");
  }
  for (const part of [pow, subsidy, heights]) part.end();
  return rules;
}

function readDeployments(fields: JsonFields, period: number): Record<string, VersionbitsDeployment> {
  const deployments = {
    testdummy: readDeployment(fields, "testdummy", 28, NEVER_ACTIVE, period),
    taproot: readDeployment(fields, "taproot", 2, ALWAYS_ACTIVE, period),
  };
  fields.end();
  if (deployments.testdummy.bit === deployments.taproot.bit) fields.fail("taproot.bit", "is testdummy's too");
  return deployments;
}

/** `"always"`, `"never"`, or a BIP9 deployment's numbers. */
function readDeployment(
  parent: JsonFields,
  name: string,
  bit: number,
  start: number,
  retargetPeriod: number,
): VersionbitsDeployment {
  const value = parent.take(name) ?? (start === ALWAYS_ACTIVE ? "always" : "never");
  if (value === "always" || value === "never") {
    return {
      bit,
      startTime: value === "always" ? ALWAYS_ACTIVE : NEVER_ACTIVE,
      timeout: NO_TIMEOUT,
      minActivationHeight: 0,
      period: retargetPeriod,
      threshold: Math.ceil(retargetPeriod * 0.9),
    };
  }
  const fields = new JsonFields(value, parent.pathOf(name));
  const period = fields.integer("period", 1, MAX_HEIGHT, retargetPeriod);
  const deployment = {
    bit: fields.integer("bit", 0, 28, bit),
    startTime: fields.integer("startTime", 0, NO_TIMEOUT),
    timeout: fields.integer("timeout", 0, NO_TIMEOUT, NO_TIMEOUT),
    minActivationHeight: fields.integer("minActivationHeight", 0, MAX_HEIGHT, 0),
    period,
    threshold: fields.integer("threshold", 1, period, Math.ceil(period * 0.9)),
  };
  fields.end();
  return deployment;
}

/** The genesis block as it is given in hex, or built from its parts, and mined where it has no nonce. */
function readGenesis(fields: JsonFields, name: string, rules: ConsensusRules): Uint8Array {
  const genesis = fields.has("block") ? readGenesisBlock(fields) : buildFromParts(fields, name, rules);
  fields.end();
  const bits = genesis[72]! + genesis[73]! * 0x100 + genesis[74]! * 0x1_0000 + genesis[75]! * 0x100_0000;
  const at = fields.has("block") ? "block" : "bits";
  const target = targetOf(bits);
  if (target === undefined || compareHex(target, rules.powLimit) > 0) {
    fields.fail(at, "its target must be above zero and at most pow.limit");
  }
  if (compareHex(toHex(sha256d(genesis.subarray(0, HEADER_LENGTH)).reverse()), target) > 0) {
    fields.fail(fields.has("block") ? "block" : "nonce", "the hash does not meet the target");
  }
  return genesis;
}

function readGenesisBlock(fields: JsonFields): Uint8Array {
  const bytes = fields.bytes("block", HEADER_LENGTH + 1, 1_000_000);
  try {
    const block = parseBlock(bytes);
    if (block.txs.txCount !== 1 || !block.txs.isCoinbase(0)) {
      return fields.fail("block", "must hold a coinbase and no other transaction");
    }
    if (block.txs.hasWitness(0)) return fields.fail("block", "its coinbase must have no witness");
    if (block.header.prevHash.some((byte) => byte !== 0)) {
      return fields.fail("block", "must have no previous block");
    }
    if (!equalBytes(block.header.merkleRoot, sha256d(block.txs.raw(0)))) {
      return fields.fail("block", "the Merkle root is not its transaction's");
    }
  } catch (error) {
    if (error instanceof DecodeError && !error.message.startsWith(fields.pathOf("block"))) {
      return fields.fail("block", error.message);
    }
    throw error;
  }
  return bytes;
}

function buildFromParts(fields: JsonFields, name: string, rules: ConsensusRules): Uint8Array {
  const mined = !fields.has("nonce");
  const bits = fields.has("bits")
    ? Number.parseInt(toHex(fields.bytes("bits", 4, 4)), 16)
    : compactOf(rules.powLimit);
  const parts = {
    message: fields.text("message", /^[^\p{Cc}]{1,91}$/u, "a text of at most 91 characters", name),
    script: fields.has("script") ? fields.bytes("script", 0, MAX_SCRIPT) : SATOSHI_SCRIPT,
    version: fields.integer("version", 1, MAX_HEIGHT, 1),
    time: fields.integer("time", 1, U32),
    bits,
    nonce: fields.integer("nonce", 0, U32, 0),
    reward: fields.integer("reward", 0, MAX_MONEY, rules.initialSubsidy),
  };
  let genesis: Uint8Array;
  try {
    genesis = buildGenesis(parts);
  } catch (error) {
    if (error instanceof RangeError) return fields.fail("message", "must be at most 91 bytes");
    throw error;
  }
  return mined ? mineGenesis(fields, genesis, bits) : genesis;
}

/** The first nonce that meets the target: everyone with the same description finds the same block. */
function mineGenesis(fields: JsonFields, genesis: Uint8Array, bits: number): Uint8Array {
  const target = targetOf(bits);
  if (target === undefined) return fields.fail("bits", "its target must be above zero and at most pow.limit");
  const header = genesis.subarray(0, HEADER_LENGTH);
  for (let nonce = 0; nonce < MAX_GENESIS_TRIES; nonce++) {
    header[76] = nonce;
    header[77] = nonce >>> 8;
    header[78] = nonce >>> 16;
    header[79] = nonce >>> 24;
    const hash = sha256d(header);
    // Only a hash with the zeroes of the target's first bytes is worth the text.
    if (hash[31]! > Number.parseInt(target.slice(0, 2), 16)) continue;
    if (compareHex(toHex(hash.reverse()), target) <= 0) return genesis;
  }
  return fields.fail(
    "nonce",
    `none below ${MAX_GENESIS_TRIES} meets the target; give one that does, or easier bits`,
  );
}

/** The target of compact bits in 64 hex digits, `undefined` when it is zero, negative or overflows. */
function targetOf(bits: number): string | undefined {
  const size = bits >>> 24;
  const mantissa = bits & 0x7f_ffff;
  if ((bits & 0x80_0000) !== 0) return undefined;
  const digits = mantissa.toString(16).padStart(6, "0");
  const whole = size <= 3 ? digits.slice(0, 2 * size) : digits + "00".repeat(size - 3);
  const text = whole.replace(/^0+/, "");
  return text === "" || text.length > 64 ? undefined : text.padStart(64, "0");
}

/** Compact bits of a target, rounded down as the retarget does. */
function compactOf(target: string): number {
  let digits = target.replace(/^(00)+/, "");
  if (Number.parseInt(digits.slice(0, 2), 16) >= 0x80) digits = `00${digits}`;
  return digits.length * 0x80_0000 + Number.parseInt(digits.padEnd(6, "0").slice(0, 6), 16);
}

/** Order of two numbers in 64 lower-case hex digits. */
function compareHex(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
