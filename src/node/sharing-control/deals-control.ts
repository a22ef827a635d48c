import type { SharingControl } from "#doors/api/sharing-control.ts";
import type { Deals } from "#sharing/deals/deal.ts";

/** Most receipts that one answer carries. */
const MAX_RECEIPTS = 1000;

/** Deals and receipts, as the doors ask for them. */
export function dealsControl(deals: Deals): Pick<SharingControl, "deals" | "receipts"> {
  return {
    async deals() {
      return deals.list().map(({ id, role, state, terms }) => ({
        id,
        service: terms.service,
        role,
        peer: role === "buyer" ? terms.seller : terms.buyer,
        rail: terms.rail,
        state,
        until: terms.until,
      }));
    },
    receipts: (query) => deals.receipts({ ...query, limit: Math.min(query.limit ?? 100, MAX_RECEIPTS) }),
  };
}
