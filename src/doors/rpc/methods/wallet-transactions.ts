/** Methods about a wallet's transactions, and the one that makes them (Core: wallet/rpc/transactions.cpp, spend.cpp). */
import { toHex } from "#base/lib/bytes.ts";
import type { JsonObject } from "#base/lib/json.ts";
import type { FeeSource, HistoryEntry, HistoryOutput } from "#money/wallet/wallet-views.ts";
import { decodeAddress, isAddressError } from "#protocol/bitcoin/address.ts";
import { parseTx } from "#protocol/bitcoin/tx-table.ts";
import { hashTxs, txidAt, wtxidAt } from "#protocol/bitcoin/txid.ts";
import { amountJson } from "../amount-json.ts";
import { parseHash } from "../arguments.ts";
import { lastProcessedBlock, syncedWallet, unwrap } from "../called-wallet.ts";
import type { RpcContext } from "../context.ts";
import { type Args, parseAmount, type RpcMethod } from "../method.ts";
import { RPC_CODE, RpcError } from "../rpc-error.ts";
import { txJson } from "../tx-json.ts";

type Method = RpcMethod<RpcContext>;

/** Decimals of a rate in sat/vB, so that it is whole in satoshi per 1000. */
const RATE_DECIMALS = 3;

/** What every form of a transaction tells (Core: WalletTxToJSON). */
function txFields(entry: HistoryEntry): JsonObject {
  const { block, confirmations } = entry;
  return {
    confirmations,
    generated: entry.isCoinbase ? true : undefined,
    trusted: block === undefined ? entry.isTrusted : undefined,
    blockhash: block?.hash,
    blockheight: block?.height,
    blockindex: block === undefined ? undefined : entry.position,
    blocktime: block?.time,
    txid: entry.txid,
    wtxid: entry.wtxid,
    walletconflicts: [...entry.conflicts],
    replaced_by_txid: entry.replacedBy,
    mempoolconflicts: [...entry.mempoolConflicts],
    to: entry.commentTo,
    time: entry.received,
    timereceived: entry.received,
    comment: entry.comment,
    "bip125-replaceable": entry.isReplaceable ? "yes" : "no",
  };
}

/** One line for each payment that a transaction makes or is, without change (Core: ListTransactions). */
function lines(entry: HistoryEntry, label: string | undefined): JsonObject[] {
  const isOurs = entry.spent > 0;
  const found: JsonObject[] = [];
  if (isOurs && label === undefined) {
    for (const output of entry.outputs.filter(({ isChange }) => !isChange)) {
      found.push({
        address: output.address,
        category: "send",
        amount: amountJson(0 - output.amount),
        label: output.label,
        vout: output.vout,
        fee: entry.fee === undefined ? amountJson(0) : amountJson(0 - entry.fee),
        abandoned: entry.status === "gone",
      });
    }
  }
  for (const output of entry.outputs) {
    if (!output.isMine || (isOurs && output.isChange)) continue;
    if (label !== undefined && (output.label ?? "") !== label) continue;
    found.push(receivedLine(entry, output));
  }
  return found;
}

function receivedLine(entry: HistoryEntry, output: HistoryOutput): JsonObject {
  return {
    address: output.address,
    parent_descs: output.parentDescriptor === undefined ? [] : [output.parentDescriptor],
    category: receivedCategory(entry),
    amount: amountJson(output.amount),
    label: output.isChange ? undefined : (output.label ?? ""),
    vout: output.vout,
    abandoned: entry.status === "gone",
  };
}

function receivedCategory({ isCoinbase, confirmations }: HistoryEntry): string {
  if (!isCoinbase) return "receive";
  if (confirmations < 1) return "orphan";
  return confirmations <= 100 ? "immature" : "generate";
}

