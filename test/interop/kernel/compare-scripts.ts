/** Random spends, judged by Core's library and by both of our ways. */

import { ByteWriter } from "#base/lib/byte-writer.ts";
import { toHex } from "#base/lib/bytes.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { prevoutsOf } from "#protocol/bitcoin/prevouts.ts";
import { SighashMidstates } from "#protocol/bitcoin/sighash.ts";
import { encodeTransaction } from "#protocol/bitcoin/transaction.ts";
import { parseTx } from "#protocol/bitcoin/tx-table.ts";
import type { ScriptError } from "#protocol/consensus/script-error.ts";
import {
  SCRIPT_VERIFY_P2SH,
  SCRIPT_VERIFY_TAPROOT,
  SCRIPT_VERIFY_WITNESS,
} from "#protocol/consensus/script-flags.ts";
import { verifyTransaction } from "#protocol/consensus/verify-inputs.ts";
import { interpret, type Spend } from "../../support/script-spends.ts";
import { makeKey } from "./forge-keys.ts";
import { type ForgeOptions, forgeSpend } from "./forge-spend.ts";
import type { Judge } from "./judge.ts";
import { mutateSpend, pick } from "./mutate-spend.ts";
import { copySpend, type MutableSpend, readSeeds } from "./script-seeds.ts";

/** The flags that the library knows. */
const KERNEL_FLAGS = 0x20e15;
/** Spends in one frame, and frames on the way. */
const FRAME = 128;
const WINDOW = 8;
/** Differences after which a run ends. */
const ENOUGH = 20;

export interface CompareOptions {
  readonly runs: number;
  readonly seed: number;
  /** Told now and then how many spends are done. */
  readonly progress?: (done: number) => void;
}

export interface CompareReport {
  spends: number;
  inputs: number;
  /** Inputs that verify, and spends with all of them. */
  validInputs: number;
  validSpends: number;
  /** Spends that we signed, and those of them that verify. */
  signed: number;
  signedValid: number;
  readonly errors: Map<ScriptError, number>;
  /** Flags that were used, and how often. */
  readonly flags: Map<number, number>;
  /** What to reproduce a difference with. */
  readonly differences: string[];
}

interface Case {
  readonly spend: Spend;
  readonly raw: Uint8Array;
  readonly flags: number;
  readonly signed: boolean;
}

/** Asks for `runs` spends, the same for the same seed. */
export async function compareScripts(judge: Judge, options: CompareOptions): Promise<CompareReport> {
  const maker = new CaseMaker(options.seed);
  const report: CompareReport = {
    spends: 0,
    inputs: 0,
    validInputs: 0,
    validSpends: 0,
    signed: 0,
    signedValid: 0,
    errors: new Map(),
    flags: new Map(),
    differences: [],
  };
  const onTheWay: Promise<void>[] = [];
  for (let made = 0; made < options.runs && report.differences.length < ENOUGH; made += FRAME) {
    const cases = Array.from({ length: Math.min(FRAME, options.runs - made) }, () => maker.next());
    const answer = judge.ask(frameOf(cases));
    onTheWay.push(answer.then((verdicts) => compareFrame(cases, verdicts, report)));
    if (onTheWay.length >= WINDOW) await onTheWay.shift();
    options.progress?.(report.spends);
  }
  await Promise.all(onTheWay);
  return report;
}

