import { DecodeError } from "#base/lib/decode-error.ts";
import type { Receipt, Terms } from "#sharing/deals/deal.ts";
import { dealIdOf, receiptHash } from "#sharing/deals/deal-codec.ts";
import { DEAL_PROTOCOL } from "#sharing/deals/deal-messages.ts";
import { decodeCbor, encodeCbor } from "#sharing/mesh/cbor.ts";
import type { FuzzTarget } from "./fuzz.ts";

const signature = new Uint8Array(64).fill(3);
const terms: Terms = {
  service: "storage",
  buyer: "12D3KooWGzh4k9xVbPMGM8jUQX4YyuTjdvyGsrnAwdPBYcK2FrbV",
  buyerAccount: "aa".repeat(32),
  seller: "12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X",
  sellerAccount: "bb".repeat(32),
  rail: "free",
  prices: { task: 5 },
  credit: 0,
  from: 1,
  until: 2,
  nonce: new Uint8Array(16),
};
const step = { what: "task verified", subject: "ab", unit: "task", milliUnits: 1000, proof: "cd".repeat(32) };
const receipt = { ...step, deal: "ef".repeat(32), sequence: 1, amountMsat: 5, time: 9 };

/** Requests and replies of the deal protocol: what passes the schema can be hashed and compared. */
export const target: FuzzTarget = {
  name: "deal",
  seeds: [
    { service: "compute" },
    { terms, signature },
    { deal: receipt.deal, step },
    { deal: receipt.deal, signatures: [{ sequence: 4, signature }], payment: new Uint8Array(9) },
    { receipt, signature },
  ].map(encodeCbor),
  run(input) {
    const message = decodeCbor(input);
    let fits = 0;
    for (const { request, reply } of Object.values(DEAL_PROTOCOL.methods)) {
      for (const schema of [request, reply]) {
        const parsed = schema.safeParse(message);
        if (!parsed.success) continue;
        fits++;
        if ("terms" in parsed.data) dealIdOf(parsed.data["terms"] as Terms);
        if ("receipt" in parsed.data) receiptHash(parsed.data["receipt"] as Receipt);
      }
    }
    if (fits === 0) throw new DecodeError("no message of the protocol");
  },
};