const listtransactions: Method = {
  name: "listtransactions",
  category: "Wallet",
  help: "If a label name is provided, this will return only incoming transactions paying to addresses with the specified label. Returns up to 'count' most recent transactions skipping the first 'skip' transactions.",
  params: [
    {
      name: "label",
      aliases: ["dummy"],
      type: "string",
      help: 'If set, should be a valid label name to return only incoming transactions with the specified label, or "*" to disable filtering and return all transactions.',
    },
    { name: "count", type: "number", default: "10", help: "The number of transactions to return" },
    { name: "skip", type: "number", default: "0", help: "The number of transactions to skip" },
    {
      name: "include_watchonly",
      type: "boolean",
      default: "false",
      help: "(DEPRECATED) No longer used",
    },
  ],
  result: "An array of objects, oldest first",
  async run(context, args, call) {
    const given = args.has("label") ? args.string("label") : "*";
    if (given === "") {
      throw new RpcError(RPC_CODE.invalidParameter, 'Label argument must be a valid label name or "*".');
    }
    const label = given === "*" ? undefined : given;
    const count = args.int("count", 10);
    const skip = args.int("skip", 0);
    if (count < 0) throw new RpcError(RPC_CODE.invalidParameter, "Negative count");
    if (skip < 0) throw new RpcError(RPC_CODE.invalidParameter, "Negative from");
    const wallet = await syncedWallet(context, call);
    const all = wallet.history().flatMap((entry) =>
      lines(entry, label).map(
        ({ abandoned, ...line }): JsonObject => ({
          ...line,
          ...txFields(entry),
          abandoned: abandoned ?? false,
        }),
      ),
    );
    const end = Math.max(0, all.length - skip);
    return all.slice(Math.max(0, end - count), end);
  },
};

const gettransaction: Method = {
  name: "gettransaction",
  category: "Wallet",
  help: "Get detailed information about in-wallet transaction <txid>",
  params: [
    { name: "txid", type: "string", required: true, help: "The transaction id" },
    {
      name: "include_watchonly",
      type: "boolean",
      default: "false",
      help: "(DEPRECATED) No longer used",
    },
    {
      name: "verbose",
      type: "boolean",
      default: "false",
      help: "Whether to include a `decoded` field containing the decoded transaction (equivalent to RPC decoderawtransaction)",
    },
  ],
  result: "An object with the transaction and what it means to the wallet",
  async run(context, args, call): Promise<JsonObject> {
    parseHash(args.value("txid"), "txid");
    const wallet = await syncedWallet(context, call);
    const entry = wallet.transaction(args.string("txid").toLowerCase());
    if (entry === undefined) {
      throw new RpcError(RPC_CODE.invalidAddressOrKey, "Invalid or non-wallet transaction id");
    }
    const isImmature = entry.isCoinbase && entry.confirmations <= 100;
    const details = lines(entry, undefined).map(({ abandoned, ...line }) => ({
      ...line,
      abandoned: abandoned ?? false,
    }));
    return {
      amount: amountJson(isImmature ? 0 : entry.net + (entry.fee ?? 0)),
      fee: entry.fee === undefined ? undefined : amountJson(0 - entry.fee),
      ...txFields(entry),
      details,
      hex: toHex(entry.raw),
      decoded: args.boolean("verbose", false) ? decodedJson(entry, context) : undefined,
      lastprocessedblock: lastProcessedBlock(wallet),
    };
  },
};

function decodedJson({ raw }: HistoryEntry, { network }: RpcContext): JsonObject {
  const table = parseTx(raw);
  const hashes = hashTxs(table);
  return txJson(table, 0, { network, txid: txidAt(hashes, 0), wtxid: wtxidAt(hashes, 0), withHex: false });
}

const FEE_REASONS: Readonly<Record<FeeSource, string>> = {
  given: "PayTxFee set",
  estimate: "Target 85% Threshold",
  fallback: "Fallback fee",
  minimum: "Mempool Min Fee",
};

const ESTIMATE_MODES = ["unset", "economical", "conservative"];

