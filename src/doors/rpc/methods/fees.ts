/** Methods about the fees that it takes to be mined. */
import { JsonNumber, type JsonObject } from "#base/lib/json.ts";
import type { BucketRange } from "#ledger/mempool/confirmation-stats.ts";
import { type HorizonName, MAX_TARGET, type RawEstimate } from "#ledger/mempool/fee-estimator.ts";
import { amountJson } from "../amount-json.ts";
import type { RpcContext } from "../context.ts";
import type { Args, Param, RpcMethod } from "../method.ts";
import { RPC_CODE, RpcError } from "../rpc-error.ts";

type Method = RpcMethod<RpcContext>;

const MODES = ["unset", "economical", "conservative"];

const CONF_TARGET: Param = {
  name: "conf_target",
  type: "number",
  required: true,
  help: "Confirmation target in blocks (1 - 1008)",
};

function targetOf(args: Args): number {
  const target = args.int("conf_target");
  if (target >= 1 && target <= MAX_TARGET) return target;
  throw new RpcError(RPC_CODE.invalidParameter, `Invalid conf_target, must be between 1 and ${MAX_TARGET}`);
}

const estimatesmartfee: Method = {
  name: "estimatesmartfee",
  category: "Util",
  help:
    "Estimates the approximate fee per kilobyte needed for a transaction to begin confirmation within conf_target " +
    "blocks if possible and return the number of blocks for which the estimate is valid.",
  params: [
    CONF_TARGET,
    {
      name: "estimate_mode",
      type: "string",
      default: '"economical"',
      help: `The fee estimate mode. Must be one of (case insensitive): ${MODES.join(", ")}`,
    },
  ],
  result: '{ "feerate": n, "errors": [ "str", ... ], "blocks": n }',
  run({ fees, mempool, node }, args) {
    const target = targetOf(args);
    const mode = args.string("estimate_mode", "economical").toLowerCase();
    if (!MODES.includes(mode)) {
      throw new RpcError(
        RPC_CODE.invalidParameter,
        `Invalid estimate_mode parameter, must be one of: ${MODES.map((each) => `"${each}"`).join(", ")}`,
      );
    }
    const { perKvb, blocks } = fees.estimate(target, mode === "conservative");
    if (perKvb === undefined) return { errors: ["Insufficient data or no feerate found"], blocks };
    const least = Math.max(mempool.info().mempoolMinFee, node.relayFee);
    return { feerate: amountJson(Math.max(perKvb, least)), blocks };
  },
};

const HORIZONS: readonly HorizonName[] = ["short", "medium", "long"];

const estimaterawfee: Method = {
  name: "estimaterawfee",
  category: "hidden",
  help: "What the fee estimator knows: for each horizon that tracks conf_target, the range of fee rates that passes.",
  params: [
    CONF_TARGET,
    {
      name: "threshold",
      type: "number",
      default: "0.95",
      help: "The proportion of transactions in a given feerate range that must have been confirmed within conf_target",
    },
  ],
  result: '{ "short": { "feerate": n, "decay": n, "scale": n, "pass": {...}, "fail": {...} }, ... }',
  run({ fees }, args) {
    const target = targetOf(args);
    const threshold = args.number("threshold", 0.95);
    if (threshold < 0 || threshold > 1) throw new RpcError(RPC_CODE.invalidParameter, "Invalid threshold");
    const result: JsonObject = {};
    for (const horizon of HORIZONS) {
      const estimate = fees.raw(horizon, target, threshold);
      if (estimate !== undefined) result[horizon] = rawJson(estimate);
    }
    return result;
  },
};

function rawJson({ perKvb, decay, scale, pass, fail }: RawEstimate): JsonObject {
  const rate = Math.round(perKvb);
  if (rate <= 0) {
    const errors = ["Insufficient data or no feerate found which meets threshold"];
    return { decay, scale, fail: rangeJson(fail), errors };
  }
  return {
    feerate: amountJson(rate),
    decay,
    scale,
    pass: rangeJson(pass),
    // Without a range that failed, all did pass.
    fail: fail.start < 0 ? undefined : rangeJson(fail),
  };
}

function rangeJson(range: BucketRange): JsonObject {
  const hundredths = (value: number) => Math.round(value * 100) / 100;
  return {
    startrange: wholeJson(range.start),
    endrange: wholeJson(range.end),
    withintarget: hundredths(range.withinTarget),
    totalconfirmed: hundredths(range.totalConfirmed),
    inmempool: hundredths(range.inMempool),
    leftmempool: hundredths(range.leftMempool),
  };
}

/** The bound of the last bucket is printed as Core's is. */
function wholeJson(value: number): JsonNumber | number {
  return value >= 1e21 ? new JsonNumber("1e+99") : Math.round(value);
}

export const feeMethods: readonly Method[] = [estimatesmartfee, estimaterawfee];
