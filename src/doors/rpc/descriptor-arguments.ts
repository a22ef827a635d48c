/** Descriptors as arguments (Core's rpc/util.cpp and rpc/output_script.cpp). */
import { DecodeError } from "#base/lib/decode-error.ts";
import type { Json } from "#base/lib/json.ts";
import type { Descriptor } from "#protocol/bitcoin/descriptor.ts";
import type { Network } from "#protocol/bitcoin/network.ts";
import { type ParsedDescriptor, parseDescriptor } from "#protocol/bitcoin/parse-descriptor.ts";
import { expectArray, expectObject, typeName } from "./method.ts";
import { RPC_CODE, RpcError } from "./rpc-error.ts";

/** Range of a scan object that gives none. */
const DEFAULT_RANGE_END = 1000;
const MAX_RANGE_LENGTH = 1_000_000;

/** @throws RpcError −5 with Core's text */
export function descriptorArgument(
  text: string,
  network: Network,
  requireChecksum: boolean,
): ParsedDescriptor {
  try {
    return parseDescriptor(text, network, requireChecksum);
  } catch (error) {
    if (error instanceof DecodeError) throw new RpcError(RPC_CODE.invalidAddressOrKey, error.message);
    throw error;
  }
}

/** A range `end` or `[begin, end]`, both inclusive (Core's ParseDescriptorRange). */
export function rangeArgument(value: Json): { begin: number; end: number } {
  const refuse = (text: string) => new RpcError(RPC_CODE.invalidParameter, text);
  let begin = 0;
  let end: number;
  if (typeof value === "number") end = value;
  else if (Array.isArray(value) && value.length === 2 && value.every((item) => typeof item === "number")) {
    [begin, end] = value as [number, number];
    if (begin > end) throw refuse("Range specified as [begin,end] must not have begin after end");
  } else throw refuse("Range must be specified as end or as [begin,end]");
  if (begin < 0) throw refuse("Range should be greater or equal than 0");
  if (end < 0 || end > 0x7fff_ffff) throw refuse("End of range is too high");
  if (end >= begin + MAX_RANGE_LENGTH) throw refuse("Range is too large");
  return { begin, end };
}

/** The scripts of a scan object: a descriptor, or `{desc, range}` (Core's EvalDescriptorStringOrObject). */
export function* expandScanObject(object: Json, network: Network): Generator<Uint8Array> {
  let text: Json;
  let range = { begin: 0, end: DEFAULT_RANGE_END };
  if (typeof object === "string") text = object;
  else if (typeName(object) === "object") {
    const { desc, range: given } = expectObject(object);
    if (typeof desc !== "string") {
      throw new RpcError(RPC_CODE.invalidParameter, "Descriptor needs to be provided in scan object");
    }
    text = desc;
    if (given !== undefined && given !== null) range = rangeArgument(given);
  } else {
    throw new RpcError(RPC_CODE.invalidParameter, "Scan object needs to be either a string or an object");
  }
  for (const descriptor of descriptorArgument(text, network, false).descriptors) {
    const { begin, end } = descriptor.isRange ? range : { begin: 0, end: 0 };
    for (let position = begin; position <= end; position++) {
      yield* scriptsAt(descriptor, position, `Cannot derive script without private keys: '${text}'`);
    }
  }
}

/** The output scripts at a position. @throws RpcError −5 with `missing` where private keys would be needed */
export function scriptsAt(descriptor: Descriptor, position: number, missing: string): readonly Uint8Array[] {
  const expansion = descriptor.expand(position);
  if (expansion === undefined) throw new RpcError(RPC_CODE.invalidAddressOrKey, missing);
  return expansion.scripts;
}

/** Items of an argument that must be an array of strings. */
export function stringsOf(value: Json): string[] {
  return expectArray(value).map((item) => {
    if (typeof item === "string") return item;
    throw new RpcError(
      RPC_CODE.typeError,
      `JSON value of type ${typeName(item)} is not of expected type string`,
    );
  });
}
