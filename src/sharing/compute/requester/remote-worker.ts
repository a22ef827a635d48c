/** One provider, as one job uses it: open terms, its window, and an attempt from the assignment to the checked result. */
import type { Clock } from "#base/lib/clock.ts";
import type { Random } from "#base/lib/random.ts";
import type { Deal, Deals } from "#sharing/deals/deal.ts";
import type { AccountId, Mesh, PeerId, PeerView } from "#sharing/mesh/mesh.ts";
import { COMPUTE_PROTOCOL, type ComputeOffer } from "../compute-protocol.ts";
import type { BoundKind } from "../core/bound-kind.ts";
import type { PlannedTask, Rerun } from "../core/job-kind.ts";
import type { TaskLimits } from "../core/task.ts";
import type { Inbox } from "./inbox.ts";
import { RerunError } from "./rerun-error.ts";
import { checkResult } from "./result-check.ts";
import type { Attempt, AttemptResult, Worker } from "./worker.ts";

export interface RemoteWorkerParts {
  readonly mesh: Mesh;
  readonly deals: Deals;
  readonly clock: Clock;
  readonly random: Random;
  readonly inbox: Inbox;
  readonly kind: BoundKind;
  /** 16 bytes: the job, in the assignment. */
  readonly order: Uint8Array;
  /** Most millisatoshi for one task. */
  readonly taskMsat: number;
  readonly rerun: (task: PlannedTask, signal: AbortSignal) => Rerun;
}

const ASSIGN_TIMEOUT = 15_000;
const CANCEL_TIMEOUT = 5_000;
/** Milliseconds that a task may wait at a provider, beside its own limit. */
const QUEUE_PATIENCE = 60_000;

export class RemoteWorker implements Worker {
  readonly peer: PeerId;
  readonly account: AccountId | undefined;
  readonly name: string;
  readonly isSelf = false;
  readonly arch: string;
  #window = 0;
  #deal: Deal | undefined;
  readonly #parts: RemoteWorkerParts;

  constructor(view: PeerView, offer: ComputeOffer, parts: RemoteWorkerParts) {
    this.peer = view.peer;
    this.account = view.account;
    this.name = view.name;
    this.arch = offer.arch;
    this.#parts = parts;
  }

  get window(): number {
    return this.#window;
  }

  /** Msat that one task costs under the open terms. */
  get price(): number {
    return this.#deal?.terms.prices.task ?? 0;
  }

  /** Opens terms and asks whether such tasks are taken. Why not, or undefined. */
  async prepare(limits: TaskLimits): Promise<string | undefined> {
    const { deals, mesh, taskMsat } = this.#parts;
    const deal = await deals.open(this.peer, "compute", { task: taskMsat });
    if (!deal.ok) return `${deal.refusal.code}: ${deal.refusal.text}`;
    const { ask } = COMPUTE_PROTOCOL.methods;
    const request = { kind: "wasm" as const, limits };
    const answer = await mesh.call(this.peer, COMPUTE_PROTOCOL, ask, request, { timeoutMs: ASSIGN_TIMEOUT });
    if (!answer.ok) return `${answer.refusal.code}: ${answer.refusal.text}`;
    this.#deal = deal.value;
    this.#window = Math.min(answer.value.window, 64);
    return undefined;
  }

  async run(attempt: Attempt): Promise<AttemptResult> {
    const { inbox, clock, mesh, order } = this.#parts;
    const { task, id, signal } = attempt;
    const began = clock.monotonic();
    // Whether it ends by itself or is given up, what is under way there is stopped.
    const patience = new AbortController();
    const both = AbortSignal.any([signal, patience.signal]);
    const limit = task.spec.limits.milliseconds + QUEUE_PATIENCE;
    const stopClock = clock.after(limit, () => patience.abort());
    try {
      const ended = inbox.wait(this.peer, id, both, ({ state }) => {
        if (state === "running") attempt.moved("running");
      });
      const { assign } = COMPUTE_PROTOCOL.methods;
      const call = { timeoutMs: ASSIGN_TIMEOUT, signal: both };
      const answer = await mesh.call(this.peer, COMPUTE_PROTOCOL, assign, { task: task.spec, order }, call);
      if (!answer.ok) return { status: "gone", reason: `${answer.refusal.code}: ${answer.refusal.text}` };
      if (answer.value.task !== id) return { status: "false", reason: "answers for another task" };
      inbox.take(this.peer, answer.value);
      const end = await ended;
      if (end.state === "silent") {
        this.#cancel(attempt);
        const isLate = patience.signal.aborted && !signal.aborted;
        return { status: "gone", reason: isLate ? `not done after ${limit} ms` : end.reason, isLate };
      }
      if (end.state === "failed") {
        const { code, text } = end.failure!;
        return code === "cancelled"
          ? { status: "gone", reason: text }
          : { status: "failed", code, reason: `${code}: ${text}` };
      }
      attempt.moved("verifying");
      return await this.#check(attempt, end.commitment!, clock.monotonic() - began);
    } finally {
      stopClock();
      // However it ended: nobody waits for it any more.
      patience.abort();
    }
  }

  async #check(
    { task, id, signal }: Attempt,
    commitment: Parameters<typeof checkResult>[4],
    milliseconds: number,
  ): Promise<AttemptResult> {
    const { mesh, random, kind, rerun } = this.#parts;
    const parts = { mesh, random, kind, signal, rerun: rerun(task, signal) };
    const checked = await checkResult(parts, this.peer, task, id, commitment).catch((error: unknown) => {
      if (error instanceof RerunError)
        return { status: "gone", reason: `not checked: ${error.message}` } as const;
      throw error;
    });
    if (checked.status !== "right") return checked;
    const { output, proved } = checked;
    const claim = { deal: this.#deal!, commitment };
    return { status: "right", output, proved, claim, milliseconds: Math.ceil(milliseconds) };
  }

  /** Another job of ours may want the same task of it: to the provider they are one. */
  #cancel({ id }: Attempt): void {
    if (this.#parts.inbox.awaits(this.peer, id)) return;
    const { cancel } = COMPUTE_PROTOCOL.methods;
    const options = { timeoutMs: CANCEL_TIMEOUT };
    void this.#parts.mesh.call(this.peer, COMPUTE_PROTOCOL, cancel, { tasks: [id] }, options);
  }
}
