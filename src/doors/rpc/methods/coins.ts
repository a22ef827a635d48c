/** Methods about the set of unspent outputs. */
import { toHex, toHexReversed } from "#base/lib/bytes.ts";
import type { Json, JsonObject } from "#base/lib/json.ts";
import type { Coin } from "#ledger/chain/coin-view.ts";
import { type UtxoHashType, utxoStats } from "#ledger/chain/utxo-stats.ts";
import { amountJson } from "../amount-json.ts";
import { outpointBytes, parseHash } from "../arguments.ts";
import type { RpcContext } from "../context.ts";
import { describeTarget, scanTargets } from "../descriptor-arguments.ts";
import { expectUint, type RpcMethod } from "../method.ts";
import { RPC_CODE, RpcError } from "../rpc-error.ts";
import { scriptJson } from "../tx-json.ts";

type Method = RpcMethod<RpcContext>;

/** Height of a coin that a mempool transaction makes. */
const MEMPOOL_HEIGHT = 0x7fff_ffff;

const gettxout: Method = {
  name: "gettxout",
  category: "Blockchain",
  help: "Returns details about an unspent transaction output.",
  params: [
    { name: "txid", type: "string", required: true, help: "The transaction id" },
    { name: "n", type: "number", required: true, help: "vout number" },
    {
      name: "include_mempool",
      type: "boolean",
      default: "true",
      help: "Whether to include the mempool: an output that is spent in it does not appear",
    },
  ],
  result: "null when there is none, else an object",
  async run(context, args) {
    const txid = parseHash(args.value("txid"), "txid");
    const index = expectUint(args.value("n"));
    return context.chain.lock.run(async () => {
      const coin = await findCoin(context, txid, index, args.boolean("include_mempool", true));
      if (coin === undefined) return null;
      const { tip } = context.chain;
      return {
        bestblock: toHexReversed(tip.hash),
        confirmations: coin.height === MEMPOOL_HEIGHT ? 0 : tip.height - coin.height + 1,
        value: amountJson(coin.amount),
        scriptPubKey: scriptJson(coin.script, context.network),
        coinbase: coin.coinbase,
      };
    });
  },
};

async function findCoin(
  { chain, mempool }: RpcContext,
  txid: Uint8Array,
  index: number,
  includeMempool: boolean,
): Promise<Coin | undefined> {
  const outpoint = outpointBytes(txid, index);
  if (includeMempool) {
    if (mempool.spender(outpoint) !== undefined) return undefined;
    const table = mempool.get(txid)?.table;
    if (table !== undefined) {
      if (index >= table.outputCount(0)) return undefined;
      const amount = table.value(index);
      return { amount, script: table.outputScript(index), height: MEMPOOL_HEIGHT, coinbase: false };
    }
  }
  await chain.coins.prefetch([outpoint]);
  return chain.coins.get(outpoint);
}

const gettxoutsetinfo: Method = {
  name: "gettxoutsetinfo",
  category: "Blockchain",
  help: "Returns statistics about the unspent transaction output set. It may take some time without an index.",
  params: [
    {
      name: "hash_type",
      type: "string",
      default: '"hash_serialized_3"',
      help: "Which hash of the set to calculate: 'hash_serialized_3', 'muhash', 'none'",
    },
    {
      name: "hash_or_height",
      type: "value",
      default: "the current best block",
      help: "A block to tell of; only with coinstatsindex",
    },
    { name: "use_index", type: "boolean", default: "true", help: "Use coinstatsindex, if available" },
  ],
  result: "An object with counts, sums and the hash",
  async run({ chain }, args, call) {
    const type = args.string("hash_type", "hash_serialized_3");
    if (type !== "hash_serialized_3" && type !== "muhash" && type !== "none") {
      throw new RpcError(RPC_CODE.invalidParameter, `'${type}' is not a valid hash_type`);
    }
    if (args.has("hash_or_height")) {
      throw new RpcError(
        RPC_CODE.invalidParameter,
        "Querying specific block heights requires coinstatsindex",
      );
    }
    const snapshot = await chain.snapshot();
    try {
      const stats = await utxoStats(snapshot.coins, type satisfies UtxoHashType, { signal: call.signal });
      return {
        height: snapshot.node.height,
        bestblock: toHexReversed(snapshot.node.hash),
        txouts: stats.txouts,
        bogosize: stats.bogosize,
        hash_serialized_3:
          type === "hash_serialized_3" && stats.hash !== undefined ? toHexReversed(stats.hash) : undefined,
        muhash: type === "muhash" && stats.hash !== undefined ? toHexReversed(stats.hash) : undefined,
        total_amount: amountJson(stats.totalAmount),
        transactions: stats.transactions,
        disk_size: snapshot.diskSize,
      };
    } finally {
      await snapshot.close();
    }
  },
};

