/**
 * What a host signs receipts for: audits that it answered, each once, and shards that it has. What it answered is kept
 * in memory alone: a receipt is asked for right after its audit, and one that a restart came between is the host's own
 * loss.
 */
import { hex, toHex } from "#base/lib/bytes.ts";
import type { Step } from "#sharing/deals/deal.ts";
import type { PeerId } from "#sharing/mesh/mesh.ts";
import { accept, type Outcome, refuse } from "#sharing/mesh/protocol.ts";

/** Audits of one peer that wait for their receipts at most; the oldest go first. */
const MOST_OF_A_PEER = 1_024;
/** Peers that are remembered; who was silent longest goes first. */
const MOST_PEERS = 1_024;

/** An audit that was answered. */
interface Answered {
  readonly root: string;
  /** The step that its receipt was made for: no other gets one. */
  step?: string;
}

export class ReceiptCheck {
  /** By peer, then by the hex of the evidence. */
  readonly #answered = new Map<PeerId, Map<string, Answered>>();

  /** An audit of a shard was answered to this peer. */
  answered(peer: PeerId, root: Uint8Array, evidence: Uint8Array): void {
    const audits = this.#answered.get(peer) ?? new Map<string, Answered>();
    this.#answered.delete(peer);
    this.#answered.set(peer, audits);
    audits.set(toHex(evidence), { root: toHex(root) });
    forgetOldest(audits, MOST_OF_A_PEER);
    forgetOldest(this.#answered, MOST_PEERS);
  }

  /** Whether the step is one that this host did. @param has whether the peer's account has a shard here. */
  async check(peer: PeerId, step: Step, has: (root: Uint8Array) => Promise<boolean>): Promise<Outcome<null>> {
    if (step.what === "epoch audited") return this.#checkAudit(peer, step);
    if (step.what !== "shard stored") return accept(null);
    const root = /^[0-9a-f]{64}$/.test(step.subject) ? hex(step.subject) : undefined;
    if (root === undefined || step.proof !== step.subject || !(await has(root))) {
      return refuse("not-found", "no such shard of yours is here");
    }
    return accept(null);
  }

  #checkAudit(peer: PeerId, step: Step): Outcome<null> {
    const audit = this.#answered.get(peer)?.get(step.proof);
    const text = `${step.unit} ${step.milliUnits}`;
    if (audit === undefined || audit.root !== step.subject || (audit.step ?? text) !== text) {
      return refuse("not-found", "no audit of this shard was answered with this evidence");
    }
    audit.step = text;
    return accept(null);
  }
}

function forgetOldest(map: Map<string, unknown>, most: number): void {
  for (const oldest of map.keys()) {
    if (map.size <= most) return;
    map.delete(oldest);
  }
}
