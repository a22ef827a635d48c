/** Transactions from the arguments of createrawtransaction (Core's rpc/rawtransaction_util.cpp). */
import { type Json, membersOf } from "#base/lib/json.ts";
import { decodeAddress, isAddressError } from "#protocol/bitcoin/address.ts";
import type { Txid } from "#protocol/bitcoin/hashes.ts";
import type { Network } from "#protocol/bitcoin/network.ts";
import { OP_RETURN } from "#protocol/bitcoin/opcodes.ts";
import { buildScript } from "#protocol/bitcoin/script.ts";
import { SEQUENCE_FINAL, type Transaction, type TransactionOutput } from "#protocol/bitcoin/transaction.ts";
import { parseHash, parseHex } from "./arguments.ts";
import { expectArray, expectInt, expectLong, expectObject, parseAmount, typeName } from "./method.ts";
import { RPC_CODE, RpcError } from "./rpc-error.ts";

/** Highest sequence that says a transaction may be replaced (BIP125). */
const MAX_BIP125_SEQUENCE = 0xffff_fffd;
const MAX_LOCK_TIME = 0xffff_ffff;

const invalid = (text: string): RpcError =>
  new RpcError(RPC_CODE.invalidParameter, `Invalid parameter, ${text}`);

export interface TxArguments {
  readonly inputs: Json;
  readonly outputs: Json;
  readonly lockTime: number;
  /** Undefined: replaceable, unless a given sequence says otherwise. */
  readonly replaceable: boolean | undefined;
  readonly version: number;
}

/** @throws RpcError with Core's texts */
export function buildTransaction(args: TxArguments, network: Network): Transaction {
  if (!Number.isInteger(args.lockTime) || args.lockTime < 0 || args.lockTime > MAX_LOCK_TIME) {
    throw invalid("locktime out of range");
  }
  if (args.version < 1 || args.version > 3) throw invalid("version out of range(1~3)");
  const inputs = expectArray(args.inputs).map((input) => parseInput(input, args));
  const outputs = parseOutputs(args.outputs, network);
  if (
    args.replaceable === true &&
    inputs.length > 0 &&
    !inputs.some((input) => input.sequence <= MAX_BIP125_SEQUENCE)
  ) {
    throw new RpcError(
      RPC_CODE.invalidParameter,
      "Invalid parameter combination: Sequence number(s) contradict replaceable option",
    );
  }
  return { version: args.version, inputs, outputs, lockTime: args.lockTime };
}

function parseInput(value: Json, { lockTime, replaceable }: TxArguments): Transaction["inputs"][number] {
  const input = expectObject(value);
  const txid = parseHash(input["txid"] ?? null, "txid") as Txid;
  if (typeName(input["vout"] ?? null) !== "number") throw invalid("missing vout key");
  const index = expectInt(input["vout"] ?? null);
  if (index < 0) throw invalid("vout cannot be negative");
  let sequence = SEQUENCE_FINAL;
  if (replaceable ?? true) sequence = MAX_BIP125_SEQUENCE;
  else if (lockTime !== 0) sequence = SEQUENCE_FINAL - 1;
  const given = input["sequence"] ?? null;
  if (typeName(given) === "number") {
    sequence = expectLong(given);
    if (sequence < 0 || sequence > SEQUENCE_FINAL) {
      throw invalid("sequence number is out of range");
    }
  }
  return { txid, index, script: new Uint8Array(0), sequence, witness: [] };
}

/** Outputs from an object, or an array of objects with one member each. */
function parseOutputs(value: Json, network: Network): TransactionOutput[] {
  if (value === null) throw invalid("output argument must be non-null");
  const outputs: TransactionOutput[] = [];
  const scripts = new Set<string>();
  let hasData = false;
  for (const [name, content] of outputMembers(value)) {
    if (name === "data") {
      if (hasData) throw invalid("duplicate key: data");
      hasData = true;
      const data = parseHex(content, "Data");
      outputs.push({ value: 0, script: buildScript(OP_RETURN, data) });
      continue;
    }
    const decoded = decodeAddress(name, network);
    if (isAddressError(decoded)) {
      throw new RpcError(RPC_CODE.invalidAddressOrKey, `Invalid Bitcoin address: ${name}`);
    }
    const key = decoded.script.join();
    if (scripts.has(key)) throw invalid(`duplicated address: ${name}`);
    scripts.add(key);
    outputs.push({ value: parseAmount(content), script: decoded.script });
  }
  return outputs;
}

function outputMembers(value: Json): readonly [string, Json][] {
  if (typeName(value) === "object") return membersOf(expectObject(value));
  return expectArray(value).map((item) => {
    if (typeName(item) !== "object") throw invalid("key-value pair not an object as expected");
    const pairs = membersOf(expectObject(item));
    if (pairs.length !== 1) throw invalid("key-value pair must contain exactly one key");
    return pairs[0]!;
  });
}