interface Scan {
  readonly stop: AbortController;
  /** 0–1 */
  progress: number;
}

/** The one scan that may run on a chain. */
const scans = new WeakMap<RpcContext["chain"], Scan>();

const scantxoutset: Method = {
  name: "scantxoutset",
  category: "Blockchain",
  help: "Scans the unspent transaction output set for entries that match certain output descriptors.",
  params: [
    { name: "action", type: "string", required: true, help: '"start", "abort" or "status"' },
    {
      name: "scanobjects",
      type: "array",
      content: "scanobjects,...",
      help: "Descriptors, or objects with desc and range; required for start",
    },
  ],
  result: "An object with the outputs found; a boolean for abort; progress or null for status",
  async run(context, args, call) {
    const action = args.string("action");
    const { chain } = context;
    const scan = scans.get(chain);
    if (action === "status") return scan === undefined ? null : { progress: Math.floor(scan.progress * 100) };
    if (action === "abort") {
      scan?.stop.abort();
      return scan !== undefined;
    }
    if (action !== "start") {
      throw new RpcError(RPC_CODE.invalidParameter, `Invalid action '${action}'`);
    }
    if (scan !== undefined) {
      throw new RpcError(
        RPC_CODE.invalidParameter,
        'Scan already in progress, use action "abort" or "status"',
      );
    }
    if (!args.has("scanobjects")) {
      throw new RpcError(RPC_CODE.misc, "scanobjects argument is required for the start action");
    }
    const current: Scan = { stop: new AbortController(), progress: 0 };
    scans.set(chain, current);
    try {
      return await scanCoins(context, args.array("scanobjects"), current, call.signal);
    } finally {
      scans.delete(chain);
    }
  },
};

async function scanCoins(
  { chain, network }: RpcContext,
  objects: readonly Json[],
  current: Scan,
  gone: AbortSignal,
): Promise<JsonObject> {
  const signal = AbortSignal.any([current.stop.signal, gone]);
  const targets = await scanTargets(objects, network, signal);
  const snapshot = await chain.snapshot();
  const unspents: Json[] = [];
  let txouts = 0;
  let total = 0;
  try {
    await snapshot.coins.forEach(
      (coin) => {
        txouts++;
        // Coins come in the order of their txids, which are as good as random.
        current.progress = (coin.txid[0]! * 256 + coin.txid[1]!) / 65_536;
        const script = toHex(coin.script);
        const target = targets.get(script);
        if (target === undefined) return;
        total += coin.amount;
        const block = snapshot.node.ancestor(coin.height)!;
        unspents.push({
          txid: toHexReversed(coin.txid),
          vout: coin.index,
          scriptPubKey: script,
          desc: describeTarget(coin.script, target, network),
          amount: amountJson(coin.amount),
          coinbase: coin.coinbase,
          height: coin.height,
          blockhash: toHexReversed(block.hash),
          confirmations: snapshot.node.height - coin.height + 1,
        });
      },
      { signal },
    );
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await snapshot.close();
  }
  return {
    success: !signal.aborted,
    txouts,
    height: snapshot.node.height,
    bestblock: toHexReversed(snapshot.node.hash),
    unspents,
    total_amount: amountJson(total),
  };
}

export const coinMethods: readonly Method[] = [gettxout, gettxoutsetinfo, scantxoutset];
