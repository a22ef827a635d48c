/**
 * What becomes of what attempts bring: results are compared where a check is due, receipted, or thrown away; cheats are
 * named; failures are weighed. A result counts only with its receipt, so that receipts and verified tasks are equal on
 * both sides.
 */
import { sha256 } from "#base/crypto/sha256.ts";
import { toHex } from "#base/lib/bytes.ts";
import type { Clock } from "#base/lib/clock.ts";
import type { Random } from "#base/lib/random.ts";
import type { Deals } from "#sharing/deals/deal.ts";
import type { Mesh, PeerId } from "#sharing/mesh/mesh.ts";
import type { BoundKind } from "../core/bound-kind.ts";
import { drawCheck } from "../core/check-policy.ts";
import { isTasksOwnFault } from "../core/task-runner.ts";
import type { Assignment } from "./assignment.ts";
import { judgeFailures } from "./failure-verdict.ts";
import type { JobJournal } from "./job-journal.ts";
import type { JobFolder, JournalRecord } from "./job-store.ts";
import type { JobEvent } from "./job-view.ts";
import type { Providers } from "./providers.ts";
import { priceOf, type Settlement } from "./settlement.ts";
import type { Held, Running, TaskRun } from "./task-run.ts";
import type { TrackRecords } from "./track-record.ts";
import type { AttemptResult, Worker } from "./worker.ts";

export interface TaskVerdictsParts {
  readonly mesh: Mesh;
  readonly deals: Deals;
  readonly clock: Clock;
  readonly random: Random;
  readonly records: TrackRecords;
  readonly self: Worker;
  /** What a provider is called. */
  readonly nameOf: (peer: PeerId) => string;
  readonly emit: (event: JobEvent) => void;
  /** A provider was caught: every job is to leave it. */
  readonly caught: (peer: PeerId, reason: string) => void;
  readonly jobId: string;
  readonly kind: BoundKind;
  readonly files: JobFolder;
  readonly tasks: readonly TaskRun[];
  readonly providers: Providers;
  readonly journal: JobJournal;
  readonly assignment: Assignment;
  readonly settlement: Settlement;
  /** Whether the job is still under way: after its end no receipt is asked for. */
  readonly goesOn: () => boolean;
  /** A task changed: those who watch are told. */
  readonly tell: (task: TaskRun) => void;
  readonly wake: () => void;
}

/** Why an attempt was stopped: another brought the result first, or its provider was caught at another task. */
const SLOWER = "slower than another";
const CAUGHT_ELSEWHERE = "left: caught at another task";

type Right = AttemptResult & { readonly status: "right" };
type LeftOver = JournalRecord & { readonly type: "settling" };

export class TaskVerdicts {
  readonly #parts: TaskVerdictsParts;

  constructor(parts: TaskVerdictsParts) {
    this.#parts = parts;
  }

  /** An attempt has ended. */
  async take(task: TaskRun, running: Running, result: AttemptResult): Promise<void> {
    const { journal, providers, goesOn, tell, wake } = this.#parts;
    const { worker } = running;
    task.running.delete(worker.peer);
    if (!goesOn()) return;
    if (running.controller.signal.aborted || task.state !== "open") return wake();
    if (result.status === "right") await this.#right(task, running, result);
    else if (result.status === "false") await this.#caught(task, worker, result.reason);
    else if (result.status === "failed") await this.#failed(task, worker, result);
    else {
      providers.goneAway(worker.peer);
      const how = result.isLate === true ? "late" : "left";
      await journal.note(task, worker.peer, `${how}: ${result.reason}`);
    }
    tell(task);
    wake();
  }

  // Failures.