const sendtoaddress: Method = {
  name: "sendtoaddress",
  category: "Wallet",
  help: "Send an amount to a given address.",
  params: [
    { name: "address", type: "string", required: true, help: "The bitcoin address to send to." },
    { name: "amount", type: "amount", required: true, help: "The amount in BTC to send. eg 0.1" },
    {
      name: "comment",
      type: "string",
      help: "A comment used to store what the transaction is for. This is not part of the transaction, just kept in your wallet.",
    },
    {
      name: "comment_to",
      type: "string",
      help: "A comment to store the name of the person or organization to which you're sending the transaction.",
    },
    {
      name: "subtractfeefromamount",
      type: "boolean",
      default: "false",
      help: "The fee will be deducted from the amount being sent.",
    },
    {
      name: "replaceable",
      type: "boolean",
      default: "wallet default",
      help: "Signal that this transaction can be replaced by a transaction (BIP 125)",
    },
    {
      name: "conf_target",
      type: "number",
      default: "wallet -txconfirmtarget",
      help: "Confirmation target in blocks",
    },
    {
      name: "estimate_mode",
      type: "string",
      default: '"unset"',
      help: "The fee estimate mode, must be one of unset, economical, conservative",
    },
    {
      name: "avoid_reuse",
      type: "boolean",
      default: "true",
      help: "(only available if avoid_reuse wallet flag is set) Avoid spending from dirty addresses.",
    },
    {
      name: "fee_rate",
      type: "amount",
      default: "not set, fall back to wallet fee estimation",
      help: "Specify a fee rate in sat/vB.",
    },
    {
      name: "verbose",
      type: "boolean",
      default: "false",
      help: "If true, return extra information about the transaction.",
    },
  ],
  result: 'The txid, or { "txid": "hex", "fee_reason": "str" }',
  async run(context, args, call) {
    const address = args.string("address");
    const amount = args.amount("amount");
    const { feeRate, confirmTarget } = feeArguments(args);
    if (isAddressError(decodeAddress(address, context.network))) {
      throw new RpcError(RPC_CODE.invalidAddressOrKey, `Invalid Bitcoin address: ${address}`);
    }
    if (amount === 0) throw new RpcError(RPC_CODE.typeError, "Invalid amount for send");
    const wallet = await syncedWallet(context, call);
    const text = (name: string) =>
      args.has(name) && args.string(name) !== "" ? args.string(name) : undefined;
    const { txid, proposal } = unwrap(
      await wallet.pay(
        {
          recipients: [{ address, amount }],
          feeRate,
          confirmTarget,
          subtractFee: args.boolean("subtractfeefromamount", false),
          replaceable: args.boolean("replaceable", true),
        },
        { comment: text("comment"), commentTo: text("comment_to") },
      ),
    );
    if (!args.boolean("verbose", false)) return txid;
    return { txid, fee_reason: FEE_REASONS[proposal.feeSource] };
  },
};

function feeArguments(args: Args): { feeRate: number | undefined; confirmTarget: number | undefined } {
  const mode = args.string("estimate_mode", "unset");
  if (!ESTIMATE_MODES.includes(mode.toLowerCase())) {
    throw new RpcError(
      RPC_CODE.invalidParameter,
      `Invalid estimate_mode parameter, must be one of: ${ESTIMATE_MODES.map((each) => `"${each}"`).join(", ")}`,
    );
  }
  const confirmTarget = args.has("conf_target") ? args.int("conf_target") : undefined;
  if (confirmTarget !== undefined && (confirmTarget < 1 || confirmTarget > 1008)) {
    throw new RpcError(RPC_CODE.invalidParameter, "Invalid conf_target, must be between 1 and 1008");
  }
  if (!args.has("fee_rate")) return { feeRate: undefined, confirmTarget };
  const feeRate = parseAmount(args.value("fee_rate"), RATE_DECIMALS) / 10 ** RATE_DECIMALS;
  if (confirmTarget !== undefined) {
    throw new RpcError(
      RPC_CODE.invalidParameter,
      "Cannot specify both conf_target and fee_rate. Please provide either a confirmation target in blocks for automatic fee estimation, or an explicit fee rate.",
    );
  }
  return { feeRate, confirmTarget };
}

export const walletTransactionMethods: readonly Method[] = [listtransactions, gettransaction, sendtoaddress];
