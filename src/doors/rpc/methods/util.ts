/** Methods about addresses, keys, descriptors and signed messages. */
import { isValidPublicKey } from "#base/crypto/keys.ts";
import { hash160, ripemd160, sha256 } from "#base/crypto/sha256.ts";
import { equalBytes, fromHex, toHex } from "#base/lib/bytes.ts";
import type { Json } from "#base/lib/json.ts";
import { Slices } from "#base/lib/slices.ts";
import {
  decodeAddress,
  describeAddress,
  encodeAddress,
  isAddressError,
  payToWitness,
} from "#protocol/bitcoin/address.ts";
import type { Descriptor } from "#protocol/bitcoin/descriptor.ts";
import { descriptorChecksum } from "#protocol/bitcoin/descriptor-checksum.ts";
import { inferDescriptor } from "#protocol/bitcoin/infer-descriptor.ts";
import { signMessage, verifyMessage } from "#protocol/bitcoin/message-signature.ts";
import { multisigOutput, type ScriptAddressType } from "#protocol/bitcoin/multisig.ts";
import type { Network } from "#protocol/bitcoin/network.ts";
import { classifyOutput } from "#protocol/bitcoin/output-type.ts";
import { decodeWif } from "#protocol/bitcoin/wif.ts";
import type { RpcContext } from "../context.ts";
import { descriptorArgument, rangeArgument, scriptsAt, stringsOf } from "../descriptor-arguments.ts";
import type { RpcMethod } from "../method.ts";
import { RPC_CODE, RpcError } from "../rpc-error.ts";

type Method = RpcMethod<RpcContext>;

const validateaddress: Method = {
  name: "validateaddress",
  category: "Util",
  help: "Return information about the given bitcoin address.",
  params: [{ name: "address", type: "string", required: true, help: "The bitcoin address to validate" }],
  result: "An object with isvalid and what the address stands for, or why it is invalid",
  run({ network }, args) {
    const decoded = decodeAddress(args.string("address"), network);
    if (isAddressError(decoded)) {
      return { isvalid: false, error_locations: decoded.errorLocations, error: decoded.error };
    }
    const { script } = decoded;
    const description = describeAddress(script);
    return {
      isvalid: true,
      address: encodeAddress(script, network),
      scriptPubKey: toHex(script),
      isscript: description.isScript,
      iswitness: description.isWitness,
      witness_version: description.witnessVersion,
      witness_program:
        description.witnessProgram === undefined ? undefined : toHex(description.witnessProgram),
    };
  },
};

const getdescriptorinfo: Method = {
  name: "getdescriptorinfo",
  category: "Util",
  help: "Analyses a descriptor.",
  params: [{ name: "descriptor", type: "string", required: true, help: "The descriptor." }],
  result: "An object with the canonical descriptor without private keys, its checksum and its kind",
  run({ network }, args) {
    const text = args.string("descriptor");
    const { descriptors, hasPrivateKeys } = descriptorArgument(text, network, false);
    const [first] = descriptors as [Descriptor, ...Descriptor[]];
    return {
      descriptor: first.toString(),
      multipath_expansion: descriptors.length > 1 ? descriptors.map(String) : undefined,
      checksum: descriptorChecksum(text.split("#", 1)[0]!)!,
      isrange: first.isRange,
      issolvable: first.isSolvable,
      hasprivatekeys: hasPrivateKeys,
    };
  },
};

const deriveaddresses: Method = {
  name: "deriveaddresses",
  category: "Util",
  help: "Derives one or more addresses corresponding to an output descriptor.",
  params: [
    { name: "descriptor", type: "string", required: true, help: "The descriptor." },
    {
      name: "range",
      type: "range",
      help: "If a ranged descriptor is used, this specifies the end or the range (in [begin,end] notation) to derive.",
    },
  ],
  result: "Addresses, or an array of them for each path of a multipath descriptor",
  async run({ network }, args, { signal }) {
    const range = args.has("range") ? rangeArgument(args.value("range")) : undefined;
    const { descriptors } = descriptorArgument(args.string("descriptor"), network, true);
    const [first] = descriptors as [Descriptor, ...Descriptor[]];
    if (!first.isRange && range !== undefined) {
      throw new RpcError(
        RPC_CODE.invalidParameter,
        "Range should not be specified for an un-ranged descriptor",
      );
    }
    if (first.isRange && range === undefined) {
      throw new RpcError(RPC_CODE.invalidParameter, "Range must be specified for a ranged descriptor");
    }
    const all: Json[] = [];
    for (const descriptor of descriptors) {
      all.push(await addressesOf(descriptor, range ?? { begin: 0, end: 0 }, network, signal));
    }
    return all.length === 1 ? all[0]! : all;
  },
};

/** Up to a million addresses: others run in between, and it ends with whoever asked, or with the node. */
async function addressesOf(
  descriptor: Descriptor,
  range: { begin: number; end: number },
  network: Network,
  signal: AbortSignal,
): Promise<Json[]> {
  const addresses: Json[] = [];
  const slices = new Slices();
  for (let position = range.begin; position <= range.end; position++) {
    const scripts = scriptsAt(descriptor, position, "Cannot derive script without private keys");
    for (const script of scripts) {
      const address = encodeAddress(script, network);
      if (address !== undefined) addresses.push(address);
      // combo() has an output to the key itself, which has no address, beside those that do.
      else if (scripts.length === 1 || classifyOutput(script).type !== "pubkey") throw noAddress();
    }
    if (slices.due) await slices.pause();
    if (signal.aborted) throw new RpcError(RPC_CODE.clientNotConnected, "Shutting down");
  }
  if (addresses.length === 0) throw noAddress();
  return addresses;
}