  /** A claim, whoever makes it: see {@link judgeFailures}. */
  async #failed(
    task: TaskRun,
    worker: Worker,
    { code, reason }: AttemptResult & { readonly status: "failed" },
  ): Promise<void> {
    const { journal, providers, records } = this.#parts;
    const { peer, account, arch, isSelf } = worker;
    task.failures.push({ peer, account, arch, isSelf, code });
    if (!isSelf) task.tried.add(peer);
    const verdict = judgeFailures(task.failures, providers.haveOther(task.tried));
    task.needsSelf = verdict === "self";
    // What lies in the machine may befall its next task too.
    if (!isSelf && !isTasksOwnFault(code)) providers.goneAway(peer);
    await journal.note(task, peer, `failed: ${reason}`);
    if (!isSelf) await records.failed(account);
    if (verdict === "lost" && task.state === "open") await this.#lost(task, reason);
  }

  async #lost(task: TaskRun, reason: string): Promise<void> {
    task.held = [];
    await this.#parts.journal.lost(task, reason);
    task.abort();
  }

  /** This machine did what a provider called impossible: it gets no more tasks of this job. */
  async #disproved(task: TaskRun): Promise<void> {
    const { journal, providers, self } = this.#parts;
    for (const { peer, isSelf, arch, code } of task.failures) {
      if (isSelf || arch !== self.arch || !isTasksOwnFault(code)) continue;
      providers.leave(peer);
      await journal.note(task, peer, `left: told of a failure that is none (${code})`);
    }
  }

  // Results.

  async #right(task: TaskRun, running: Running, result: Right): Promise<void> {
    const { assignment, clock, files, providers, random, records } = this.#parts;
    const { worker } = running;
    assignment.took(clock.monotonic() - running.began);
    if (result.claim === undefined) return this.#ownResult(task, result);
    providers.cameThrough(worker.peer);
    const outputHash = toHex(sha256(result.output));
    const held: Held = { worker, claim: result.claim, outputHash, milliseconds: result.milliseconds };
    if (result.proved) {
      await this.#settle(task, [held], result.output, true);
      return;
    }
    const before = task.held[0];
    task.held.push(held);
    await this.#stopOthers(task);
    if (before === undefined) {
      await files.write(task.outputName, result.output);
      if (drawCheck(records.of(worker.account).passed, random)) task.check = "another";
    } else if (before.outputHash === outputHash) await this.#agreed(task, result.output);
    else task.check = "self";
  }

  /** What this machine computed is right; whoever claimed something else is caught. */
  async #ownResult(task: TaskRun, result: Right): Promise<void> {
    const { files, journal, self } = this.#parts;
    const hash = toHex(sha256(result.output));
    const wrong = task.held.filter((held) => held.outputHash !== hash);
    task.held = task.held.filter((held) => held.outputHash === hash);
    task.state = "settling";
    await this.#disproved(task);
    for (const { worker } of wrong) {
      if (worker.arch === self.arch) await this.#caught(task, worker, "a false result");
      else await journal.note(task, worker.peer, "differs on another architecture");
    }
    if (task.held.length > 0 && (await this.#agreed(task, result.output))) return;
    if (!this.#parts.goesOn()) {
      task.state = "open";
      return;
    }
    task.state = "settling";
    await files.write(task.outputName, result.output);
    await this.#verified(task, self, result.milliseconds, 0, result.output);
  }

  /** Held results that passed: they are receipted, and so is what their providers did unchecked before. */
  async #agreed(task: TaskRun, output: Uint8Array): Promise<boolean> {
    const { held } = task;
    const isSettled = await this.#settle(task, held, output, true);
    for (const { worker } of held) await this.#release(worker.peer);
    return isSettled;
  }

  async #release(peer: PeerId): Promise<void> {
    const { files, goesOn, tasks } = this.#parts;
    for (const task of tasks) {
      const [one] = task.held;
      if (task.state !== "open" || one?.worker.peer !== peer || task.check !== "none") continue;
      if (!goesOn()) return;
      // Taken before anything is waited for: another check of this provider may pass at the same time.
      task.state = "settling";
      const output = await files.read(task.outputName);
      if (output !== undefined) await this.#settle(task, [one], output, false);
      else {
        task.held = [];
        task.state = "open";
      }
    }
  }

  /** When nothing else is left, the unchecked results of each provider wait for one more check. */
  checkLast(): void {
    const { random, tasks, wake } = this.#parts;
    if (tasks.some((task) => !task.ended && (task.held.length === 0 || task.check !== "none"))) return;
    const open = tasks.filter((task) => !task.ended);
    for (const those of Map.groupBy(open, (task) => task.held[0]!.worker.peer).values()) {
      those[random.below(those.length)]!.check = "another";
      wake();
    }
  }

  // Receipts.

  /** Asks for a receipt for each claim; the result counts when there is one. */
  async #settle(
    task: TaskRun,
    claims: readonly Held[],
    output: Uint8Array,
    isChecked: boolean,
  ): Promise<boolean> {
    const settled = await this.#receipts(task, claims, output, isChecked);
    task.check = "none";
    const [first] = settled;
    if (first === undefined) {
      task.held = [];
      task.state = "open";
      return false;
    }
    const msat = settled.reduce((sum, { claim }) => sum + priceOf(claim.deal), 0);
    await this.#verified(task, first.worker, first.milliseconds, msat, output);
    return true;
  }

  /** The claims whose providers gave a receipt. */
  async #receipts(
    task: TaskRun,
    claims: readonly Held[],
    output: Uint8Array,
    isChecked: boolean,
  ): Promise<Held[]> {
    const { files, goesOn, providers, settlement } = this.#parts;
    task.state = "settling";
    // Their price is promised until it is spent.
    task.held = [...claims];
    await this.#stopOthers(task);
    await files.write(task.outputName, output);
    const settled: Held[] = [];
    for (const held of claims) {
      // The job may have ended and the provider been caught while this waited.
      if (!goesOn() || providers.isCaught(held.worker.peer)) continue;
      if (await settlement.settle(task, held, isChecked)) settled.push(held);
      else providers.goneAway(held.worker.peer);
    }
    return settled;
  }

  async #verified(
    task: TaskRun,
    provider: { readonly peer: PeerId; readonly name: string },
    milliseconds: number,
    msat: number,
    output: Uint8Array,
  ): Promise<void> {
    const { files, journal, kind, tell, wake } = this.#parts;
    await journal.verified(task, provider, milliseconds, msat);
    await this.#stopOthers(task);
    const picture = kind.preview(task.planned, output);
    if (picture !== undefined) await files.show(`tile-${task.index}.png`, picture);
    tell(task);
    wake();
  }

  /**
   * Results that were found right just before the last end: their receipts are asked for again, which is one receipt.
   * Nobody is given these tasks meanwhile. Resolves when all are settled or open again.
   */
  async settleLeftOvers(): Promise<void> {
    const { journal, tasks, tell, wake } = this.#parts;
    const leftOvers = Map.groupBy(journal.leftOvers, ({ task }) => tasks[task]!);
    for (const task of leftOvers.keys()) task.state = "settling";
    await Promise.all(
      [...leftOvers].map(async ([task, records]) => {
        if (!(await this.#settleAgain(task, records))) task.state = "open";
        tell(task);
        wake();
      }),
    );
  }

  async #settleAgain(task: TaskRun, records: readonly LeftOver[]): Promise<boolean> {
    const { deals, files, goesOn, nameOf, settlement } = this.#parts;
    const output = await files.read(task.outputName);
    if (output === undefined) return false;
    const hash = toHex(sha256(output));
    for (const { provider, deal: id, proof, milliseconds, msat, outputHash } of records) {
      const deal = deals.list().find((one) => one.id === id);
      // What lies there may be another's that nobody has checked.
      if (deal === undefined || outputHash !== hash || !goesOn()) continue;
      if (!(await settlement.receipt(deal, task, proof))) continue;
      await this.#verified(task, { peer: provider, name: nameOf(provider) }, milliseconds, msat, output);
      return true;
    }
    return false;
  }

  // Who is stopped.

  /** Another brought the result: who is still at it is stopped, and it is kept why. */
  async #stopOthers(task: TaskRun): Promise<void> {
    for (const running of [...task.running.values()]) await this.#stop(task, running, SLOWER);
  }

  async #stop(task: TaskRun, { worker, controller }: Running, reason: string): Promise<void> {
    if (controller.signal.aborted) return;
    controller.abort();
    await this.#parts.journal.note(task, worker.peer, reason);
  }

  async #caught(task: TaskRun, worker: Worker, reason: string): Promise<void> {
    const { caught, clock, emit, jobId, journal, mesh, records, settlement } = this.#parts;
    const { peer, name } = worker;
    task.tried.add(peer);
    // Before anything is waited for: nothing that it did is to be receipted from here on.
    caught(peer, reason);
    await journal.note(task, peer, `caught: ${reason}`);
    await journal.cheat(peer, reason);
    await records.caught(worker.account, clock.now());
    emit({ type: "cheat", peer, name, job: jobId, task: task.index, reason });
    await settlement.verdict(peer, task, reason);
    mesh.misbehaved(peer, `compute: ${reason}`, 100);
  }

  /** This job or another caught a provider. */
  async shun(peer: PeerId): Promise<void> {
    const { providers, tasks, wake } = this.#parts;
    providers.shun(peer);
    const stopped: Promise<void>[] = [];
    for (const task of tasks) {
      const running = task.running.get(peer);
      if (running !== undefined) stopped.push(this.#stop(task, running, CAUGHT_ELSEWHERE));
      task.held = task.held.filter((held) => held.worker.peer !== peer);
      if (task.held.length === 0 && task.check !== "self") task.check = "none";
    }
    wake();
    await Promise.all(stopped);
  }
}
