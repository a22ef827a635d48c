/**
 * What the failures of a task mean. A failure is a claim of the machine that tells it: a provider may lie, and any
 * machine, this one too, may have a bad moment. So a task is failed for good only when this machine's own run says so
 * and is not alone with it: another account said the same, or this machine says it again in a fresh process
 * (docs/protocols/compute.md, "Failures").
 */
import type { AccountId, PeerId } from "#sharing/mesh/mesh.ts";
import { isTasksOwnFault, type RunFailureCode } from "../core/task-runner.ts";

export interface Failure {
  readonly peer: PeerId;
  readonly account: AccountId | undefined;
  readonly arch: string;
  readonly isSelf: boolean;
  readonly code: RunFailureCode;
}

/** `self`: this machine is to run it next. `anyone`: whoever has not failed it yet. */
export type FailureVerdict = "lost" | "self" | "anyone";

/** Accounts that failed a task, for whatever reason, after which this machine runs it. */
const MOST_ACCOUNTS = 3;
/** Own failures, of whatever kinds, after which it is lost. */
const MOST_OWN = 3;

/** @param othersLeft whether a provider is there that has not failed the task. */
export function judgeFailures(failures: readonly Failure[], othersLeft: boolean): FailureVerdict {
  const own = failures.filter(({ isSelf }) => isSelf).map(({ code }) => code);
  const confirmed = own.filter((code) => voices(failures, code) > 1);
  if (confirmed.some(isTasksOwnFault) || own.length >= MOST_OWN) return "lost";
  // What lies in a machine is no reason while another may do better; and a second run up to the limit of time would
  // keep the user waiting as long again.
  if (!othersLeft && (confirmed.length > 0 || own.includes("time-limit"))) return "lost";
  const isOwnFault = failures.some(({ code }) => isTasksOwnFault(code));
  const accounts = accountsOf(failures.filter(({ isSelf }) => !isSelf)).size;
  const isOurTurn = own.length === 0 && accounts >= MOST_ACCOUNTS;
  return isOwnFault || isOurTurn || !othersLeft ? "self" : "anyone";
}

/** How many say that it ends with this code: each run of this machine, and each other account once. */
function voices(failures: readonly Failure[], code: RunFailureCode): number {
  const same = failures.filter((failure) => failure.code === code);
  return same.filter(({ isSelf }) => isSelf).length + accountsOf(same.filter(({ isSelf }) => !isSelf)).size;
}

function accountsOf(failures: readonly Failure[]): Set<string> {
  return new Set(failures.map(({ account, peer }) => account ?? peer));
}