/** Three of five are signed by us, a third of those changed after; the others grow from vectors. */
class CaseMaker {
  readonly #random: SeededRandom;
  readonly #seeds = readSeeds();
  readonly #forge: ForgeOptions;
  readonly #flagSets = sensibleFlags();

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
    const random = this.#random;
    const keys = Array.from({ length: 24 }, () => makeKey(random));
    this.#forge = { random, keys, fillers: fillersOf(this.#seeds) };
  }

  next(): Case {
    const random = this.#random;
    const signed = random.below(5) < 3;
    const made = signed ? forgeSpend(this.#forge) : copySpend(pick(random, this.#seeds));
    const changed = !signed || random.below(3) === 0;
    if (changed) mutateSpend(made, random, signed ? 1 : 1 + random.below(4), this.#seeds);
    const flags = random.below(3) === 0 ? KERNEL_FLAGS : pick(random, this.#flagSets);
    const raw = encodeTransaction(made.tx);
    const spend = { table: parseTx(raw), prevouts: prevoutsOf(made.prevouts) };
    return { spend, raw, flags, signed: signed && !changed };
  }
}

/** Short scripts of the vectors, to stand in branches that are not taken. */
function fillersOf(seeds: readonly MutableSpend[]): Uint8Array[] {
  return seeds
    .flatMap(({ prevouts }) => prevouts.map(({ script }) => script))
    .filter(({ length }) => length < 120);
}

/** WITNESS needs P2SH, TAPROOT needs WITNESS; the rest as they come. */
function sensibleFlags(): number[] {
  const bits = Array.from({ length: 21 }, (_, i) => 1 << i).filter((bit) => (KERNEL_FLAGS & bit) !== 0);
  const sets: number[] = [];
  for (let i = 0; i < 1 << bits.length; i++) {
    const flags = bits.reduce((set, bit, at) => ((i & (1 << at)) === 0 ? set : set | bit), 0);
    if ((flags & SCRIPT_VERIFY_WITNESS) !== 0 && (flags & SCRIPT_VERIFY_P2SH) === 0) continue;
    if ((flags & SCRIPT_VERIFY_TAPROOT) !== 0 && (flags & SCRIPT_VERIFY_WITNESS) === 0) continue;
    sets.push(flags);
  }
  return sets;
}

function frameOf(cases: readonly Case[]): Uint8Array {
  const writer = new ByteWriter(1 << 16);
  for (const { spend, raw, flags } of cases) {
    writer.u32(flags).u32(raw.length).bytes(raw).u32(spend.table.inputTotal);
    for (let input = 0; input < spend.table.inputTotal; input++) {
      const script = spend.prevouts.script(input);
      writer.i64(spend.prevouts.amount(input)).u32(script.length).bytes(script);
    }
  }
  return writer.finish();
}

function compareFrame(cases: readonly Case[], verdicts: Uint8Array, report: CompareReport): void {
  let at = 0;
  for (const each of cases) {
    const end = at + each.spend.table.inputTotal;
    compareCase(each, verdicts.subarray(at, end), report);
    at = end;
  }
  if (at !== verdicts.length) throw new Error("the judge answered another number of inputs");
}

function compareCase(each: Case, verdicts: Uint8Array, report: CompareReport): void {
  const { spend, flags, signed } = each;
  const midstates = new SighashMidstates(spend.table, 0, spend.prevouts);
  let first: { input: number; error: ScriptError } | undefined;
  for (const [input, verdict] of verdicts.entries()) {
    const error = interpret(spend, input, flags, midstates);
    if (error !== undefined) {
      report.errors.set(error, (report.errors.get(error) ?? 0) + 1);
      first ??= { input, error };
    }
    if ((error === undefined) !== (verdict === 1))
      differ(each, report, `interpreter on input ${input}`, error);
    report.validInputs += verdict;
  }
  const straight = verifyTransaction(spend.table, spend.prevouts, flags);
  if (straight?.input !== first?.input || straight?.error !== first?.error) {
    differ(
      each,
      report,
      `verify-inputs, interpreter says ${JSON.stringify(first)}`,
      JSON.stringify(straight),
    );
  }
  const valid = verdicts.every((verdict) => verdict === 1);
  report.spends++;
  report.inputs += verdicts.length;
  if (valid) report.validSpends++;
  if (signed) report.signed++;
  if (signed && valid) report.signedValid++;
  report.flags.set(flags, (report.flags.get(flags) ?? 0) + 1);
}

function differ(
  { spend, raw, flags }: Case,
  report: CompareReport,
  who: string,
  said: string | undefined,
): void {
  const spent = Array.from(
    { length: spend.table.inputTotal },
    (_, input) => `${spend.prevouts.amount(input)}:${toHex(spend.prevouts.script(input))}`,
  );
  report.differences.push(`${who}: ${said ?? "valid"}; flags ${flags}; ${toHex(raw)}; ${spent.join(" ")}`);
}

/** A report for people, in lines. */
export function describeReport(report: CompareReport): string[] {
  const share = (part: number, whole: number) => `${part} (${((100 * part) / whole).toFixed(1)}%)`;
  const errors = [...report.errors].sort((a, b) => b[1] - a[1]).map(([error, count]) => `${error} ${count}`);
  return [
    `${report.spends} spends of ${report.inputs} inputs under ${report.flags.size} sets of flags`,
    `valid: ${share(report.validSpends, report.spends)} spends, ${share(report.validInputs, report.inputs)} inputs`,
    `signed by us and not changed: ${share(report.signed, report.spends)}, valid ${share(report.signedValid, report.spends)}`,
    `errors: ${errors.join(", ")}`,
    `${report.differences.length} differences`,
    ...report.differences,
  ];
}
