/** Methods about transactions by their bytes. */
import { equalBytes, toHex, toHexReversed } from "#base/lib/bytes.ts";
import type { Json, JsonObject } from "#base/lib/json.ts";
import type { HeaderNode } from "#ledger/chain/header-node.ts";
import type { AcceptResult } from "#ledger/mempool/accept.ts";
import { COIN } from "#protocol/bitcoin/amount.ts";
import { parseBlock } from "#protocol/bitcoin/block-table.ts";
import { describeScript } from "#protocol/bitcoin/describe-script.ts";
import { OP_RETURN } from "#protocol/bitcoin/opcodes.ts";
import { encodeTransaction } from "#protocol/bitcoin/transaction.ts";
import type { TxTable } from "#protocol/bitcoin/tx-table.ts";
import { hashTxs, txidAt, wtxidAt } from "#protocol/bitcoin/txid.ts";
import { rejectionText } from "#protocol/consensus/rejection.ts";
import { feeFor, feePerKvb, feeRatePerKvb, virtualSize } from "#protocol/policy/fee-rate.ts";
import { amountJson } from "../amount-json.ts";
import { outpointBytes, parseHash, parseHex } from "../arguments.ts";
import { confirmationsOf } from "../block-json.ts";
import { buildTransaction } from "../build-tx.ts";
import type { RpcContext } from "../context.ts";
import { decodeHexTx, hasValidOps } from "../decode-tx.ts";
import { type Args, expectString, type Param, parseFeeRate, type RpcMethod } from "../method.ts";
import { RPC_CODE, RpcError } from "../rpc-error.ts";
import { readSpentOutputs, readStoredBlock } from "../stored-block.ts";
import { txJson } from "../tx-json.ts";
import { verbosityOf } from "./blockchain.ts";

type Method = RpcMethod<RpcContext>;

const DECODE_FAILED = "TX decode failed. Make sure the tx has at least one input.";
/** The reason of a fee above the caller's own limit. */
const FEE_EXCEEDED = "max-fee-exceeded";
/** Most transactions that testmempoolaccept takes at once (Core's MAX_PACKAGE_COUNT). */
const MAX_PACKAGE_COUNT = 25;

/** A transaction argument. @throws RpcError −22 */
export function decodeTxArgument(value: Json, tryLegacy = false): TxTable {
  const table = decodeHexTx(expectString(value), tryLegacy);
  if (table === undefined) throw new RpcError(RPC_CODE.deserialization, DECODE_FAILED);
  return table;
}

const getrawtransaction: Method = {
  name: "getrawtransaction",
  category: "Rawtransactions",
  help: "Returns a transaction of the mempool, or of a block when its hash is given.",
  params: [
    { name: "txid", type: "string", required: true, help: "The transaction id" },
    {
      name: "verbosity",
      aliases: ["verbose"],
      type: "number",
      unchecked: true,
      default: "0",
      help: "0 for hex-encoded data, 1 for a JSON object, and 2 for JSON object with fee and prevout",
    },
    { name: "blockhash", type: "string", help: "The block in which to look for the transaction" },
  ],
  result: "Hex or an object",
  async run(context, args) {
    const { chain, network } = context;
    const txid = parseHash(args.value("txid"), "parameter 1");
    const verbosity = verbosityOf(args, "verbosity", 0);
    if (args.has("blockhash")) {
      const node = chain.headers.lookup(parseHash(args.value("blockhash"), "parameter 3"));
      if (node === undefined) throw new RpcError(RPC_CODE.invalidAddressOrKey, "Block hash not found");
      return txOfBlock(context, node, txid, verbosity);
    }
    if (equalBytes(txid, chain.headers.root.merkleRoot)) throw genesisRefusal();
    const entry = context.mempool.get(txid);
    if (entry === undefined) {
      throw new RpcError(
        RPC_CODE.invalidAddressOrKey,
        "No such mempool transaction. Use -txindex or provide a block hash to enable blockchain transaction queries. Use gettransaction for wallet transactions.",
      );
    }
    if (verbosity <= 0) return toHex(entry.table.bytes);
    return txJson(entry.table, 0, { network, txid: entry.txid, wtxid: entry.wtxid });
  },
};

