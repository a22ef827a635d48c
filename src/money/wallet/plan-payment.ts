/** From what is to be paid to a plan: fee rate, coins, change, order and lock time. */
import type { Random } from "#base/lib/random.ts";
import type { BlockPlace, ChainSource } from "#money/ports/chain-source.ts";
import { decodeAddress, isAddressError } from "#protocol/bitcoin/address.ts";
import { COIN, MAX_MONEY } from "#protocol/bitcoin/amount.ts";
import type { Network } from "#protocol/bitcoin/network.ts";
import { classifyOutput } from "#protocol/bitcoin/output-type.ts";
import { dustThreshold } from "#protocol/policy/dust.ts";
import { feeFor, feeRatePerKvb } from "#protocol/policy/fee-rate.ts";
import { type Selectable, selectCoins, shuffled } from "./coin-selection.ts";
import type { OwnScript } from "./keychains.ts";
import type { PsbtOutput, PsbtPlan } from "./psbt.ts";
import { inputWeight, REPLACEABLE_SEQUENCE } from "./review.ts";
import type { AddressType, FeeSource, SpendRequest, WalletOutcome, WalletRefusal } from "./wallet-views.ts";

/** Satoshi per 1000 virtual bytes where nobody knows better, and nothing else was told. */
const FALLBACK_FEE_RATE = 10_000;
/** What coins are expected to cost to spend one day (Core's -consolidatefeerate). */
const LONG_TERM_FEE_RATE = 10_000;
/** Rate at which an output is not worth spending (Core's -dustrelayfee). */
const DUST_RATE = feeRatePerKvb(3000);
/** Satoshi beyond which a fee is taken for a slip (Core's -maxtxfee). */
const MAX_FEE: number = COIN / 10;
/** Satoshi per 1000 virtual bytes beyond which a rate is taken for a slip. */
const MAX_FEE_RATE = COIN / 10;
const DEFAULT_TARGET_BLOCKS = 6;
/** Least and most change that a random draw aims at, in satoshi (Core's CHANGE_LOWER and CHANGE_UPPER). */
const CHANGE_LOWER = 50_000;
const CHANGE_UPPER = 1_000_000;
/** A tip older than this, in seconds, is no place to tie a transaction to (Core's MAX_ANTI_FEE_SNIPING_TIP_AGE). */
const MAX_TIP_AGE = 8 * 60 * 60;
/** Largest weight of a standard transaction. */
const MAX_WEIGHT = 400_000;
const NOT_FINAL_SEQUENCE = 0xffff_fffe;

/** A coin that may pay, and what a PSBT says of it. */
export interface SpendableCoin {
  readonly txid: string;
  readonly vout: number;
  readonly amount: number;
  readonly own: OwnScript;
  readonly parent: Uint8Array;
}

export interface PaymentCircumstances {
  readonly network: Network;
  readonly coins: readonly SpendableCoin[];
  /** A change address of a type that was given to nobody. */
  readonly change: (type: AddressType) => OwnScript;
  readonly chain: Pick<ChainSource, "feeRate" | "minimumFeeRate">;
  /** Satoshi per 1000 virtual bytes where the chain knows no rate; 0: then nothing is paid. */
  readonly fallbackFeeRate?: number | undefined;
  readonly tip: BlockPlace;
  /** Seconds since 1970. */
  readonly now: number;
  readonly random: Random;
  /** Of the master key. */
  readonly fingerprint: Uint8Array;
}

export interface PlannedPayment {
  readonly plan: PsbtPlan;
  readonly feeSource: FeeSource;
}

interface Payment {
  readonly script: Uint8Array;
  readonly amount: number;
}

function refuse(
  refusal: WalletRefusal,
  reason: string,
): { ok: false; refusal: WalletRefusal; reason: string } {
  return { ok: false, refusal, reason };
}

