/** Amounts as people read and write them. */

const COIN = 100_000_000;
const MAX_MONEY = 21_000_000 * COIN;

/** Digits in groups of three: `1,234,567`. */
export function groups(amount: number): string {
  return String(amount).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** `50,000 sat (0.0005 BTC)`; small amounts in satoshi alone. */
export function moneyText(amount: number): string {
  const text = `${groups(amount)} sat`;
  return amount < 10_000 ? text : `${text} (${bitcoinText(amount)} BTC)`;
}

/** Satoshi as bitcoin, without zeros at the end. */
export function bitcoinText(amount: number): string {
  const fraction = String(amount % COIN)
    .padStart(8, "0")
    .replace(/0+$/, "");
  const whole = String(Math.floor(amount / COIN));
  return fraction === "" ? whole : `${whole}.${fraction}`;
}

/** Satoshi of `50000`, `50000sat` or `0.0005btc`; `undefined` for anything else. */
export function decodeAmount(text: string): number | undefined {
  const match = /^(\d{1,16})(?:\.(\d{1,8}))?(sat|btc)?$/i.exec(text.trim());
  if (match === null) return undefined;
  const [, whole = "", fraction, unit = "sat"] = match;
  if (unit.toLowerCase() === "sat") {
    const amount = Number(whole);
    return fraction === undefined && amount > 0 && amount <= MAX_MONEY ? amount : undefined;
  }
  const amount = Number(whole) * COIN + Number((fraction ?? "").padEnd(8, "0"));
  return amount > 0 && amount <= MAX_MONEY ? amount : undefined;
}

/** `fee 1,410 sat (10 sat/vB, 2.8% of the amount)`. */
export function feeLine(payment: {
  readonly fee: number;
  readonly feeRate: number;
  readonly recipients: readonly { readonly amount: number }[];
}): string {
  const amount = payment.recipients.reduce((sum, each) => sum + each.amount, 0);
  const share = amount === 0 ? 0 : (payment.fee / amount) * 100;
  const percent = percentText(share);
  const rate = Math.round(payment.feeRate * 10) / 10;
  return `fee ${groups(payment.fee)} sat (${rate} sat/vB, ${percent}% of the amount)`;
}

function percentText(share: number): string {
  if (share >= 10) return share.toFixed(0);
  if (share >= 0.1) return share.toFixed(1);
  // Smaller ones would be written 7e-7.
  return share >= 0.0001 || share === 0 ? share.toPrecision(1) : "under 0.0001";
}