function genesisRefusal(): RpcError {
  return new RpcError(
    RPC_CODE.invalidAddressOrKey,
    "The genesis block coinbase is not considered an ordinary transaction and cannot be retrieved",
  );
}

async function txOfBlock(
  { chain, network }: RpcContext,
  node: HeaderNode,
  txid: Uint8Array,
  verbosity: number,
): Promise<Json> {
  if (node.height === 0 && equalBytes(txid, node.merkleRoot)) throw genesisRefusal();
  if (!node.hasData) throw new RpcError(RPC_CODE.misc, "Block not available");
  const raw = await readStoredBlock(chain, node);
  const table = parseBlock(raw).txs;
  const hashes = hashTxs(table);
  let tx = 0;
  while (tx < table.txCount && !equalBytes(txidAt(hashes, tx), txid)) tx++;
  if (tx === table.txCount) {
    throw new RpcError(
      RPC_CODE.invalidAddressOrKey,
      "No such transaction found in the provided block. Use gettransaction for wallet transactions.",
    );
  }
  if (verbosity <= 0) return toHex(table.raw(tx));
  const spent = verbosity >= 2 ? await readSpentOutputs(chain, node, raw) : undefined;
  const isActive = chain.isActive(node);
  return {
    in_active_chain: isActive,
    ...txJson(table, tx, {
      network,
      txid: txidAt(hashes, tx),
      wtxid: wtxidAt(hashes, tx),
      spent,
      withPrevouts: verbosity >= 2,
    }),
    blockhash: toHexReversed(node.hash),
    confirmations: isActive ? confirmationsOf(chain, node) : 0,
    time: isActive ? node.time : undefined,
    blocktime: isActive ? node.time : undefined,
  };
}

const decoderawtransaction: Method = {
  name: "decoderawtransaction",
  category: "Rawtransactions",
  help: "Return a JSON object representing the serialized, hex-encoded transaction.",
  params: [
    { name: "hexstring", type: "string", required: true, help: "The transaction hex string" },
    {
      name: "iswitness",
      type: "boolean",
      default: "depends on heuristic tests",
      help: "Whether the transaction hex is a serialized witness transaction",
    },
  ],
  result: "An object with the transaction's fields",
  run({ network }, args) {
    const given = args.has("iswitness");
    const isWitness = args.boolean("iswitness", true);
    const table = decodeHexTx(args.string("hexstring"), !given || !isWitness, !given || isWitness);
    if (table === undefined) throw new RpcError(RPC_CODE.deserialization, DECODE_FAILED);
    const hashes = hashTxs(table);
    return txJson(table, 0, { network, txid: txidAt(hashes, 0), wtxid: wtxidAt(hashes, 0), withHex: false });
  },
};

const decodescript: Method = {
  name: "decodescript",
  category: "Rawtransactions",
  help: "Decode a hex-encoded script.",
  params: [{ name: "hexstring", type: "string", required: true, help: "the hex-encoded script" }],
  result: "An object with asm, desc, type, address, p2sh and segwit",
  run({ network }, args) {
    const { segwit, ...description } = describeScript(parseHex(args.value("hexstring"), "argument"), network);
    return { ...description, segwit: segwit === undefined ? undefined : { ...segwit } };
  },
};

