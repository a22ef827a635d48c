/** Descriptors as arguments (Core's rpc/util.cpp and rpc/output_script.cpp). */
import { hash160 } from "#base/crypto/sha256.ts";
import { equalBytes, toHex } from "#base/lib/bytes.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import type { Json } from "#base/lib/json.ts";
import { Slices } from "#base/lib/slices.ts";
import type { Descriptor } from "#protocol/bitcoin/descriptor.ts";
import { inferDescriptor } from "#protocol/bitcoin/infer-descriptor.ts";
import type { Network } from "#protocol/bitcoin/network.ts";
import { type ParsedDescriptor, parseDescriptor } from "#protocol/bitcoin/parse-descriptor.ts";
import { expectArray, expectLong, expectObject, typeName } from "./method.ts";
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
  if (typeName(value) === "number") end = expectLong(value);
  else if (Array.isArray(value) && value.length === 2 && value.every((item) => typeName(item) === "number")) {
    [begin, end] = value.map(expectLong) as [number, number];
    if (begin > end) throw refuse("Range specified as [begin,end] must not have begin after end");
  } else throw refuse("Range must be specified as end or as [begin,end]");
  if (begin < 0) throw refuse("Range should be greater or equal than 0");
  if (end < 0 || end > 0x7fff_ffff) throw refuse("End of range is too high");
  if (end >= begin + MAX_RANGE_LENGTH) throw refuse("Range is too large");
  return { begin, end };
}

/** Where a script that is scanned for comes from. */
export interface ScanTarget {
  readonly descriptor: Descriptor;
  readonly position: number;
}

/**
 * The scripts (in hex) of scan objects, each a descriptor or `{desc, range}` (Core's EvalDescriptorStringOrObject).
 * Deriving many takes long and lets others run in between.
 */
export async function scanTargets(
  objects: readonly Json[],
  network: Network,
  signal: AbortSignal,
): Promise<Map<string, ScanTarget>> {
  const targets = new Map<string, ScanTarget>();
  const slices = new Slices();
  for (const object of objects) {
    const { text, range } = parseScanObject(object);
    for (const descriptor of descriptorArgument(text, network, false).descriptors) {
      const { begin, end } = descriptor.isRange ? range : { begin: 0, end: 0 };
      for (let position = begin; position <= end; position++) {
        const missing = `Cannot derive script without private keys: '${text}'`;
        for (const script of scriptsAt(descriptor, position, missing)) {
          targets.set(toHex(script), { descriptor, position });
        }
        if (!slices.due) continue;
        await slices.pause();
        if (signal.aborted) return targets;
      }
    }
  }
  return targets;
}

function parseScanObject(object: Json): { text: string; range: { begin: number; end: number } } {
  const usual = { begin: 0, end: DEFAULT_RANGE_END };
  if (typeof object === "string") return { text: object, range: usual };
  if (typeName(object) !== "object") {
    throw new RpcError(RPC_CODE.invalidParameter, "Scan object needs to be either a string or an object");
  }
  const { desc, range } = expectObject(object);
  if (typeof desc !== "string") {
    throw new RpcError(RPC_CODE.invalidParameter, "Descriptor needs to be provided in scan object");
  }
  return { text: desc, range: range === undefined || range === null ? usual : rangeArgument(range) };
}

/** The descriptor of a script that was scanned for, with what its target knows of its keys. */
export function describeTarget(
  script: Uint8Array,
  { descriptor, position }: ScanTarget,
  network: Network,
): string {
  const expansion = descriptor.expand(position);
  const { keys = [], subscripts = [], taproot = [] } = expansion ?? {};
  return inferDescriptor(script, network, {
    publicKey: (hash) => keys.find(({ publicKey }) => equalBytes(hash160(publicKey), hash))?.publicKey,
    origin: (publicKey) => keys.find((key) => equalBytes(key.publicKey, publicKey))?.origin,
    script: (hash) => subscripts.find((inner) => equalBytes(hash160(inner), hash)),
    taproot: (outputKey) => taproot.find((output) => equalBytes(output.outputKey, outputKey)),
  }).toString();
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
