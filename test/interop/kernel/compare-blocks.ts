import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { toHexReversed } from "#base/lib/bytes.ts";
import { systemClock } from "#base/lib/clock.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { nodeDisk } from "#base/store/node-disk.ts";
import { CHAIN_DEFAULTS, MIB } from "#ledger/chain/chain-options.ts";
import { ChainState } from "#ledger/chain/chain-state.ts";
import { parseBlock } from "#protocol/bitcoin/block-table.ts";
import { regtest } from "#protocol/bitcoin/networks.ts";
import { blockHash } from "#protocol/bitcoin/txid.ts";
import { type Rejection, rejectionText } from "#protocol/consensus/rejection.ts";
import { BlockForge, type ForgedBlock } from "./block-forge.ts";
import { BlockJudge, type Judgement, type Verdict } from "./block-judge.ts";
import { mutantBlock, mutantBytes } from "./block-mutants.ts";
import { BLOCK_RULES, type BlockRule, UNREACHABLE } from "./block-rules.ts";
import { greedyBlock } from "./header-rules.ts";

/** How often each rule was tried: blocks that broke it, and twins that did not. */
export type RuleCounts = Map<string, { reason: string; broken: number; kept: number }>;

export interface ComparisonResult {
  /** Blocks that both were given. */
  readonly blocks: number;
  readonly reorgs: number;
  readonly mutants: number;
  readonly counts: RuleCounts;
}

/** Our chain and Core's, given the same blocks; any difference throws. */
export class BlockComparison implements AsyncDisposable {
  readonly forge: BlockForge;
  #chain: ChainState;
  readonly #judge = new BlockJudge();
  readonly #directory: string;
  /** Verdicts since the last block, by display hash. */
  readonly #checked = new Map<string, Verdict>();
  readonly #seed: number;
  /** Blocks that both were given, and reorgs among them, failed ones too. */
  blocks = 0;
  reorgs = 0;
  mutants = 0;

  private constructor(chain: ChainState, directory: string, seed: number) {
    this.forge = new BlockForge(chain.network, seed);
    this.#chain = chain;
    this.#directory = directory;
    this.#seed = seed;
    this.#listen();
  }

  /** Half of all seeds check scripts on two threads. */
  static async open(seed: number): Promise<BlockComparison> {
    const directory = await mkdtemp(join(tmpdir(), "freehold-kernel-"));
    return new BlockComparison(await openChain(directory, seed), directory, seed);
  }