const createrawtransaction: Method = {
  name: "createrawtransaction",
  category: "Rawtransactions",
  help: "Create a transaction spending the given inputs and creating new outputs. It is not signed, stored or sent.",
  params: [
    {
      name: "inputs",
      type: "array",
      required: true,
      content: '{"txid":"hex","vout":n,"sequence":n},...',
      help: "The inputs",
    },
    {
      name: "outputs",
      type: "array",
      unchecked: true,
      required: true,
      content: '{"address":amount,...},{"data":"hex"},...',
      help: "The outputs: address to amount, or data to hex; an array of such objects, or one",
    },
    { name: "locktime", type: "number", default: "0", help: "Raw locktime" },
    {
      name: "replaceable",
      type: "boolean",
      default: "true",
      help: "Marks this transaction as BIP125-replaceable",
    },
    { name: "version", type: "number", default: "2", help: "Transaction version" },
  ],
  result: '"hex"    (string) hex string of the transaction',
  run({ network }, args) {
    return toHex(encodeTransaction(buildTransaction(txArguments(args), network)));
  },
};

/** The arguments that createrawtransaction shares with createpsbt. */
function txArguments(args: Args): Parameters<typeof buildTransaction>[0] {
  return {
    inputs: args.value("inputs"),
    outputs: args.value("outputs"),
    lockTime: args.number("locktime", 0),
    replaceable: args.has("replaceable") ? args.boolean("replaceable", true) : undefined,
    version: args.int("version", 2),
  };
}

const MAX_FEE_RATE: Param = {
  name: "maxfeerate",
  type: "amount",
  default: '"0.10"',
  help: "Reject transactions whose fee rate is higher than the specified value, expressed in BTC/kvB. Set to 0 to accept any fee rate.",
};

/** Most fee in satoshi for a size at the argument's rate, 0 for any. */
function maxFeeFor(args: Args, vsize: number): number {
  const rate = args.has("maxfeerate") ? parseFeeRate(args.value("maxfeerate")) : COIN / 10;
  return feeFor(feeRatePerKvb(rate), vsize);
}

const sendrawtransaction: Method = {
  name: "sendrawtransaction",
  category: "Rawtransactions",
  help: "Submit a raw transaction (serialized, hex-encoded) to local node and network.",
  params: [
    { name: "hexstring", type: "string", required: true, help: "The hex string of the raw transaction" },
    MAX_FEE_RATE,
    {
      name: "maxburnamount",
      type: "amount",
      default: '"0.00"',
      help: "Reject transactions with provably unspendable outputs greater than the specified value, expressed in BTC.",
    },
  ],
  result: '"hex"    (string) The transaction hash in hex',
  async run(context, args) {
    const maxBurn = args.amount("maxburnamount", 0);
    const table = decodeTxArgument(args.value("hexstring"));
    for (let i = 0; i < table.outputTotal; i++) {
      const script = table.outputScript(i);
      const burns = script[0] === OP_RETURN || !hasValidOps(script);
      if (burns && table.value(i) > maxBurn) {
        throw new RpcError(
          RPC_CODE.verifyError,
          "Unspendable output exceeds maximum configured by user (maxburnamount)",
        );
      }
    }
    const maxFee = maxFeeFor(args, virtualSize(table.weight(0)));
    return toHexReversed(await submitTransaction(context, table, maxFee));
  },
};

/**
 * Takes a transaction into the mempool and tells the peers (Core's BroadcastTransaction).
 * @param maxFee satoshi, 0 for any
 * @returns its txid
 */
async function submitTransaction(
  { chain, mempool, acceptor, peers }: RpcContext,
  table: TxTable,
  maxFee: number,
): Promise<Uint8Array> {
  const hashes = hashTxs(table);
  const txid = txidAt(hashes, 0);
  const wtxid = await chain.lock.run(async () => {
    const known = mempool.get(txid);
    if (known !== undefined) return known.wtxid;
    const outpoints = Array.from({ length: table.outputTotal }, (_, i) => outpointBytes(txid, i));
    await chain.coins.prefetch(outpoints);
    if (outpoints.some((outpoint) => chain.coins.get(outpoint) !== undefined)) {
      throw new RpcError(RPC_CODE.verifyAlreadyInUtxoSet, "Transaction outputs already in utxo set");
    }
    if (maxFee > 0) {
      const trial = await acceptor.acceptLocked(table, { testAccept: true });
      throwIfRefused(trial);
      if (trial.accepted && trial.baseFee > maxFee) {
        throw new RpcError(
          RPC_CODE.verifyError,
          "Fee exceeds maximum configured by user (e.g. -maxtxfee, maxfeerate)",
        );
      }
    }
    throwIfRefused(await acceptor.acceptLocked(table));
    mempool.addUnbroadcast(txid);
    return wtxidAt(hashes, 0);
  });
  peers?.broadcastTransaction(txid, wtxid);
  return txid;
}

