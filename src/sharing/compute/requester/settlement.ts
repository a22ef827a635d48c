/** From a result that is right to its receipt; and what a provider is told of its results. */
import { toHex } from "#base/lib/bytes.ts";
import type { Logger } from "#base/lib/logger.ts";
import type { Deal, Deals } from "#sharing/deals/deal.ts";
import type { Mesh, PeerId } from "#sharing/mesh/mesh.ts";
import { COMPUTE_PROTOCOL } from "../compute-protocol.ts";
import { receiptProof } from "../core/commitment.ts";
import type { JobJournal } from "./job-journal.ts";
import type { Held, TaskRun } from "./task-run.ts";
import type { TrackRecords } from "./track-record.ts";

export interface SettlementParts {
  readonly mesh: Mesh;
  readonly deals: Deals;
  readonly log: Logger;
  readonly records: TrackRecords;
  readonly journal: JobJournal;
  /** 16 bytes: the job, in every receipt. */
  readonly order: Uint8Array;
}

const VERDICT_TIMEOUT = 2_000;
const SETTLE_TRIES = 2;

export class Settlement {
  readonly #parts: SettlementParts;

  constructor(parts: SettlementParts) {
    this.#parts = parts;
  }

  /**
   * Gets the receipt for a result; false where its provider gives none.
   * @param isChecked whether this very result passed a check, which counts for its provider's record.
   */
  async settle(
    task: TaskRun,
    { worker, claim, outputHash, milliseconds }: Held,
    isChecked: boolean,
  ): Promise<boolean> {
    const { journal, order, records } = this.#parts;
    const { deal } = claim;
    const { peer } = worker;
    const proof = toHex(receiptProof(claim.commitment.hash, order));
    const msat = priceOf(deal);
    await journal.settling({
      task: task.index,
      provider: peer,
      deal: deal.id,
      proof,
      outputHash,
      milliseconds,
      msat,
    });
    if (!(await this.receipt(deal, task, proof))) {
      await journal.note(task, peer, "left: gave no receipt");
      return false;
    }
    if (isChecked) await records.passed(worker.account);
    await journal.note(task, peer, "verified");
    void this.verdict(peer, task, undefined);
    return true;
  }

  async receipt(deal: Deal, task: TaskRun, proof: string): Promise<boolean> {
    const step = { what: "task verified", subject: task.id, unit: "task", milliUnits: 1000, proof } as const;
    for (let i = 0; i < SETTLE_TRIES; i++) {
      const outcome = await this.#parts.deals.settle(deal, step);
      if (outcome.ok) return true;
      this.#parts.log.debug("net", () => `compute: no receipt for ${task.id}: ${outcome.refusal.text}`);
    }
    return false;
  }

  /** Tells a provider that its result was right, or what was false with it. */
  async verdict(peer: PeerId, task: TaskRun, fault: string | undefined): Promise<void> {
    const { verdict } = COMPUTE_PROTOCOL.methods;
    const reason = (fault ?? "").slice(0, 200);
    const request = { task: task.id, verified: fault === undefined, reason };
    await this.#parts.mesh.call(peer, COMPUTE_PROTOCOL, verdict, request, { timeoutMs: VERDICT_TIMEOUT });
  }
}

/** Msat of one task under these terms. */
export function priceOf(deal: Deal): number {
  return deal.terms.prices.task ?? 0;
}
