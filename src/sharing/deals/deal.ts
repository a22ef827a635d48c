/**
 * What two peers agree before one works for the other, and what both keep of it afterwards. Money is millisatoshi, in
 * safe integers; it is rounded only at settlement. The wire form is in docs/protocols/deal.md.
 */
import type { AccountId, PeerId } from "#sharing/mesh/mesh.ts";
import type { Outcome } from "#sharing/mesh/protocol.ts";

export const SERVICES = ["storage", "compute", "relay"] as const;
export type Service = (typeof SERVICES)[number];

/** How a deal is paid: nothing among allow-listed peers, or through a funded rail. */
export type RailName = "free" | "channel" | "lightning";

/** SHA-256 of the canonical CBOR of the terms, hex. */
export type DealId = string & { readonly brand?: "DealId" };

/** What is counted: the unit of `price`. */
export const UNITS = ["gib-epoch", "gib-egress", "task"] as const;
export type Unit = (typeof UNITS)[number];

/** Agreed by both, signed by both device keys, never changed afterwards. */
export interface Terms {
  readonly service: Service;
  /** Who pays. */
  readonly buyer: PeerId;
  readonly buyerAccount: AccountId;
  /** Who works. */
  readonly seller: PeerId;
  readonly sellerAccount: AccountId;
  readonly rail: RailName;
  /** Millisatoshi for one unit; all 0 on the rail `free`. */
  readonly prices: Readonly<Partial<Record<Unit, number>>>;
  /** Millisatoshi of work that may stand unpaid; on `free`, units do not count against it. */
  readonly credit: number;
  /** Seconds since 1970. */
  readonly from: number;
  readonly until: number;
  /** Storage: seconds of an epoch, and leaves an audit. */
  readonly epochSeconds?: number;
  readonly auditLeaves?: number;
  /** 16 random bytes, so that no two terms are the same. */
  readonly nonce: Uint8Array;
}

export interface Deal {
  readonly id: DealId;
  readonly terms: Terms;
  readonly role: "buyer" | "seller";
  readonly state: "open" | "closed";
}

/** One step done: for what, when, against which proof. Made by the seller, signed by both. */
export interface Receipt {
  readonly deal: DealId;
  /** 0, 1, 2 … within the deal. */
  readonly sequence: number;
  /** For people and programs: `shard stored`, `epoch audited`, `range read`, `task verified`. */
  readonly what: string;
  /** What it was about: a shard root, a task id; hex. */
  readonly subject: string;
  readonly unit: Unit;
  /** Units in thousandths: 1000 is one task. */
  readonly milliUnits: number;
  readonly amountMsat: number;
  /** Seconds since 1970, the seller's clock. */
  readonly time: number;
  /** Hash of the evidence (audit answer, result commitment, fsynced shard root); hex. */
  readonly proof: string;
}

/** A receipt as it is kept and listed. */
export interface KeptReceipt extends Receipt {
  readonly role: "buyer" | "seller";
  readonly peer: PeerId;
  readonly service: Service;
  readonly sellerSignature: Uint8Array;
  /** Missing until the buyer has acknowledged it. */
  readonly buyerSignature?: Uint8Array;
}

/** A step to be receipted. */
export interface Step {
  readonly what: string;
  readonly subject: string;
  readonly unit: Unit;
  readonly milliUnits: number;
  readonly proof: string;
}

export interface ReceiptQuery {
  readonly peer?: PeerId;
  readonly service?: Service;
  readonly deal?: DealId;
  readonly role?: "buyer" | "seller";
  /** At most this many, newest first (100 unless told). */
  readonly limit?: number;
}

/** Deals and receipts of this node, on disk before they are answered. */
export interface Deals {
  /**
   * Open terms with a seller, as buyer: those that stand, or new ones. Refused when the seller does not offer the
   * service, no rail fits, or its price is over `maxPrices`.
   */
  open(seller: PeerId, service: Service, maxPrices?: Terms["prices"]): Promise<Outcome<Deal>>;
  /** As seller: the open terms with a buyer, or the refusal `no-terms` (or `unpaid`, when its credit is used up). */
  require(buyer: PeerId, service: Service): Outcome<Deal>;
  /**
   * As buyer: the proof was seen and holds, so the step is receipted: the seller signs, we countersign, both keep it,
   * the rail pays. Resolves when it is on disk on our side.
   */
  settle(deal: Deal, step: Step): Promise<Outcome<KeptReceipt>>;
  close(deal: Deal): Promise<void>;
  list(): readonly Deal[];
  receipts(query?: ReceiptQuery): Promise<readonly KeptReceipt[]>;
  /** Sums by service and role. */
  totals(): Promise<
    readonly { service: Service; role: "buyer" | "seller"; receipts: number; msat: number }[]
  >;
}

/** What a seller asks, declared at its start and offered through the mesh. */
export interface SellerPolicy {
  readonly service: Service;
  /** Millisatoshi for strangers on paid rails. Friends pay nothing on `free`. */
  readonly prices: Terms["prices"];
}
