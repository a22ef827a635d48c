/** Methods that sign transactions with keys that the caller gives. */
import { hash160, sha256 } from "#base/crypto/sha256.ts";
import { equalBytes, toHex, toHexReversed } from "#base/lib/bytes.ts";
import type { Json, JsonObject } from "#base/lib/json.ts";
import { payToScriptHash, payToWitness } from "#protocol/bitcoin/address.ts";
import { type Prevouts, prevoutsOf } from "#protocol/bitcoin/prevouts.ts";
import { isPayToScriptHash, isPayToWitnessScriptHash } from "#protocol/bitcoin/script.ts";
import { SighashMidstates } from "#protocol/bitcoin/sighash.ts";
import { InputSigner, inputItems } from "#protocol/bitcoin/sign-input.ts";
import { SigningProvider } from "#protocol/bitcoin/signing-provider.ts";
import {
  encodeTransaction,
  type Transaction,
  tableOf,
  transactionAt,
} from "#protocol/bitcoin/transaction.ts";
import type { TxTable } from "#protocol/bitcoin/tx-table.ts";
import { decodeWif } from "#protocol/bitcoin/wif.ts";
import { verifyScript } from "#protocol/consensus/interpreter.ts";
import { scriptErrorText } from "#protocol/consensus/script-error.ts";
import { TxSignatureChecker } from "#protocol/consensus/signature-checker.ts";
import { STANDARD_SCRIPT_VERIFY_FLAGS } from "#protocol/policy/policy-flags.ts";
import { outpointBytes, parseHash, parseHex } from "../arguments.ts";
import type { RpcContext } from "../context.ts";
import { decodeHexTx } from "../decode-tx.ts";
import { expectInt, expectObject, expectString, parseAmount, type RpcMethod, typeName } from "../method.ts";
import { RPC_CODE, RpcError } from "../rpc-error.ts";
import { decodeTxArgument } from "./rawtransactions.ts";

type Method = RpcMethod<RpcContext>;

const SIGHASH_TYPES: Readonly<Record<string, number>> = {
  DEFAULT: 0,
  ALL: 1,
  NONE: 2,
  SINGLE: 3,
  "ALL|ANYONECANPAY": 0x81,
  "NONE|ANYONECANPAY": 0x82,
  "SINGLE|ANYONECANPAY": 0x83,
};

/** A known spent output: from the mempool, the chain, or the caller. */
interface KnownPrevout {
  readonly script: Uint8Array;
  /** Undefined when the caller gave none. */
  readonly amount: number | undefined;
}

/** The outputs that a transaction's inputs spend, by input; undefined where unknown or spent. */
async function findPrevouts(
  { chain, mempool }: RpcContext,
  table: TxTable,
): Promise<(KnownPrevout | undefined)[]> {
  return chain.lock.run(async () => {
    const outpoints = Array.from({ length: table.inputTotal }, (_, i) =>
      table.bytes.slice(table.outpoint(i), table.outpoint(i) + 36),
    );
    await chain.coins.prefetch(outpoints);
    return outpoints.map((outpoint, i): KnownPrevout | undefined => {
      const parent = mempool.get(table.prevTxid(i))?.table;
      if (parent === undefined) return chain.coins.get(outpoint);
      const index = table.prevIndex(i);
      if (index >= parent.outputCount(0)) return undefined;
      return { script: parent.outputScript(index), amount: parent.value(index) };
    });
  });
}

/** Fills in what the caller says of outputs, and the scripts behind them. */
function addGivenPrevouts(
  given: readonly Json[],
  table: TxTable,
  known: (KnownPrevout | undefined)[],
  provider: SigningProvider,
): void {
  for (const item of given) {
    const prevout = expectObject(item);
    for (const name of ["txid", "vout", "scriptPubKey"]) {
      if (prevout[name] === undefined) throw new RpcError(RPC_CODE.typeError, `Missing ${name}`);
    }
    const outpoint = outpointBytes(parseHash(prevout["txid"]!, "txid"), parseIndex(prevout["vout"]!));
    const script = parseHex(prevout["scriptPubKey"]!, "scriptPubKey");
    const amount = prevout["amount"] === undefined ? undefined : parseAmount(prevout["amount"]);
    addScripts(prevout, script, provider);
    for (let i = 0; i < table.inputTotal; i++) {
      const spent = table.bytes.subarray(table.outpoint(i), table.outpoint(i) + 36);
      if (toHex(spent) !== toHex(outpoint)) continue;
      const before = known[i];
      if (before !== undefined && toHex(before.script) !== toHex(script)) {
        throw new RpcError(
          RPC_CODE.deserialization,
          `Previous output scriptPubKey mismatch:\n${toHex(before.script)}\nvs:\n${toHex(script)}`,
        );
      }
      known[i] = { script, amount };
    }
  }
}

