import type { PaymentRail, RailOutcome, RailPeer } from "#sharing/deals/payment-rail.ts";
import type { PeerId } from "#sharing/mesh/mesh.ts";

/** A rail of the ledger's process that is open to friends alone, whom only the sharing process knows. */
export class FriendRail implements PaymentRail {
  readonly name: PaymentRail["name"];
  readonly #rail: PaymentRail;
  readonly #isFriend: (peer: PeerId) => boolean;

  constructor(rail: PaymentRail, isFriend: (peer: PeerId) => boolean) {
    this.name = rail.name;
    this.#rail = rail;
    this.#isFriend = isFriend;
  }

  open(peer: RailPeer, limitMsat: number): ReturnType<PaymentRail["open"]> {
    return this.#for(peer, () => this.#rail.open(peer, limitMsat));
  }

  pay(peer: RailPeer, totalMsat: number, reference: string): ReturnType<PaymentRail["pay"]> {
    return this.#for(peer, () => this.#rail.pay(peer, totalMsat, reference));
  }

  receive(peer: RailPeer, proof: Uint8Array): ReturnType<PaymentRail["receive"]> {
    return this.#for(peer, () => this.#rail.receive(peer, proof));
  }

  close(peer: RailPeer): ReturnType<PaymentRail["close"]> {
    return this.#rail.close(peer);
  }

  async #for<T>({ peer }: RailPeer, use: () => Promise<RailOutcome<T>>): Promise<RailOutcome<T>> {
    if (this.#isFriend(peer)) return use();
    const text = `the rail ${this.name} is for friends: join by an invitation first`;
    return { ok: false, reason: "not-allowed", text };
  }
}