export async function planPayment(
  request: SpendRequest,
  circumstances: PaymentCircumstances,
): Promise<WalletOutcome<PlannedPayment>> {
  const payments = readRecipients(request, circumstances.network);
  if ("refusal" in payments) return payments;
  const rate = await chooseFeeRate(request, circumstances);
  if ("refusal" in rate) return rate;
  const outputs = chooseOutputs(request, payments, rate.perKvb, circumstances);
  if ("refusal" in outputs) return outputs;
  const { random } = circumstances;
  const sequence = request.replaceable === false ? NOT_FINAL_SEQUENCE : REPLACEABLE_SEQUENCE;
  const plan: PsbtPlan = {
    inputs: shuffled(outputs.coins, random).map(({ txid, vout, ...coin }) => ({
      ...coin,
      txid,
      index: vout,
      sequence,
    })),
    outputs: shuffled(outputs.outputs, random),
    lockTime: antiSnipingLockTime(circumstances),
    fingerprint: circumstances.fingerprint,
  };
  return { ok: true, plan, feeSource: rate.source };
}

function readRecipients(
  { recipients }: SpendRequest,
  network: Network,
): Payment[] | ReturnType<typeof refuse> {
  if (recipients.length === 0) return refuse("invalid-amount", "nobody is to be paid");
  const payments: Payment[] = [];
  for (const { address, amount } of recipients) {
    const decoded = decodeAddress(address, network);
    if (isAddressError(decoded)) return refuse("invalid-address", `Invalid address: ${decoded.error}`);
    if (!Number.isSafeInteger(amount) || amount <= 0 || amount > MAX_MONEY) {
      return refuse("invalid-amount", "Invalid amount for send");
    }
    if (amount < dustThreshold(decoded.script, DUST_RATE)) {
      return refuse("invalid-amount", "Transaction amount too small");
    }
    payments.push({ script: decoded.script, amount });
  }
  return payments;
}

async function chooseFeeRate(
  { feeRate, confirmTarget }: SpendRequest,
  { chain, fallbackFeeRate = FALLBACK_FEE_RATE }: PaymentCircumstances,
): Promise<{ perKvb: number; source: FeeSource } | ReturnType<typeof refuse>> {
  const minimum = await chain.minimumFeeRate();
  if (feeRate !== undefined) {
    const perKvb = Math.round(feeRate * 1000);
    if (!(perKvb >= 0 && perKvb <= MAX_FEE_RATE)) {
      return refuse("fee-too-high", `a fee rate of ${feeRate} sat/vB is no sensible rate`);
    }
    // A rate of nothing is too low where the node itself would take it.
    if (perKvb < Math.max(minimum, 1)) {
      const [given, least] = [perKvb, minimum].map((rate) => `${(rate / 1000).toFixed(3)} sat/vB`);
      return refuse(
        "fee-too-low",
        `Fee rate (${given}) is lower than the minimum fee rate setting (${least})`,
      );
    }
    return { perKvb, source: "given" };
  }
  const estimate = await chain.feeRate(confirmTarget ?? DEFAULT_TARGET_BLOCKS);
  const wanted = estimate ?? fallbackFeeRate;
  if (wanted === 0) {
    return refuse(
      "fee-unknown",
      "Fee estimation failed. Fallbackfee is disabled. Wait a few blocks or enable -fallbackfee.",
    );
  }
  if (wanted < minimum) return { perKvb: minimum, source: "minimum" };
  return { perKvb: Math.min(wanted, MAX_FEE_RATE), source: estimate === undefined ? "fallback" : "estimate" };
}

interface Candidate extends Selectable {
  readonly coin: SpendableCoin;
}