function parseIndex(value: Json): number {
  if (typeName(value) !== "number")
    throw new RpcError(RPC_CODE.typeError, "JSON value is not an integer as expected");
  const index = expectInt(value);
  if (index < 0) throw new RpcError(RPC_CODE.deserialization, "vout cannot be negative");
  return index;
}

/** Takes the scripts behind a P2SH or P2WSH output, which must fit it (Core's ParsePrevouts). */
function addScripts(prevout: JsonObject, outer: Uint8Array, provider: SigningProvider): void {
  const isScriptHash = isPayToScriptHash(outer);
  if (!isScriptHash && !isPayToWitnessScriptHash(outer)) return;
  const redeem = prevout["redeemScript"];
  const witness = prevout["witnessScript"];
  if (redeem === undefined && witness === undefined) {
    throw new RpcError(RPC_CODE.invalidParameter, "Missing redeemScript/witnessScript");
  }
  const script =
    witness === undefined ? parseHex(redeem ?? null, "redeemScript") : parseHex(witness, "witnessScript");
  const witnessOutput = payToWitness(0, sha256(script));
  if (witness !== undefined && redeem !== undefined) {
    if (!equalBytes(parseHex(redeem, "redeemScript"), witnessOutput)) {
      throw new RpcError(RPC_CODE.invalidParameter, "redeemScript does not correspond to witnessScript");
    }
  }
  const fitting = isScriptHash
    ? [payToScriptHash(hash160(script)), payToScriptHash(hash160(witnessOutput))]
    : [witnessOutput];
  if (!fitting.some((candidate) => equalBytes(candidate, outer))) {
    throw new RpcError(RPC_CODE.invalidParameter, "redeemScript/witnessScript does not match scriptPubKey");
  }
  provider.addScript(script);
  provider.addScript(witnessOutput);
}

const signrawtransactionwithkey: Method = {
  name: "signrawtransactionwithkey",
  category: "Rawtransactions",
  help: "Sign inputs for raw transaction (serialized, hex-encoded) with the given private keys.",
  params: [
    { name: "hexstring", type: "string", required: true, help: "The transaction hex string" },
    {
      name: "privkeys",
      type: "array",
      required: true,
      content: '"privatekey",...',
      help: "The base58-encoded private keys for signing",
    },
    {
      name: "prevtxs",
      type: "array",
      content:
        '{"txid":"hex","vout":n,"scriptPubKey":"hex","redeemScript":"hex","witnessScript":"hex","amount":amount},...',
      help: "The previous dependent transaction outputs",
    },
    {
      name: "sighashtype",
      type: "string",
      default: '"DEFAULT for Taproot, ALL otherwise"',
      help: `The signature hash type, one of ${Object.keys(SIGHASH_TYPES).join(", ")}`,
    },
  ],
  result: '{ "hex": "hex", "complete": true|false, "errors": [...] }',
  async run(context, args) {
    const table = decodeTxArgument(args.value("hexstring"), true);
    const provider = new SigningProvider();
    for (const item of args.array("privkeys")) {
      const key = decodeWif(expectString(item), context.network);
      if (key === undefined) throw new RpcError(RPC_CODE.invalidAddressOrKey, "Invalid private key");
      provider.addSecret(key.secret, key.compressed);
    }
    const known = await findPrevouts(context, table);
    if (args.has("prevtxs")) addGivenPrevouts(args.array("prevtxs"), table, known, provider);
    return signTransaction(table, known, provider, sighashType(args.value("sighashtype")));
  },
};

function sighashType(value: Json): number | undefined {
  if (value === null) return undefined;
  const type = SIGHASH_TYPES[expectString(value)];
  if (type === undefined) {
    throw new RpcError(
      RPC_CODE.invalidParameter,
      `'${expectString(value)}' is not a valid sighash parameter.`,
    );
  }
  return type;
}

