/**
 * BIP9 with BIP341's minimum activation height: the state of each deployment that miners signal for, what can
 * be said about it, and the version of new blocks (Core: versionbits.cpp).
 */
import type { Network, VersionbitsDeployment } from "#protocol/bitcoin/network.ts";
import type { HeaderContext } from "./header-context.ts";
import { retargetInterval } from "./pow.ts";

export type DeploymentState = "defined" | "started" | "locked_in" | "active" | "failed";

/** Start time of a deployment that holds from genesis on. */
const ALWAYS_ACTIVE = -1;
/** Start time of a deployment that never holds. */
const NEVER_ACTIVE = -2;

const TOP_BITS = 0x2000_0000;
const TOP_MASK = 0xe000_0000;
/** Bits that a deployment may use. */
const VERSIONBITS_COUNT = 29;

/** Signals in a period so far. */
export interface DeploymentStatistics {
  /** Blocks in a period. */
  readonly period: number;
  /** Signalling blocks that lock it in; 0 once it is. */
  readonly threshold: number;
  /** Blocks of the period so far, and those that signalled. */
  readonly elapsed: number;
  readonly count: number;
  /** Whether the threshold can still be reached in this period; false once locked in. */
  readonly possible: boolean;
}

/** All that getdeploymentinfo tells of a deployment as of one block. */
export interface DeploymentInfo {
  /** State of the block, and of the one after it. */
  readonly state: DeploymentState;
  readonly next: DeploymentState;
  /** Height at which the state began. */
  readonly since: number;
  /** While started or locked in. */
  readonly statistics: DeploymentStatistics | undefined;
  /** Which blocks of the period signalled, oldest first; empty where there are no statistics. */
  readonly signalling: readonly boolean[];
  /** First height at which it is active, when that is known; may be the next block's. */
  readonly activeSince: number | undefined;
}

/** Some bit that signals a rule we do not know. */
export interface UnknownDeployment {
  readonly bit: number;
  /** Probably active; else locked in. */
  readonly active: boolean;
}

/** What the state machine needs to know of a deployment or of a watched bit. */
interface Condition {
  readonly startTime: number;
  readonly timeout: number;
  readonly minActivationHeight: number;
  readonly period: number;
  readonly threshold: number;
  /** Signalling blocks among the `period` ones that end with `last`. */
  count(last: HeaderContext): number;
}

/** States of whole periods, by the hash of the last block before the period. */
type StateCache = Map<string, DeploymentState>;

/** Versionbits states of one network's chains, remembered by period. */
export class VersionbitsCache {
  readonly network: Network;
  readonly #states = new Map<string, StateCache>();
  readonly #warningStates: StateCache[] = Array.from({ length: VERSIONBITS_COUNT }, () => new Map());
  /** Unknown signals by bit in the period that ends with a block. */
  readonly #unknownCounts = new Map<string, Uint32Array>();

  constructor(network: Network) {
    this.network = network;
  }

  /** Names of the deployments that can ever be active. */
  names(): string[] {
    const { deployments } = this.network.consensus;
    return Object.keys(deployments).filter((name) => deployments[name]!.startTime !== NEVER_ACTIVE);
  }

  deployment(name: string): VersionbitsDeployment {
    const deployment = this.network.consensus.deployments[name];
    if (deployment === undefined) throw new Error(`no deployment ${name}`);
    return deployment;
  }