function throwIfRefused(result: AcceptResult): void {
  if (result.accepted) return;
  const { rejection } = result;
  const code = rejection.result === "missing-inputs" ? RPC_CODE.verifyError : RPC_CODE.verifyRejected;
  throw new RpcError(code, rejectionText(rejection));
}

const testmempoolaccept: Method = {
  name: "testmempoolaccept",
  category: "Rawtransactions",
  help: "Returns result of mempool acceptance tests indicating if raw transaction(s) would be accepted by mempool.",
  params: [
    {
      name: "rawtxs",
      type: "array",
      required: true,
      content: '"rawtx",...',
      help: "Hex strings of raw transactions",
    },
    MAX_FEE_RATE,
  ],
  result: "One object for each transaction",
  async run({ acceptor }, args) {
    const raws = args.array("rawtxs");
    if (raws.length < 1 || raws.length > MAX_PACKAGE_COUNT) {
      throw new RpcError(
        RPC_CODE.invalidParameter,
        `Array must contain between 1 and ${MAX_PACKAGE_COUNT} transactions.`,
      );
    }
    const tables = raws.map((raw) => {
      const table = decodeHexTx(expectString(raw));
      if (table !== undefined) return table;
      throw new RpcError(
        RPC_CODE.deserialization,
        `TX decode failed: ${expectString(raw)} Make sure the tx has at least one input.`,
      );
    });
    if (tables.length === 1) {
      const result = await acceptor.accept(tables[0]!, { testAccept: true });
      return [testResultJson(tables[0]!, result, undefined, args)];
    }
    const { rejection, results } = await acceptor.testPackage(tables);
    const error = rejection === undefined ? undefined : rejectionText(rejection);
    let exceeded = false;
    return tables.map((table, i) => {
      // A fee that is too high is told of, and nothing is said of what comes after it.
      const told = testResultJson(table, exceeded ? undefined : results[i], error, args);
      exceeded ||= told["reject-reason"] === FEE_EXCEEDED;
      return told;
    });
  },
};

function testResultJson(
  table: TxTable,
  result: AcceptResult | undefined,
  packageError: string | undefined,
  args: Args,
): JsonObject {
  const hashes = hashTxs(table);
  const head = {
    txid: toHexReversed(txidAt(hashes, 0)),
    wtxid: toHexReversed(wtxidAt(hashes, 0)),
    "package-error": packageError,
  };
  if (result === undefined) return head;
  if (!result.accepted) {
    const { rejection } = result;
    const reason = rejection.result === "missing-inputs" ? "missing-inputs" : rejection.reason;
    return { ...head, allowed: false, "reject-reason": reason, "reject-details": rejectionText(rejection) };
  }
  const maxFee = maxFeeFor(args, result.vsize);
  if (maxFee > 0 && result.baseFee > maxFee) {
    return { ...head, allowed: false, "reject-reason": FEE_EXCEEDED };
  }
  return {
    ...head,
    allowed: true,
    vsize: result.vsize,
    fees: {
      base: amountJson(result.baseFee),
      "effective-feerate": amountJson(feePerKvb(result.effectiveFeeRate)),
      "effective-includes": result.effectiveIncludes.map((wtxid) => toHexReversed(wtxid)),
    },
  };
}

export const rawTransactionMethods: readonly Method[] = [
  getrawtransaction,
  decoderawtransaction,
  decodescript,
  createrawtransaction,
  sendrawtransaction,
  testmempoolaccept,
];
