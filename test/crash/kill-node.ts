/** Lives of a node as a process that is killed at random instants while it imports blocks and is fed reorgs. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { toHex, toHexReversed } from "#base/lib/bytes.ts";
import type { SeededRandom } from "#base/lib/random.ts";
import type { TestBlock } from "#ledger/chain/chain-fixture.ts";
import { type NodeProcess, RpcFailure, startNode } from "../e2e/node-process.ts";
import { blockFile, type CrashStory, type StoryReorg } from "./crash-story.ts";

export interface KillTrial {
  readonly story: CrashStory;
  /** Of {@link coinsByTip}. */
  readonly coins: ReadonlyMap<string, string>;
  readonly random: SeededRandom;
  /** A folder for this trial alone. */
  readonly folder: string;
}

/** What part of the story a life is to tell: what is imported, the reorgs too, or its end after it was told. */
type Phase = "import" | "reorgs" | "stop";
const PHASES: readonly Phase[] = ["import", "reorgs", "stop"];
/** Most kills of one chain in each: a start takes its time, and a chain is to get on. */
const MOST_KILLS: Readonly<Record<Phase, number>> = { import: 5, reorgs: 8, stop: 1 };
/** Most times that a chain goes back to where it was before a reorg. */
const MOST_RETURNS = 3;

/** Answers to a block that is taken, or was before. */
const TAKEN: readonly unknown[] = [null, "inconclusive", "duplicate", "duplicate-inconclusive"];
/** Core's code of a block that is not known. */
const NOT_FOUND = -5;
/** Longest that a node may take to answer, ms. */
const PATIENCE = 60_000;
const GLANCE = 10;

/** The node was killed by us: what it was doing is of no matter. */
class Killed extends Error {}

export class KillRun {
  /** Kills by phase. */
  readonly kills: Record<Phase, number> = { import: 0, reorgs: 0, stop: 0 };
  /** Starts of the node. */
  starts = 0;
  /** Times that coins were compared with those of the unharmed node at the same tip. */
  compared = 0;
  /** Of the unharmed node, ms. */
  readonly durations: Record<Phase, number> = { import: 0, reorgs: 0, stop: 0 };
  readonly #trial: KillTrial;
  readonly #blockFile: string;
  #chains = 0;
  /** The chain that is told now. */
  #datadir = "";
  /** Reorgs that are done. */
  #told = 0;
  /** The last block that the node is known to have taken as its tip. */
  #tip: TestBlock | undefined;

  constructor(trial: KillTrial) {
    this.#trial = trial;
    this.#blockFile = join(trial.folder, "story.dat");
    writeFileSync(this.#blockFile, blockFile(trial.story.trunk));
  }

  get killed(): number {
    return PHASES.reduce((sum, phase) => sum + this.kills[phase], 0);
  }

  /** A node that is never harmed: takes its times, and proves that its coins are the expected ones. */
  async measure(): Promise<void> {
    this.#begin();
    for (const phase of PHASES) {
      const start = performance.now();
      const node = await this.#start();
      if (phase === "stop") await this.#tell(node, "reorgs", () => false);
      const told = performance.now();
      await this.#tell(node, phase, () => false);
      this.durations[phase] = performance.now() - (phase === "stop" ? told : start);
      if (phase !== "stop") await this.#stop(node);
    }
    this.#endChain();
  }

  /** Tells the story on one chain, killed on the way until `most` kills are reached. */
  async tellOnce(most: number): Promise<void> {
    this.#begin();
    for (const phase of PHASES) {
      const before = this.kills[phase];
      const mayKill = (): boolean => this.killed < most && this.kills[phase] - before < MOST_KILLS[phase];
      while (!(await this.#live(phase, mayKill())));
    }
    // What the end left behind, the last kill perhaps.
    const node = await this.#start();
    await this.#tell(node, "reorgs", () => false);
    if ((await node.rpc("verifychain", [2, 0])) !== true)
      throw this.#failure(node, "the blocks do not verify");
    await this.#stop(node);
    this.#endChain();
  }

  #begin(): void {
    this.#datadir = join(this.#trial.folder, `chain-${this.#chains++}`);
    this.#told = 0;
    this.#tip = undefined;
    mkdirSync(this.#datadir);
  }

  #endChain(): void {
    const log = readFileSync(join(this.#datadir, "regtest", "debug.log"), "utf8");
    const bad = log.split("\n").find((line) => /\[error\]|Reindexing|orrupt/.test(line));
    if (bad !== undefined) throw new Error(`${this.#datadir}: the log says: ${bad}`);
    rmSync(this.#datadir, { recursive: true });
  }

  async #start(): Promise<NodeProcess> {
    this.starts++;
    return startNode({
      datadir: this.#datadir,
      wait: false,
      // Small caches, batches and files: flushes come often, and in many steps.
      args: [`-loadblock=${this.#blockFile}`, "-dbcache=4", "-dbbatchsize=20000", "-fastprune"],
    });
  }

  /** One life, killed at a random instant when it may be. @returns whether the phase was told to its end. */
  async #live(phase: Phase, mayKill: boolean): Promise<boolean> {
    const node = await this.#start();
    let over = false;
    if (phase === "stop") await this.#tell(node, "reorgs", () => over);
    const work = this.#tell(node, phase, () => over).then(
      () => true,
      (error: unknown) => {
        if (error instanceof Killed) return false;
        throw error;
      },
    );
    work.catch(() => {});
    if (mayKill) {
      const instant = this.#trial.random.below(Math.ceil(this.durations[phase]));
      const done = await Promise.race([work, sleep(instant, "kill" as const)]);
      if (done === "kill") {
        over = true;
        return await this.#kill(node, phase, work);
      }
    }
    await work;
    if (phase !== "stop") await this.#stop(node);
    return true;
  }

  async #kill(node: NodeProcess, phase: Phase, work: Promise<boolean>): Promise<boolean> {
    const end = await node.kill("SIGKILL");
    if (await work) return true;
    if (end.signal !== "SIGKILL" || end.stderr !== "") throw this.#failure(node, "it ended by itself");
    this.kills[phase]++;
    // A chain that was told and is killed at its end has told its end.
    return phase === "stop";
  }

  async #stop(node: NodeProcess): Promise<void> {
    const { code, stderr } = await node.stop();
    if (code !== 0 || stderr !== "") throw this.#failure(node, `it stopped with ${code}`);
  }

