/**
 * How value moves between two peers of a deal. `free` moves none and is open to friends alone; others hold a funded
 * channel. The budget is enforced on the other side of the link, where the keys are: a rail only asks.
 */
import type { AccountId, PeerId } from "#sharing/mesh/mesh.ts";
import type { RailName } from "./deal.ts";

export interface RailPeer {
  readonly peer: PeerId;
  readonly account: AccountId;
}

export type RailOutcome<T> =
  | { readonly ok: true; readonly value: T }
  | {
      readonly ok: false;
      readonly reason: "not-allowed" | "over-budget" | "no-funds" | "not-open" | "bad-proof" | "unavailable";
      readonly text: string;
    };

/** All amounts millisatoshi. One suite holds every rail. */
export interface PaymentRail {
  readonly name: RailName;
  /** Makes ready to pay `peer` up to `limitMsat`; opening twice is one opening. */
  open(peer: RailPeer, limitMsat: number): Promise<RailOutcome<{ readonly limitMsat: number }>>;
  /** Pays up to a running total (never down). `reference` is the receipt's hash, hex: the same one twice pays once. */
  pay(
    peer: RailPeer,
    totalMsat: number,
    reference: string,
  ): Promise<RailOutcome<{ readonly paidMsat: number; readonly proof: Uint8Array }>>;
  /** As payee: checks and keeps what the other side paid. Returns the total it stands at. */
  receive(peer: RailPeer, proof: Uint8Array): Promise<RailOutcome<{ readonly receivedMsat: number }>>;
  close(peer: RailPeer): Promise<RailOutcome<{ readonly paidMsat: number }>>;
}