  /** State in the block after `prev` (`null`: genesis). */
  state(prev: HeaderContext | null, name: string): DeploymentState {
    return stateAfter(prev, conditionOf(this.deployment(name)), this.#cacheOf(name));
  }

  /** Height from which the block after `prev` and all between have had its state. */
  stateSince(prev: HeaderContext | null, name: string): number {
    return sinceHeight(prev, conditionOf(this.deployment(name)), this.#cacheOf(name));
  }

  /** A deployment as of the block `node`. */
  info(node: HeaderContext, name: string): DeploymentInfo {
    const state = this.state(node.prev, name);
    const next = this.state(node, name);
    const since = this.stateSince(node.prev, name);
    const signals = state === "started" || state === "locked_in";
    const signalling = signals ? signalsOf(node, this.deployment(name)) : [];
    const statistics = signals ? statisticsOf(signalling, this.deployment(name), state) : undefined;
    const activeSince = state === "active" ? since : next === "active" ? node.height + 1 : undefined;
    return { state, next, since, statistics, signalling, activeSince };
  }

  /** Version of a new block after `prev`: signals for all that is started or locked in. */
  blockVersion(prev: HeaderContext | null): number {
    let version = TOP_BITS;
    for (const name of Object.keys(this.network.consensus.deployments)) {
      const state = this.state(prev, name);
      if (state === "started" || state === "locked_in") version |= 1 << this.deployment(name).bit;
    }
    return version;
  }

  /** Bits that enough blocks before and with `node` set though no deployment of ours uses them. */
  unknownDeployments(node: HeaderContext): UnknownDeployment[] {
    const found: UnknownDeployment[] = [];
    for (let bit = 0; bit < VERSIONBITS_COUNT; bit++) {
      const state = stateAfter(node, this.#warningCondition(bit), this.#warningStates[bit]!);
      if (state === "active" || state === "locked_in") found.push({ bit, active: state === "active" });
    }
    return found;
  }

  clear(): void {
    this.#states.clear();
    for (const states of this.#warningStates) states.clear();
    this.#unknownCounts.clear();
  }

  #cacheOf(name: string): StateCache {
    let cache = this.#states.get(name);
    if (cache === undefined) {
      cache = new Map();
      this.#states.set(name, cache);
    }
    return cache;
  }

  /** 90% of 2,016 blocks on main, three quarters of a retarget period elsewhere. */
  #warningCondition(bit: number): Condition {
    const isMain = this.network.name === "main";
    const period = isMain ? 2016 : retargetInterval(this.network.consensus);
    return {
      startTime: 0,
      timeout: Number.POSITIVE_INFINITY,
      minActivationHeight: 0,
      period,
      threshold: isMain ? 1815 : Math.floor((period * 3) / 4),
      count: (last) => this.#countUnknown(last, period)[bit]!,
    };
  }

  /** Whether some deployment's state may change with the block at `height`. */
  #startsPeriod(height: number): boolean {
    const { deployments } = this.network.consensus;
    for (const name in deployments) if (height % deployments[name]!.period === 0) return true;
    return false;
  }

  /** All bits in one walk, for 29 walks over a whole chain take long. */
  #countUnknown(last: HeaderContext, period: number): Uint32Array {
    const key = keyOf(last);
    let counts = this.#unknownCounts.get(key);
    if (counts !== undefined) return counts;
    counts = new Uint32Array(VERSIONBITS_COUNT);
    const from = this.network.consensus.minBip9WarningHeight;
    let node: HeaderContext | null = last;
    let known: number | undefined;
    for (let i = 0; i < period && node !== null && node.height >= from; i++, node = node.prev) {
      // The states, and so the version that we would have made, change between periods alone.
      if (known === undefined || this.#startsPeriod(node.height + 1)) known = this.blockVersion(node.prev);
      if (!usesVersionbits(node.version)) continue;
      const unknown = node.version & ~known;
      for (let bit = 0; bit < VERSIONBITS_COUNT; bit++) if ((unknown & (1 << bit)) !== 0) counts[bit]!++;
    }
    this.#unknownCounts.set(key, counts);
    return counts;
  }
}

function usesVersionbits(version: number): boolean {
  return (version & TOP_MASK) >>> 0 === TOP_BITS;
}

function signalsFor(version: number, bit: number): boolean {
  return usesVersionbits(version) && (version & (1 << bit)) !== 0;
}

function conditionOf(deployment: VersionbitsDeployment): Condition {
  const { bit, period } = deployment;
  return {
    ...deployment,
    count(last) {
      let count = 0;
      let node: HeaderContext | null = last;
      for (let i = 0; i < period && node !== null; i++, node = node.prev) {
        if (signalsFor(node.version, bit)) count++;
      }
      return count;
    },
  };
}

function keyOf(node: HeaderContext | null): string {
  return node === null ? "" : String.fromCharCode(...node.hash);
}

/** All blocks of a period share a state, which hangs on the last block before it. */
function periodParent(prev: HeaderContext | null, period: number): HeaderContext | null {
  return prev === null ? null : prev.ancestor(prev.height - ((prev.height + 1) % period));
}

function stateAfter(prev: HeaderContext | null, condition: Condition, cache: StateCache): DeploymentState {
  if (condition.startTime === ALWAYS_ACTIVE) return "active";
  if (condition.startTime === NEVER_ACTIVE) return "failed";
  const unknown: HeaderContext[] = [];
  let parent = periodParent(prev, condition.period);
  let state = cache.get(keyOf(parent));
  // Back to a period whose state is known, then forward again.
  while (state === undefined) {
    if (parent === null || parent.medianTimePast() < condition.startTime) {
      state = "defined";
      cache.set(keyOf(parent), state);
    } else {
      unknown.push(parent);
      parent = parent.ancestor(parent.height - condition.period);
      state = cache.get(keyOf(parent));
    }
  }
  for (let node = unknown.pop(); node !== undefined; node = unknown.pop()) {
    state = nextState(state, node, condition);
    cache.set(keyOf(node), state);
  }
  return state;
}

/** State of the period after `last` from that of the period which it ends. */
function nextState(state: DeploymentState, last: HeaderContext, condition: Condition): DeploymentState {
  switch (state) {
    case "defined":
      return last.medianTimePast() >= condition.startTime ? "started" : "defined";
    case "started":
      if (condition.count(last) >= condition.threshold) return "locked_in";
      return last.medianTimePast() >= condition.timeout ? "failed" : "started";
    case "locked_in":
      return last.height + 1 >= condition.minActivationHeight ? "active" : "locked_in";
    default:
      return state;
  }
}

function sinceHeight(prev: HeaderContext | null, condition: Condition, cache: StateCache): number {
  if (condition.startTime === ALWAYS_ACTIVE || condition.startTime === NEVER_ACTIVE) return 0;
  const state = stateAfter(prev, condition, cache);
  // BIP9: genesis is in this state by definition.
  if (state === "defined") return 0;
  let parent = periodParent(prev, condition.period)!;
  for (;;) {
    const before = parent.ancestor(parent.height - condition.period);
    if (before === null || stateAfter(before, condition, cache) !== state) return parent.height + 1;
    parent = before;
  }
}

/** Which blocks of `node`'s period, up to `node`, signal; oldest first. */
function signalsOf(node: HeaderContext, deployment: VersionbitsDeployment): boolean[] {
  const signals: boolean[] = [];
  let at: HeaderContext | null = node;
  for (let left = 1 + (node.height % deployment.period); left > 0 && at !== null; left--, at = at.prev) {
    signals.push(signalsFor(at.version, deployment.bit));
  }
  return signals.reverse();
}

function statisticsOf(
  signals: readonly boolean[],
  deployment: VersionbitsDeployment,
  state: DeploymentState,
): DeploymentStatistics {
  const { period, threshold } = deployment;
  const elapsed = signals.length;
  const count = signals.filter(Boolean).length;
  if (state === "locked_in") return { period, threshold: 0, elapsed, count, possible: false };
  return { period, threshold, elapsed, count, possible: period - threshold >= elapsed - count };
}