function chooseOutputs(
  request: SpendRequest,
  payments: readonly Payment[],
  perKvb: number,
  { coins, change, random }: PaymentCircumstances,
): { coins: SpendableCoin[]; outputs: PsbtOutput[] } | ReturnType<typeof refuse> {
  const feeOf = (weight: number) => feeFor(feeRatePerKvb(perKvb), weight / 4);
  const longTermFeeOf = (weight: number) => feeFor(feeRatePerKvb(LONG_TERM_FEE_RATE), weight / 4);
  const subtractFee = request.subtractFee === true;
  const paid = payments.reduce((sum, { amount }) => sum + amount, 0);
  const type = changeType(payments, coins);
  const changeScript = change(type);
  const changeWeight = outputWeight(changeScript.script);
  const baseWeight = BASE_WEIGHT + payments.reduce((sum, { script }) => sum + outputWeight(script), 0);
  const candidates = coins.map((coin): Candidate => {
    const weight = inputWeight(coin.own.chain.type);
    return { coin, amount: coin.amount, fee: feeOf(weight), longTermFee: longTermFeeOf(weight) };
  });
  const dust = dustThreshold(changeScript.script, DUST_RATE);
  const most = Math.max(CHANGE_LOWER, Math.min(CHANGE_UPPER, paid * 2));
  const selection = selectCoins(
    candidates,
    {
      target: paid + (subtractFee ? 0 : feeOf(baseWeight)),
      changeFee: subtractFee ? 0 : feeOf(changeWeight),
      changeSpendFee: longTermFeeOf(inputWeight(type)),
      dust,
      changeTarget: CHANGE_LOWER + random.below(most - CHANGE_LOWER + 1),
      subtractFee,
    },
    random,
  );
  if (selection === undefined) return refuse("insufficient-funds", "Insufficient funds");
  const chosen = selection.coins.map(({ coin }) => coin);
  const available = chosen.reduce((sum, { amount }) => sum + amount, 0);
  const inputsWeight = chosen.reduce((sum, { own }) => sum + inputWeight(own.chain.type), 0);
  const settle = (withChange: boolean) => {
    const weight = baseWeight + inputsWeight + (withChange ? changeWeight : 0);
    return { weight, fee: feeFor(feeRatePerKvb(perKvb), Math.ceil(weight / 4)) };
  };
  let { weight, fee } = settle(true);
  let rest = available - paid - (subtractFee ? 0 : fee);
  const hasChange = selection.hasChange && rest >= dust;
  if (!hasChange) {
    ({ weight, fee } = settle(false));
    rest = available - paid - (subtractFee ? 0 : fee);
    if (rest < 0) return refuse("insufficient-funds", "Insufficient funds");
  }
  if (weight > MAX_WEIGHT) return refuse("invalid-amount", "Transaction too large");
  const given = hasChange ? fee : fee + rest;
  if (given > MAX_FEE) {
    return refuse(
      "fee-too-high",
      `the fee would be ${given} sat, more than ${MAX_FEE} sat: is the rate right?`,
    );
  }
  const outputs: PsbtOutput[] = payments.map(({ script, amount }, i) => ({
    script,
    // What is left over without change goes to the miner, and the recipient who bears the fee is given it back.
    amount: subtractFee && i === 0 ? amount - Math.max(0, fee - (hasChange ? 0 : rest)) : amount,
    own: undefined,
  }));
  const [first] = outputs;
  if (first !== undefined && first.amount < dustThreshold(first.script, DUST_RATE)) {
    return refuse("invalid-amount", "The transaction amount is too small to pay the fee");
  }
  if (hasChange) outputs.push({ script: changeScript.script, amount: rest, own: changeScript });
  return { coins: chosen, outputs };
}

/** Version, lock time, marker and flag, and counts of up to 252 inputs and outputs. */
const BASE_WEIGHT = (4 + 4 + 1 + 1) * 4 + 2;

function outputWeight(script: Uint8Array): number {
  return (8 + 1 + script.length) * 4;
}

/**
 * Change looks like the payment where we can make it so, else like the coins: an output of the one odd type would
 * stand out as ours.
 */
function changeType(payments: readonly Payment[], coins: readonly SpendableCoin[]): AddressType {
  const types = new Set(payments.map(({ script }) => classifyOutput(script).type));
  if (types.has("witness_v1_taproot")) return "bech32m";
  if (types.has("witness_v0_keyhash")) return "bech32";
  const taproot = coins.filter(({ own }) => own.chain.type === "bech32m").length;
  return taproot * 2 > coins.length ? "bech32m" : "bech32";
}

/**
 * Ties the transaction to the next block, so that a miner gains nothing by mining the last one again; now and then a
 * little earlier, for the privacy of those who sign late (Core: DiscourageFeeSniping).
 */
function antiSnipingLockTime({ tip, now, random }: PaymentCircumstances): number {
  if (now - tip.time > MAX_TIP_AGE) return 0;
  return random.below(10) === 0 ? Math.max(0, tip.height - random.below(100)) : tip.height;
}
