/** Methods about what a wallet holds (Core: wallet/rpc/coins.cpp). */
import { fromHexReversed, toHex } from "#base/lib/bytes.ts";
import type { Json, JsonObject } from "#base/lib/json.ts";
import type { CoinView } from "#money/wallet/wallet-views.ts";
import { decodeAddress, isAddressError } from "#protocol/bitcoin/address.ts";
import { amountJson } from "../amount-json.ts";
import { lastProcessedBlock, syncedWallet } from "../called-wallet.ts";
import type { RpcContext } from "../context.ts";
import { type Args, expectInt, expectString, parseAmount, type RpcMethod } from "../method.ts";
import { RPC_CODE, RpcError } from "../rpc-error.ts";

type Method = RpcMethod<RpcContext>;

const getbalance: Method = {
  name: "getbalance",
  category: "Wallet",
  help: "Returns the total available balance: what is confirmed, and what the wallet sent to itself.",
  params: [
    {
      name: "dummy",
      type: "string",
      help: 'Remains for backward compatibility. Must be excluded or set to "*".',
    },
    {
      name: "minconf",
      type: "number",
      default: "0",
      help: "Only include transactions confirmed at least this many times.",
    },
    {
      name: "include_watchonly",
      type: "boolean",
      default: "false",
      help: "No longer used",
    },
    {
      name: "avoid_reuse",
      type: "boolean",
      default: "true",
      help: "(only available if avoid_reuse wallet flag is set) Do not include balance in dirty outputs.",
    },
  ],
  result: "n    (numeric) The total amount in BTC received for this wallet.",
  async run(context, args, call) {
    if (args.has("dummy") && args.string("dummy") !== "*") {
      throw new RpcError(RPC_CODE.methodDeprecated, 'dummy first argument must be excluded or set to "*".');
    }
    const minimum = args.int("minconf", 0);
    const wallet = await syncedWallet(context, call);
    return amountJson(wallet.balances(minimum).trusted);
  },
};

const getbalances: Method = {
  name: "getbalances",
  category: "Wallet",
  help: "Returns an object with all balances in BTC.",
  params: [],
  result: "An object with trusted, untrusted_pending, immature and nonmempool sums",
  async run(context, _args, call): Promise<JsonObject> {
    const wallet = await syncedWallet(context, call);
    const { trusted, untrustedPending, immature, nonMempool } = wallet.balances();
    return {
      mine: {
        trusted: amountJson(trusted),
        untrusted_pending: amountJson(untrustedPending),
        immature: amountJson(immature),
        nonmempool: amountJson(nonMempool),
      },
      lastprocessedblock: lastProcessedBlock(wallet),
    };
  },
};

const listunspent: Method = {
  name: "listunspent",
  category: "Wallet",
  help: "Returns array of unspent transaction outputs with between minconf and maxconf (inclusive) confirmations.",
  params: [
    { name: "minconf", type: "number", default: "1", help: "The minimum confirmations to filter" },
    { name: "maxconf", type: "number", default: "9999999", help: "The maximum confirmations to filter" },
    {
      name: "addresses",
      type: "array",
      default: "[]",
      content: '"address",...',
      help: "The bitcoin addresses to filter",
    },
    {
      name: "include_unsafe",
      type: "boolean",
      default: "true",
      help: "Include outputs that are not safe to spend: unconfirmed ones from others.",
    },
    {
      name: "query_options",
      type: "object",
      help: "minimumAmount, maximumAmount, minimumSumAmount (BTC) and maximumCount",
    },
  ],
  result: "An array of objects, one for each coin",
  async run(context, args, call) {
    const least = args.int("minconf", 1);
    const most = args.int("maxconf", 9_999_999);
    const addresses = args.has("addresses") ? readAddresses(args.array("addresses"), context) : undefined;
    const withUnsafe = args.boolean("include_unsafe", true);
    const query = readQuery(args);
    const wallet = await syncedWallet(context, call);
    const coins: CoinView[] = [];
    let sum = 0;
    for (const coin of wallet.coins()) {
      if (coins.length >= query.maximumCount || sum >= query.minimumSumAmount) break;
      const isWanted =
        coin.confirmations >= least &&
        coin.confirmations <= most &&
        (coin.isSafe || withUnsafe) &&
        (addresses === undefined || addresses.has(coin.address)) &&
        coin.amount >= query.minimumAmount &&
        coin.amount <= query.maximumAmount;
      if (!isWanted) continue;
      coins.push(coin);
      sum += coin.amount;
    }
    return coins.map((coin) => coinJson(coin, context));
  },
};

function readAddresses(given: readonly Json[], { network }: RpcContext): ReadonlySet<string> | undefined {
  const addresses = new Set<string>();
  for (const value of given) {
    const address = expectString(value);
    if (isAddressError(decodeAddress(address, network))) {
      throw new RpcError(RPC_CODE.invalidAddressOrKey, `Invalid Bitcoin address: ${address}`);
    }
    if (addresses.has(address)) {
      throw new RpcError(RPC_CODE.invalidParameter, `Invalid parameter, duplicated address: ${address}`);
    }
    addresses.add(address);
  }
  return addresses.size === 0 ? undefined : addresses;
}

function readQuery(args: Args) {
  const query = args.has("query_options") ? args.object("query_options") : {};
  const amount = (name: string, otherwise: number) =>
    query[name] === undefined ? otherwise : parseAmount(query[name]);
  return {
    minimumAmount: amount("minimumAmount", 0),
    maximumAmount: amount("maximumAmount", Number.POSITIVE_INFINITY),
    minimumSumAmount: amount("minimumSumAmount", Number.POSITIVE_INFINITY),
    maximumCount:
      query["maximumCount"] === undefined ? Number.POSITIVE_INFINITY : expectInt(query["maximumCount"]),
  };
}

function coinJson(coin: CoinView, { mempool }: RpcContext): JsonObject {
  const entry = coin.confirmations === 0 ? mempool.get(fromHexReversed(coin.txid)!) : undefined;
  const info = entry === undefined ? undefined : mempool.entryInfo(entry);
  return {
    txid: coin.txid,
    vout: coin.vout,
    address: coin.address,
    label: coin.isChange ? undefined : (coin.label ?? ""),
    scriptPubKey: toHex(coin.script),
    amount: amountJson(coin.amount),
    confirmations: coin.confirmations,
    ancestorcount: info?.ancestorCount,
    ancestorsize: info?.ancestorSize,
    ancestorfees: info?.fees.ancestor,
    spendable: true,
    solvable: true,
    desc: coin.descriptor,
    parent_descs: [coin.parentDescriptor],
    safe: coin.isSafe,
  };
}

export const walletCoinMethods: readonly Method[] = [getbalance, getbalances, listunspent];
