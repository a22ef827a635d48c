import type { PeerId } from "#sharing/mesh/mesh.ts";
import type { PaymentRail, RailOutcome, RailPeer } from "./payment-rail.ts";

/** The rail among friends: no value moves, and only peers of the allow list get onto it. */
export class FreeRail implements PaymentRail {
  readonly name = "free";
  readonly #isFriend: (peer: PeerId) => boolean;

  constructor(isFriend: (peer: PeerId) => boolean) {
    this.#isFriend = isFriend;
  }

  async open({ peer }: RailPeer, _limitMsat: number): Promise<RailOutcome<{ readonly limitMsat: number }>> {
    return this.#isFriend(peer) ? { ok: true, value: { limitMsat: 0 } } : NOT_A_FRIEND;
  }

  async pay(
    { peer }: RailPeer,
    totalMsat: number,
  ): Promise<RailOutcome<{ readonly paidMsat: number; readonly proof: Uint8Array }>> {
    if (!this.#isFriend(peer)) return NOT_A_FRIEND;
    if (totalMsat > 0) return OVER;
    return { ok: true, value: { paidMsat: 0, proof: new Uint8Array(0) } };
  }

  async receive(
    { peer }: RailPeer,
    proof: Uint8Array,
  ): Promise<RailOutcome<{ readonly receivedMsat: number }>> {
    if (!this.#isFriend(peer)) return NOT_A_FRIEND;
    if (proof.length > 0) return { ok: false, reason: "bad-proof", text: "nothing is paid on the rail free" };
    return { ok: true, value: { receivedMsat: 0 } };
  }

  async close(): Promise<RailOutcome<{ readonly paidMsat: number }>> {
    return { ok: true, value: { paidMsat: 0 } };
  }
}

const NOT_A_FRIEND = {
  ok: false,
  reason: "not-allowed",
  text: "the rail free is for friends: join by an invitation first",
} as const;
const OVER = { ok: false, reason: "over-budget", text: "the rail free moves no money" } as const;