  /** @param over tells that the node is being killed. @throws Killed then */
  async #tell(node: NodeProcess, phase: Phase, over: () => boolean): Promise<void> {
    try {
      if (phase === "stop") return await this.#stop(node);
      await this.#awaken(node, over);
      if (phase === "reorgs") await this.#feed(node);
      await this.#compare(node);
    } catch (error) {
      if (over()) throw new Killed();
      throw this.#failure(node, error instanceof Error ? error.message : String(error), error);
    }
  }

  /** Waits until the node answers and has imported its file, and compares its coins as early as it tells them. */
  async #awaken(node: NodeProcess, over: () => boolean): Promise<void> {
    let ended = false;
    void node.ended.then(() => {
      ended = true;
    });
    let isCompared = false;
    for (const end = performance.now() + PATIENCE; ; await sleep(GLANCE)) {
      if (over()) throw new Killed();
      if (ended) throw new Error("it ended by itself");
      if (performance.now() > end) throw new Error("it does not come up");
      try {
        if (!isCompared) await node.rpc("getblockcount");
      } catch {
        continue;
      }
      if (!isCompared) await this.#compare(node);
      isCompared = true;
      if ((await node.rpc("getmempoolinfo")).loaded === true) break;
    }
    await this.#requireKept(node);
  }

  async #compare(node: NodeProcess): Promise<void> {
    const { bestblock, height, hash_serialized_3: hash } = await node.rpc("gettxoutsetinfo");
    const expected = this.#trial.coins.get(bestblock);
    if (hash !== expected) throw new Error(`at height ${height} the coins hash to ${hash}, not ${expected}`);
    this.compared++;
  }

  /** All that the node said to have taken is still there. */
  async #requireKept(node: NodeProcess): Promise<void> {
    const reorg = this.#trial.story.reorgs[this.#told];
    // It may have been killed between the two calls.
    if (reorg !== undefined) await reconsider(node, reorg);
    const height = await node.rpc("getblockcount");
    const kept = this.#tip?.height ?? this.#trial.story.trunk.length;
    if (height < kept) throw new Error(`it took block ${kept} and has only ${height}`);
  }

  async #feed(node: NodeProcess): Promise<void> {
    const { story, random } = this.#trial;
    for (; this.#told < story.reorgs.length; this.#told++) {
      const reorg = story.reorgs[this.#told]!;
      for (const { raw } of reorg.blocks) {
        const answer = await node.rpc("submitblock", [toHex(raw)]);
        if (!TAKEN.includes(answer)) throw new Error(`submitblock says ${answer}`);
      }
      await this.#requireTip(node, reorg.blocks.at(-1)!);
      this.#tip = reorg.blocks.at(-1)!;
      for (let left = random.below(MOST_RETURNS + 1); left > 0; left--) await this.#thereAndBack(node, reorg);
    }
    await this.#requireTip(node, story.tip);
  }

  /** Two more reorgs of the same depth, each by one call. */
  async #thereAndBack(node: NodeProcess, reorg: StoryReorg): Promise<void> {
    await node.rpc("invalidateblock", [hashOf(reorg.blocks[0]!)]);
    await this.#requireTip(node, reorg.from);
    if (this.#trial.random.below(4) === 0) await this.#compare(node);
    await reconsider(node, reorg);
    await this.#requireTip(node, reorg.blocks.at(-1)!);
  }

  async #requireTip(node: NodeProcess, tip: TestBlock): Promise<void> {
    const best = await node.rpc("getbestblockhash");
    if (best !== hashOf(tip)) throw new Error(`its tip is ${best}, not that of height ${tip.height}`);
  }

  #failure(node: NodeProcess, what: string, cause?: unknown): Error {
    let log = "";
    try {
      log = node.debugLog.split("\n").slice(-30).join("\n");
    } catch {
      // It did not come so far.
    }
    const state = `after ${this.killed} kills, data in ${this.#datadir}`;
    return new Error(`${what} (${state})\n${node.stderr}\n${log}`, { cause });
  }
}

function hashOf(block: TestBlock): string {
  return toHexReversed(block.hash);
}

/** Takes back what {@link KillRun} may have called invalid. */
async function reconsider(node: NodeProcess, reorg: StoryReorg): Promise<void> {
  try {
    await node.rpc("reconsiderblock", [hashOf(reorg.blocks[0]!)]);
  } catch (error) {
    if (!(error instanceof RpcFailure && error.code === NOT_FOUND)) throw error;
  }
}