function noAddress(): RpcError {
  return new RpcError(RPC_CODE.invalidAddressOrKey, "Descriptor does not have a corresponding address");
}

/** A public key in hex (Core's HexToPubKey). */
function publicKeyArgument(text: string): Uint8Array {
  const bytes = fromHex(text);
  const refuse = (why: string) => new RpcError(RPC_CODE.invalidAddressOrKey, `Pubkey "${text}" must ${why}`);
  if (bytes === undefined) throw refuse("be a hex string");
  if (bytes.length !== 33 && bytes.length !== 65) throw refuse("have a length of either 33 or 65 bytes");
  if (!isValidPublicKey(bytes)) throw refuse("be cryptographically valid.");
  return bytes;
}

const ADDRESS_TYPES: readonly ScriptAddressType[] = ["legacy", "p2sh-segwit", "bech32"];

const createmultisig: Method = {
  name: "createmultisig",
  category: "Util",
  help: "Creates a multi-signature address with n signatures of m keys required.",
  params: [
    {
      name: "nrequired",
      type: "number",
      required: true,
      help: "The number of required signatures out of the n keys.",
    },
    {
      name: "keys",
      type: "array",
      required: true,
      content: '"key",...',
      help: "The hex-encoded public keys.",
    },
    {
      name: "address_type",
      type: "string",
      default: '"legacy"',
      help: 'The address type to use. Options are "legacy", "p2sh-segwit", and "bech32".',
    },
  ],
  result: '{ "address": "str", "redeemScript": "hex", "descriptor": "str", "warnings": [...] }',
  run({ network }, args) {
    const required = args.int("nrequired");
    const keys = stringsOf(args.value("keys")).map(publicKeyArgument);
    const name = args.string("address_type", "legacy");
    if (name === "bech32m") {
      throw new RpcError(
        RPC_CODE.invalidAddressOrKey,
        "createmultisig cannot create bech32m multisig addresses",
      );
    }
    const type = ADDRESS_TYPES.find((known) => known === name);
    if (type === undefined)
      throw new RpcError(RPC_CODE.invalidAddressOrKey, `Unknown address type '${name}'`);
    const made = multisigOutput(required, keys, type);
    if ("error" in made) throw new RpcError(RPC_CODE.invalidParameter, made.error);
    return {
      address: encodeAddress(made.script, network)!,
      redeemScript: toHex(made.redeemScript),
      descriptor: descriptorOf(made.script, made.redeemScript, network),
      warnings:
        made.type === type
          ? undefined
          : ["Unable to make chosen address type, please ensure no uncompressed public keys are present."],
    };
  },
};

function descriptorOf(script: Uint8Array, redeem: Uint8Array, network: Network): string {
  const known = [redeem, payToWitness(0, sha256(redeem))];
  const find = (hash: Uint8Array) =>
    known.find((inner) => equalBytes(hash160(inner), hash) || equalBytes(ripemd160(sha256(inner)), hash));
  return inferDescriptor(script, network, { script: find }).toString();
}

const signmessagewithprivkey: Method = {
  name: "signmessagewithprivkey",
  category: "Util",
  help: "Sign a message with the private key of an address.",
  params: [
    { name: "privkey", type: "string", required: true, help: "The private key to sign the message with." },
    { name: "message", type: "string", required: true, help: "The message to create a signature of." },
  ],
  result: '"str"    (string) The signature of the message encoded in base 64',
  run({ network }, args) {
    const key = decodeWif(args.string("privkey"), network);
    if (key === undefined) throw new RpcError(RPC_CODE.invalidAddressOrKey, "Invalid private key");
    return signMessage(args.string("message"), key);
  },
};

const verifymessage: Method = {
  name: "verifymessage",
  category: "Util",
  help: "Verify a signed message.",
  params: [
    {
      name: "address",
      type: "string",
      required: true,
      help: "The bitcoin address to use for the signature.",
    },
    {
      name: "signature",
      type: "string",
      required: true,
      help: "The signature provided by the signer in base 64 encoding (see signmessage).",
    },
    { name: "message", type: "string", required: true, help: "The message that was signed." },
  ],
  result: "true|false    (boolean) If the signature is verified or not.",
  run({ network }, args) {
    const outcome = verifyMessage(
      args.string("address"),
      args.string("signature"),
      args.string("message"),
      network,
    );
    switch (outcome) {
      case "invalid-address":
        throw new RpcError(RPC_CODE.invalidAddressOrKey, "Invalid address");
      case "address-without-key":
        throw new RpcError(RPC_CODE.typeError, "Address does not refer to key");
      case "malformed-signature":
        throw new RpcError(RPC_CODE.typeError, "Malformed base64 encoding");
      default:
        return outcome === "ok";
    }
  },
};

export const utilMethods: readonly Method[] = [
  validateaddress,
  getdescriptorinfo,
  deriveaddresses,
  createmultisig,
  signmessagewithprivkey,
  verifymessage,
];