  #listen(): void {
    this.#chain.blockChecked.on(({ hash, rejection }) => {
      this.#checked.set(toHexReversed(hash), verdictOf(rejection));
    });
  }

  /** Closes our chain and opens it from its files. */
  async reopen(): Promise<void> {
    const before = toHexReversed(this.#chain.tip.hash);
    await this.#chain.close();
    this.#chain = await openChain(this.#directory, this.#seed);
    assert.equal(toHexReversed(this.#chain.tip.hash), before);
    this.#listen();
  }

  /**
   * Gives both a block, and holds their verdicts, tips and words against each other.
   * @param oneFault false where several scripts may fail: which one Core names is a matter of its threads.
   */
  async feed(raw: Uint8Array, what: string, oneFault = true): Promise<Judgement> {
    const asked = this.#judge.judge(raw);
    this.#checked.clear();
    const { isNew, rejection } = await this.#chain.acceptBlock(raw.slice(), {
      requested: true,
      minPowChecked: true,
    });
    if (rejection !== undefined) this.#checked.set(toHexReversed(blockHash(raw)), verdictOf(rejection));
    const { tip } = this.#chain;
    const ours: Judgement = {
      ok: rejection === undefined,
      isNew,
      tip: toHexReversed(tip.hash),
      height: tip.height,
      checked: new Map(this.#checked),
    };
    const theirs = await asked;
    const view = oneFault ? ordered : withoutScripts;
    assert.deepEqual(view(ours), view(theirs), `seed ${this.#seed}, block ${this.blocks}: ${what}`);
    this.blocks++;
    return ours;
  }

  /** A valid block, which becomes the tip of all. */
  async extend(block: ForgedBlock, what: string): Promise<void> {
    const { tip } = await this.feed(block.raw, what);
    assert.equal(tip, toHexReversed(block.hash), `seed ${this.#seed}: ${what} must be the tip`);
    this.forge.moveTo(block);
  }

  /** Tries a rule. False when the chain has not got what it needs. */
  async tryRule(rule: BlockRule): Promise<boolean> {
    const trial = rule.forge(this.forge);
    if (trial === undefined) return false;
    for (const raw of trial.before ?? []) await this.feed(raw, `${rule.name}: before`);
    const { checked } = await this.feed(trial.broken, `${rule.name}: broken`);
    const text = checked.get(toHexReversed(blockHash(trial.broken)))?.text;
    // The debug message follows the reason after a comma.
    assert.equal(text?.split(", ", 1)[0], rule.reason, `seed ${this.#seed}: ${rule.name}`);
    await this.extend(trial.kept, `${rule.name}: kept`);
    return true;
  }

  /** A block changed at random; whether it stands is for both to say, and alike. */
  async mutant(): Promise<void> {
    const { forge } = this;
    const block = mutantBlock(forge);
    const { tip } = await this.feed(block.raw, "mutant", false);
    if (tip === toHexReversed(block.hash)) forge.moveTo(block);
    this.mutants++;
  }

  /** The bytes of a block changed at random. */
  async mutantBytes(): Promise<void> {
    const { forge } = this;
    const raw = mutantBytes(forge);
    this.mutants++;
    const fault = parseFault(raw);
    // The library ignores what is left over, so it cannot be asked about that.
    if (fault?.includes("left over") === true) return;
    if (fault !== undefined) {
      await assert.rejects(this.#judge.judge(raw), /does not parse/, `seed ${this.#seed}: ${fault}`);
      return;
    }
    const { tip } = await this.feed(raw, "mutant bytes", false);
    if (tip === toHexReversed(blockHash(raw))) forge.moveTo(forge.adopt(raw));
  }

  /** A longer branch from `depth` blocks back takes over, block by block. */
  async reorg(depth: number): Promise<void> {
    const { forge } = this;
    const old = forge.tip;
    forge.moveTo(old.ancestor(old.height - depth)!);
    for (let left = depth; left >= 0; left--) {
      const block = forge.seal(forge.draft());
      const { tip } = await this.feed(block.raw, `reorg of ${depth}, ${left} to go`);
      assert.equal(tip, toHexReversed(left === 0 ? block.hash : old.hash));
      forge.moveTo(block);
    }
    this.reorgs++;
  }

  /** A longer branch one of whose blocks fails when it is connected: the old tip comes back. */
  async failedReorg(depth: number): Promise<void> {
    const { forge } = this;
    const old = forge.tip;
    forge.moveTo(old.ancestor(old.height - depth)!);
    const bad = forge.random.below(depth + 1);
    for (let at = 0; at <= depth; at++) {
      const block = at === bad ? greedyBlock(forge) : forge.seal(forge.draft(at < bad ? undefined : 0));
      const { tip } = await this.feed(block.raw, `reorg of ${depth} that fails at ${bad}, block ${at}`);
      assert.equal(tip, toHexReversed(old.hash));
      forge.moveTo(block);
    }
    forge.moveTo(old);
    this.reorgs++;
  }

  /** A block before its parent, then after it. */
  async orphan(): Promise<void> {
    const { forge } = this;
    const start = forge.tip;
    const parent = forge.extend();
    const child = forge.seal(forge.draft());
    forge.moveTo(start);
    await this.feed(child.raw, "a block before its parent");
    await this.extend(parent, "the parent");
    await this.extend(child, "the block again");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#judge.close();
    await this.#chain.close();
    await rm(this.#directory, { recursive: true, force: true });
  }
}

async function openChain(directory: string, seed: number): Promise<ChainState> {
  const silent = () => undefined;
  const options = {
    ...CHAIN_DEFAULTS,
    network: regtest(),
    dataDir: directory,
    blocksDir: join(directory, "blocks"),
    cacheBytes: 16 * MIB,
    par: 1 + (seed % 2),
  };
  return ChainState.open(options, {
    clock: systemClock,
    random: new SeededRandom(seed),
    log: { info: silent, warn: silent, error: silent, debug: silent },
    disk: nodeDisk,
    fatal(error) {
      throw error;
    },
  });
}

/** A judgement in a form that compares. */
function ordered(judgement: Judgement) {
  return { ...judgement, checked: [...judgement.checked].sort(([a], [b]) => (a < b ? -1 : 1)) };
}

/** The same, without the script and the input that failed. */
function withoutScripts(judgement: Judgement) {
  const plain = ordered(judgement);
  const cut = plain.checked.map(([hash, { result, text }]) => {
    return [hash, result, text.startsWith(SCRIPT_FAILED) ? SCRIPT_FAILED : text];
  });
  return { ...plain, checked: cut };
}

const SCRIPT_FAILED = "block-script-verify-flag-failed";

function parseFault(raw: Uint8Array): string | undefined {
  try {
    parseBlock(raw);
    return undefined;
  } catch (error) {
    if (error instanceof DecodeError) return error.message;
    throw error;
  }
}

function verdictOf(rejection: Rejection | undefined): Verdict {
  if (rejection === undefined) return { result: undefined, text: "Valid" };
  return { result: rejection.result, text: rejectionText(rejection) };
}

/** Every so many rounds a reorg, a failed one, or a block out of order. */
const ROUNDS_PER_REORG = 12;
const ROUNDS_PER_MUTANT = 6;
const ROUNDS_PER_RESTART = 150;
const COINBASE_MATURITY = 100;

/**
 * Gives our chain and Core's at least `blocks` blocks of one seed, on one chain: from the first on those that
 * need no coins, later each rule once, then rules at random.
 * @param counts to go on with.
 */
export async function compareBlocks(
  seed: number,
  blocks: number,
  counts: RuleCounts = newCounts(),
): Promise<ComparisonResult> {
  await using run = await BlockComparison.open(seed);
  const { forge } = run;
  const untried = [...BLOCK_RULES];
  while (run.blocks < blocks) {
    const young = forge.tip.height <= COINBASE_MATURITY;
    if (forge.tip.height > 40 && forge.oneIn(ROUNDS_PER_REORG)) await disturb(run);
    else if (forge.oneIn(ROUNDS_PER_MUTANT)) await mutate(run);
    else if (forge.oneIn(ROUNDS_PER_RESTART)) await run.reopen();
    else if (young && forge.oneIn(2)) await run.extend(forge.seal(forge.draft()), "valid");
    else if (young || untried.length === 0) await tryAny(run, counts);
    else await tryNext(run, untried, counts);
  }
  return { blocks: run.blocks, reorgs: run.reorgs, mutants: run.mutants, counts };
}

async function disturb(run: BlockComparison): Promise<void> {
  const depth = run.forge.oneIn(10) ? run.forge.between(10, 30) : run.forge.between(1, 6);
  switch (run.forge.random.below(3)) {
    case 0:
      return run.reorg(depth);
    case 1:
      return run.failedReorg(depth);
    default:
      return run.orphan();
  }
}

/** Blocks that were changed at random, with no rule in mind. */
async function mutate(run: BlockComparison): Promise<void> {
  return run.forge.oneIn(2) ? run.mutant() : run.mutantBytes();
}

/** A rule at random; a weight of 1/20 means one turn in twenty. */
async function tryAny(run: BlockComparison, counts: RuleCounts): Promise<void> {
  const rule = BLOCK_RULES[run.forge.random.below(BLOCK_RULES.length)]!;
  if (run.forge.random.below(1000) < rule.weight * 1000) await tryRule(run, rule, counts);
}

/** The first of the rules that were not tried yet; back to their end where it cannot be now. */
async function tryNext(run: BlockComparison, untried: BlockRule[], counts: RuleCounts): Promise<void> {
  const rule = untried.shift()!;
  if (!(await tryRule(run, rule, counts))) {
    untried.push(rule);
    // Move on, lest all that is left waits for the same thing.
    await run.extend(run.forge.seal(run.forge.draft()), "valid");
  }
}

async function tryRule(run: BlockComparison, rule: BlockRule, counts: RuleCounts): Promise<boolean> {
  if (!(await run.tryRule(rule))) return false;
  const count = counts.get(rule.name)!;
  count.broken++;
  count.kept++;
  return true;
}

/** All rules at zero. */
export function newCounts(): RuleCounts {
  return new Map(BLOCK_RULES.map(({ name, reason }) => [name, { reason, broken: 0, kept: 0 }]));
}

/** Rules by the number of their blocks, and those that cannot be broken. */
export function ruleTable(counts: RuleCounts): string {
  const width = Math.max(...[...counts.keys()].map((name) => name.length));
  const rows = [...counts].map(
    ([name, { broken, kept }]) =>
      `${name.padEnd(width)} ${String(broken).padStart(6)} ${String(kept).padStart(6)}`,
  );
  const never = Object.entries(UNREACHABLE).map(
    ([reason, why]) => `${reason.padEnd(width)} cannot be: ${why}`,
  );
  return [`${"rule".padEnd(width)} broken   kept`, ...rows, ...never].join("\n");
}
