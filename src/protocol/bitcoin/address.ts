/** Addresses: the texts of output scripts (Core: key_io.cpp, addresstype.cpp). */

import { concatBytes } from "#base/lib/bytes.ts";
import { decodeBase58, decodeBase58Check, encodeBase58Check } from "./base58.ts";
import { type Bech32Text, convertBits, decodeBech32, encodeBech32, locateBech32Errors } from "./bech32.ts";
import type { Network } from "./network.ts";
import { OP_CHECKSIG, OP_DUP, OP_EQUAL, OP_EQUALVERIFY, OP_HASH160 } from "./opcodes.ts";
import { classifyOutput, type OutputType } from "./output-type.ts";
import { buildScript, smallIntegerOpcode, witnessProgram, witnessVersion } from "./script.ts";

/** OP_DUP OP_HASH160 <hash> OP_EQUALVERIFY OP_CHECKSIG. */
export function payToPubkeyHash(hash: Uint8Array): Uint8Array {
  return buildScript(OP_DUP, OP_HASH160, hash, OP_EQUALVERIFY, OP_CHECKSIG);
}

/** OP_HASH160 <hash> OP_EQUAL (BIP16). */
export function payToScriptHash(hash: Uint8Array): Uint8Array {
  return buildScript(OP_HASH160, hash, OP_EQUAL);
}

/** <version> <program> (BIP141). */
export function payToWitness(version: number, program: Uint8Array): Uint8Array {
  return buildScript(smallIntegerOpcode(version), program);
}

/** <key> OP_CHECKSIG. */
export function payToPubkey(key: Uint8Array): Uint8Array {
  return buildScript(key, OP_CHECKSIG);
}

/** Types of output that have an address. A pay-to-pubkey output has none. */
const ADDRESS_TYPES: ReadonlySet<OutputType> = new Set([
  "pubkeyhash",
  "scripthash",
  "witness_v0_keyhash",
  "witness_v0_scripthash",
  "witness_v1_taproot",
  "witness_unknown",
  "anchor",
]);

/** The address of an output's script on a network, `undefined` where it has none. */
export function encodeAddress(script: Uint8Array, network: Network): string | undefined {
  const { type, solutions } = classifyOutput(script);
  if (!ADDRESS_TYPES.has(type)) return undefined;
  const { pubkeyHash, scriptHash, bech32 } = network.addresses;
  if (type === "pubkeyhash") return encodeBase58Check(concatBytes(Uint8Array.of(pubkeyHash), solutions[0]!));
  if (type === "scripthash") return encodeBase58Check(concatBytes(Uint8Array.of(scriptHash), solutions[0]!));
  const version = witnessVersion(script);
  const values = concatBytes(Uint8Array.of(version), convertBits(witnessProgram(script), 8, 5, true)!);
  return encodeBech32(version === 0 ? "bech32" : "bech32m", bech32, values);
}

/** Why a text is not an address, in Core's words. */
export interface AddressError {
  readonly error: string;
  /** Positions of the characters that a Bech32 checksum shows to be wrong. */
  readonly errorLocations: number[];
}

export interface DecodedAddress {
  readonly script: Uint8Array;
}

export function isAddressError(decoded: DecodedAddress | AddressError): decoded is AddressError {
  return "error" in decoded;
}

/** The output script of an address of a network (Core: `DecodeDestination`). */
export function decodeAddress(text: string, network: Network): DecodedAddress | AddressError {
  const prefix = network.addresses.bech32;
  // Positions count bytes, as Core's do.
  const bytes = toByteText(text);
  if (bytes.slice(0, prefix.length).toLowerCase() !== prefix) return decodeBase58Address(bytes, network);
  const decoded = decodeBech32(bytes);
  if (decoded !== undefined) return decodeWitnessAddress(decoded, prefix);
  const { error, positions } = locateBech32Errors(bytes);
  return { error, errorLocations: positions };
}

function toByteText(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the test is for ASCII
  if (/^[\x00-\x7f]*$/.test(text)) return text;
  return Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join("");
}

function failure(error: string): AddressError {
  return { error, errorLocations: [] };
}

function decodeBase58Address(text: string, network: Network): DecodedAddress | AddressError {
  const { pubkeyHash, scriptHash } = network.addresses;
  const data = decodeBase58Check(text, 21);
  if (data === undefined) {
    return failure(
      decodeBase58(text, 100) === undefined
        ? "Invalid or unsupported Segwit (Bech32) or Base58 encoding."
        : "Invalid checksum or length of Base58 address (P2PKH or P2SH)",
    );
  }
  const hash = data.subarray(1);
  if (data[0] === pubkeyHash && hash.length === 20) return { script: payToPubkeyHash(hash) };
  if (data[0] === scriptHash && hash.length === 20) return { script: payToScriptHash(hash) };
  return failure(
    data[0] === pubkeyHash || data[0] === scriptHash
      ? "Invalid length for Base58 address (P2PKH or P2SH)"
      : "Invalid or unsupported Base58-encoded address.",
  );
}

function decodeWitnessAddress(decoded: Bech32Text, prefix: string): DecodedAddress | AddressError {
  const { encoding, values } = decoded;
  if (values.length === 0) return failure("Empty Bech32 data section");
  if (decoded.prefix !== prefix) {
    return failure(
      `Invalid or unsupported prefix for Segwit (Bech32) address (expected ${prefix}, got ${decoded.prefix}).`,
    );
  }
  const version = values[0]!;
  if (version === 0 && encoding !== "bech32") {
    return failure("Version 0 witness address must use Bech32 checksum");
  }
  if (version !== 0 && encoding !== "bech32m") {
    return failure("Version 1+ witness address must use Bech32m checksum");
  }
  const program = convertBits(values.subarray(1), 5, 8, false);
  if (program === undefined) return failure("Invalid padding in Bech32 data section");
  const size = `${program.length} ${program.length === 1 ? "byte" : "bytes"}`;
  if (version === 0 && program.length !== 20 && program.length !== 32) {
    return failure(`Invalid Bech32 v0 address program size (${size}), per BIP141`);
  }
  if (version > 16) return failure("Invalid Bech32 address witness version");
  if (program.length < 2 || program.length > 40) {
    return failure(`Invalid Bech32 address program size (${size})`);
  }
  return { script: payToWitness(version, program) };
}

/** What `validateaddress` tells of an address by its script (Core: `DescribeAddress`). */
export interface AddressDescription {
  readonly isScript?: boolean;
  readonly isWitness: boolean;
  readonly witnessVersion?: number;
  readonly witnessProgram?: Uint8Array;
}

/** Describes the script of a decoded address. */
export function describeAddress(script: Uint8Array): AddressDescription {
  const { type } = classifyOutput(script);
  if (type === "pubkeyhash") return { isScript: false, isWitness: false };
  if (type === "scripthash") return { isScript: true, isWitness: false };
  if (type === "anchor") return { isScript: true, isWitness: true };
  const witness = {
    isWitness: true,
    witnessVersion: witnessVersion(script),
    witnessProgram: witnessProgram(script),
  };
  // Of a version that nobody knows, nobody knows whether it commits to a script.
  if (type === "witness_unknown") return witness;
  return { isScript: type !== "witness_v0_keyhash", ...witness };
}
