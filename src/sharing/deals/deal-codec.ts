/** Terms and receipts as bytes that are hashed and signed (docs/protocols/deal.md). */
import { sha256 } from "#base/crypto/sha256.ts";
import { concatBytes, toHex } from "#base/lib/bytes.ts";
import { encodeCbor } from "#sharing/mesh/cbor.ts";
import type { DealId, Receipt, Step, Terms } from "./deal.ts";

const TERMS_DOMAIN = new TextEncoder().encode("freehold/terms/1");
const RECEIPT_DOMAIN = new TextEncoder().encode("freehold/receipt/1");

/** What both device keys sign when terms are agreed. */
export function termsMessage(terms: Terms): Uint8Array {
  return concatBytes(TERMS_DOMAIN, encodeCbor(terms));
}

/** SHA-256 of the canonical CBOR of the terms. */
export function dealIdOf(terms: Terms): DealId {
  return toHex(sha256(encodeCbor(terms)));
}

/** What both device keys sign for a step that was done. */
export function receiptMessage(receipt: Receipt): Uint8Array {
  return concatBytes(RECEIPT_DOMAIN, encodeCbor(receiptFields(receipt)));
}

/** Names a receipt towards a payment rail: the same one is paid once. */
export function receiptHash(receipt: Receipt): string {
  return toHex(sha256(receiptMessage(receipt)));
}

/** The signed fields alone, without what is kept beside them. */
export function receiptFields(receipt: Receipt): Receipt {
  const { deal, sequence, what, subject, unit, milliUnits, amountMsat, time, proof } = receipt;
  return { deal, sequence, what, subject, unit, milliUnits, amountMsat, time, proof };
}

/** The same step of the same deal has the same name, so that asking twice gives one receipt. */
export function stepKey(deal: DealId, step: Step): Uint8Array {
  const { what, subject, unit, milliUnits, proof } = step;
  return sha256(encodeCbor({ deal, what, subject, unit, milliUnits, proof }));
}

/** Price of a step, millisatoshi: thousandths of units times the price, rounded down. */
export function priceOf(terms: Terms, step: Pick<Step, "unit" | "milliUnits">): number {
  const price = terms.prices[step.unit] ?? 0;
  return price === 0 ? 0 : Number((BigInt(price) * BigInt(step.milliUnits)) / 1000n);
}