function signTransaction(
  table: TxTable,
  known: readonly (KnownPrevout | undefined)[],
  provider: SigningProvider,
  hashType: number | undefined,
): JsonObject {
  const prevouts = prevoutsOf(
    known.map((prevout) => ({ amount: prevout?.amount ?? 0, script: prevout?.script ?? NO_SCRIPT })),
  );
  const signer = new InputSigner({ table, prevouts, provider, hashType });
  const transaction = transactionAt(table, 0);
  const inputs = transaction.inputs.map((input, i) => {
    const isSingle = hashType !== undefined && (hashType & 0x1f) === 3;
    if (known[i] === undefined || (isSingle && i >= table.outputTotal)) return input;
    return { ...input, ...signer.sign(i, inputItems(table, i)) };
  });
  const signed: Transaction = { ...transaction, inputs };
  const errors = inputErrors(signed, known, prevouts);
  return {
    hex: toHex(encodeTransaction(signed)),
    complete: errors.length === 0,
    errors: errors.length === 0 ? undefined : errors,
  };
}

const NO_SCRIPT = new Uint8Array(0);

function inputErrors(
  signed: Transaction,
  known: readonly (KnownPrevout | undefined)[],
  prevouts: Prevouts,
): Json[] {
  const midstates = new SighashMidstates(tableOf(signed), 0, prevouts);
  return signed.inputs.flatMap((input, i): Json[] => {
    const error = inputError(input, known[i], prevouts, midstates, i);
    if (error === undefined) return [];
    return [
      {
        txid: toHexReversed(input.txid),
        vout: input.index,
        witness: input.witness.map((item) => toHex(item)),
        scriptSig: toHex(input.script),
        sequence: input.sequence,
        error,
      },
    ];
  });
}

function inputError(
  input: Transaction["inputs"][number],
  known: KnownPrevout | undefined,
  prevouts: Prevouts,
  midstates: SighashMidstates,
  index: number,
): string | undefined {
  if (known === undefined) return "Input not found or already spent";
  if (known.amount === undefined && input.witness.length > 0) return "Missing amount";
  const checker = new TxSignatureChecker(midstates, index, prevouts.amount(index));
  const error = verifyScript(
    input.script,
    known.script,
    input.witness,
    STANDARD_SCRIPT_VERIFY_FLAGS,
    checker,
  );
  if (error === undefined) return undefined;
  if (error === "INVALID_STACK_OPERATION") {
    return "Unable to sign input, invalid stack size (possibly missing key)";
  }
  if (error === "SIG_NULLFAIL") {
    return "CHECK(MULTI)SIG failing with non-zero signature (possibly need more signatures)";
  }
  return scriptErrorText(error);
}

const combinerawtransaction: Method = {
  name: "combinerawtransaction",
  category: "Rawtransactions",
  help: "Combine multiple partially signed transactions into one transaction.",
  params: [
    {
      name: "txs",
      type: "array",
      required: true,
      content: '"hexstring",...',
      help: "The hex strings of partially signed transactions",
    },
  ],
  result: '"hex"    (string) The hex-encoded raw transaction with signature(s)',
  async run(context, args) {
    const tables = args.array("txs").map((text, i) => {
      const table = decodeHexTx(expectString(text), true);
      if (table !== undefined) return table;
      throw new RpcError(
        RPC_CODE.deserialization,
        `TX decode failed for tx ${i}. Make sure the tx has at least one input.`,
      );
    });
    const [first] = tables;
    if (first === undefined) throw new RpcError(RPC_CODE.invalidParameter, "Missing transactions");
    const known = await findPrevouts(context, first);
    if (known.some((prevout) => prevout === undefined)) {
      throw new RpcError(RPC_CODE.verifyError, "Input not found or already spent");
    }
    const prevouts = prevoutsOf(
      known.map((prevout) => ({ amount: prevout?.amount ?? 0, script: prevout?.script ?? NO_SCRIPT })),
    );
    const signer = new InputSigner({
      table: first,
      prevouts,
      provider: new SigningProvider(),
      hashType: undefined,
    });
    const transaction = transactionAt(first, 0);
    const inputs = transaction.inputs.map((input, i) => {
      const others = tables.filter((table) => i < table.inputTotal);
      return {
        ...input,
        ...signer.sign(
          i,
          others.flatMap((table) => inputItems(table, i)),
        ),
      };
    });
    return toHex(encodeTransaction({ ...transaction, inputs }));
  },
};

export const signingMethods: readonly Method[] = [signrawtransactionwithkey, combinerawtransaction];
