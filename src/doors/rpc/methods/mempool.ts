/** Methods about transactions that wait for a block. */
import { toHexReversed } from "#base/lib/bytes.ts";
import type { JsonObject } from "#base/lib/json.ts";
import type { Mempool } from "#ledger/mempool/mempool.ts";
import type { MempoolEntry } from "#ledger/mempool/mempool-entry.ts";
import type { Txid } from "#protocol/bitcoin/hashes.ts";
import { feePerKvb } from "#protocol/policy/fee-rate.ts";
import { amountJson } from "../amount-json.ts";
import { parseHash } from "../arguments.ts";
import type { RpcContext } from "../context.ts";
import type { RpcMethod } from "../method.ts";
import { RPC_CODE, RpcError } from "../rpc-error.ts";

type Method = RpcMethod<RpcContext>;

function entryJson(mempool: Mempool, entry: MempoolEntry): JsonObject {
  const info = mempool.entryInfo(entry);
  return {
    vsize: info.vsize,
    weight: info.weight,
    time: info.time,
    height: info.height,
    descendantcount: info.descendantCount,
    descendantsize: info.descendantSize,
    ancestorcount: info.ancestorCount,
    ancestorsize: info.ancestorSize,
    chunkweight: info.chunkWeight,
    wtxid: toHexReversed(info.wtxid),
    fees: {
      base: amountJson(info.fees.base),
      modified: amountJson(info.fees.modified),
      ancestor: amountJson(info.fees.ancestor),
      descendant: amountJson(info.fees.descendant),
      chunk: amountJson(info.fees.chunk),
    },
    depends: info.depends.map((txid) => toHexReversed(txid)),
    spentby: info.spentBy.map((txid) => toHexReversed(txid)),
    unbroadcast: info.unbroadcast,
  };
}

const getmempoolinfo: Method = {
  name: "getmempoolinfo",
  category: "Blockchain",
  help: "Returns details on the active state of the TX memory pool.",
  params: [],
  result: "An object with counts, sizes, fees and limits",
  run({ mempool, node }) {
    const info = mempool.info();
    const { options } = mempool;
    return {
      loaded: info.loaded,
      size: info.size,
      bytes: info.bytes,
      usage: info.usage,
      total_fee: amountJson(info.totalFee),
      maxmempool: options.maxSize,
      mempoolminfee: amountJson(info.mempoolMinFee),
      minrelaytxfee: amountJson(node.relayFee),
      incrementalrelayfee: amountJson(feePerKvb(options.incrementalRelayFee)),
      unbroadcastcount: info.unbroadcastCount,
      permitbaremultisig: options.permitBareMultisig,
      maxdatacarriersize: options.maxDataCarrierBytes ?? 0,
      limitclustercount: options.maxClusterCount,
      limitclustersize: options.maxClusterSize,
      optimal: info.optimal,
    };
  },
};

const getrawmempool: Method = {
  name: "getrawmempool",
  category: "Blockchain",
  help: "Returns all transaction ids in memory pool as a json array of string transaction ids.",
  params: [
    {
      name: "verbose",
      type: "boolean",
      default: "false",
      help: "True for a json object, false for array of transaction ids",
    },
    {
      name: "mempool_sequence",
      type: "boolean",
      default: "false",
      help: "If verbose=false, returns a json object with transaction list and mempool sequence number attached.",
    },
  ],
  result: "Txids, or an object of entries by txid",
  run({ mempool }, args) {
    const withSequence = args.boolean("mempool_sequence", false);
    if (args.boolean("verbose", false)) {
      if (withSequence) {
        throw new RpcError(
          RPC_CODE.invalidParameter,
          "Verbose results cannot contain mempool sequence values.",
        );
      }
      const entries: JsonObject = {};
      for (const entry of mempool.entriesByScore()) {
        entries[toHexReversed(entry.txid)] = entryJson(mempool, entry);
      }
      return entries;
    }
    const txids = mempool.entriesByScore().map((entry) => toHexReversed(entry.txid));
    return withSequence ? { txids, mempool_sequence: mempool.sequence } : txids;
  },
};

const getmempoolentry: Method = {
  name: "getmempoolentry",
  category: "Blockchain",
  help: "Returns mempool data for given transaction",
  params: [{ name: "txid", type: "string", required: true, help: "The transaction id (must be in mempool)" }],
  result: "An object with sizes, fees and relations",
  run({ mempool }, args) {
    const entry = mempool.get(parseHash(args.value("txid"), "txid"));
    if (entry === undefined) throw new RpcError(RPC_CODE.invalidAddressOrKey, "Transaction not in mempool");
    return entryJson(mempool, entry);
  },
};

const prioritisetransaction: Method = {
  name: "prioritisetransaction",
  category: "Mining",
  help: "Accepts the transaction into mined blocks at a higher (or lower) priority",
  params: [
    { name: "txid", type: "string", required: true, help: "The transaction id." },
    { name: "dummy", type: "number", help: "API-Compatibility for previous API. Must be zero or null." },
    {
      name: "fee_delta",
      type: "number",
      required: true,
      help: "The fee value (in satoshis) to add (or subtract, if negative). The fee is not actually paid, only the algorithm for selecting transactions into a block considers it.",
    },
  ],
  result: "true    (boolean) Returns true",
  run({ mempool, chain }, args) {
    const txid = parseHash(args.value("txid"), "txid") as Txid;
    const delta = args.number("fee_delta");
    if (!Number.isSafeInteger(delta)) throw new RpcError(RPC_CODE.misc, "JSON integer out of range");
    if (args.number("dummy", 0) !== 0) {
      throw new RpcError(
        RPC_CODE.invalidParameter,
        "Priority is no longer supported, dummy argument to prioritisetransaction must be 0.",
      );
    }
    return chain.lock.run(() => {
      // A fee change on a transaction with dust would let it in without the child that sweeps the dust.
      const entry = mempool.get(txid);
      if (entry !== undefined && mempool.hasDust(entry)) {
        throw new RpcError(
          RPC_CODE.invalidParameter,
          "Priority is not supported for transactions with dust outputs.",
        );
      }
      mempool.prioritise(txid, delta);
      return true;
    });
  },
};

export const mempoolMethods: readonly Method[] = [
  getmempoolinfo,
  getrawmempool,
  getmempoolentry,
  prioritisetransaction,
];
