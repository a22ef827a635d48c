/**
 * `npm run bench -- ibd`: validates 300 regtest blocks with 392,004 spends in full, beside the bare cost of the same
 * signature checks and beside Bitcoin Core's consensus library, all in one run and interleaved. `--quick`: one round,
 * without the small cache; `--small-cache`: that alone.
 */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { cp, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { verifier } from "#base/crypto/secp256k1.ts";
import { type BenchChain, benchChain, HEIGHT, JOB_LENGTH, SPENDS } from "./ibd-chain.ts";
import type { IbdRun } from "./ibd-node.ts";

const HERE = import.meta.dirname;
const CACHE = join(HERE, "..", "..", ".cache", "bench");
const PYTHON = join(HERE, "..", "interop", ".installed", "kernel", "bin", "python");
/** Coins that the second measurement finds in the database. */
const PRELOADED = 5_000_000;
const ROUNDS = 3;

export const name = "ibd";

export async function run(args: readonly string[] = []): Promise<void> {
  console.log(
    `signature back end: ${verifier.name}; Core's library: ${existsSync(PYTHON) ? "here" : "not installed"}`,
  );
  const rounds = args.includes("--quick") ? 1 : ROUNDS;
  const p2wpkh = await benchChain(CACHE, "p2wpkh", 0);
  const mixed = await benchChain(CACHE, "taproot-10", 1);
  if (!args.includes("--small-cache")) {
    await measure("P2WPKH", p2wpkh, rounds);
    await measure("10% taproot key spends", mixed, rounds);
  }
  if (!args.includes("--quick")) await measureSmallCache(p2wpkh, rounds);
}

async function measure(title: string, chain: BenchChain, rounds: number): Promise<void> {
  console.log(`\n${title}: ${HEIGHT} blocks, ${SPENDS} spends`);
  const jobs = await readFile(chain.jobs);
  const bare: number[] = [];
  const ones: IbdRun[] = [];
  const twos: IbdRun[] = [];
  const cores: CoreRun[] = [];
  checkSignatures(jobs, SPENDS >> 4);
  for (let round = 0; round < rounds; round++) {
    bare.push(checkSignatures(jobs, SPENDS));
    ones.push(await ours(chain, 1, 450));
    twos.push(await ours(chain, 2, 450));
    if (existsSync(PYTHON)) cores.push(core(chain));
  }
  const one = middle(ones, (run) => run.cpuSeconds);
  const two = middle(twos, (run) => run.wallSeconds);
  const signatures = middle(bare, (seconds) => seconds);
  line("bare signature checks", `${signatures.toFixed(1)} s CPU, ${perSpend(signatures)} µs each`);
  line("par=1", describe(one));
  line("par=2", describe(two));
  line("outside signatures", `${perSpend(one.cpuSeconds - signatures)} µs a spend (aim 15)`);
  line("CPU over bare signatures", `${(one.cpuSeconds / signatures).toFixed(2)} (Bitcoin Core 1.16)`);
  line("wall, par=2 over par=1", `${(two.wallSeconds / one.wallSeconds).toFixed(2)} (aim 0.7)`);
  if (cores.length === 0) return;
  const library = middle(cores, (run) => run.cpuSeconds);
  if (library.height !== HEIGHT || library.tip !== one.tip)
    throw new Error("Core's library ends at another tip");
  line("Core's library", `${library.wallSeconds.toFixed(1)} s wall, ${library.cpuSeconds.toFixed(1)} s CPU`);
  line("CPU over Core's library", `${(one.cpuSeconds / library.cpuSeconds).toFixed(2)} (aim 1.6)`);
}

async function measureSmallCache(chain: BenchChain, rounds: number): Promise<void> {
  console.log(`\nP2WPKH with -dbcache=4 over ${PRELOADED / 1e6} M coins`);
  const jobs = await readFile(chain.jobs);
  const bare: number[] = [];
  const runs: IbdRun[] = [];
  await withDirectory(async (filled) => {
    node("ibd-preload.ts", [filled, String(PRELOADED)]);
    for (let round = 0; round < rounds; round++) {
      bare.push(checkSignatures(jobs, SPENDS));
      runs.push(await ours(chain, 1, 4, filled));
    }
  });
  const result = middle(runs, (run) => run.cpuSeconds);
  const signatures = middle(bare, (seconds) => seconds);
  line("bare signature checks", `${signatures.toFixed(1)} s CPU`);
  line("par=1", describe(result));
  line("outside signatures", `${perSpend(result.cpuSeconds - signatures)} µs a spend (aim 15)`);
}

/** Validates the chain in a fresh data directory, or in a copy of `from`. */
function ours(chain: BenchChain, par: number, dbcache: number, from?: string): Promise<IbdRun> {
  return withDirectory(async (directory) => {
    if (from !== undefined) await cp(from, directory, { recursive: true });
    const output = node("ibd-node.ts", [directory, chain.blocks, String(par), String(dbcache)]);
    const result = JSON.parse(output) as IbdRun;
    if (result.height !== HEIGHT) throw new Error(`the chain ends at ${result.height}`);
    return result;
  });
}

async function withDirectory<T>(use: (path: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), "freehold-bench-"));
  try {
    return await use(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function node(script: string, args: readonly string[]): string {
  return execFileSync(process.execPath, [join(HERE, script), ...args], { encoding: "utf8" });
}

interface CoreRun {
  readonly height: number;
  readonly tip: string;
  readonly wallSeconds: number;
  readonly cpuSeconds: number;
}

function core(chain: BenchChain): CoreRun {
  return JSON.parse(
    execFileSync(PYTHON, [join(HERE, "ibd-core.py"), chain.blocks], { encoding: "utf8" }),
  ) as CoreRun;
}

/** CPU seconds of the chain's signature checks alone, in batches, as validation makes them. */
function checkSignatures(jobs: Uint8Array, count: number): number {
  const batch = verifier.batch();
  const before = process.cpuUsage();
  for (let i = 0; i < count; i++) {
    const at = i * JOB_LENGTH;
    const signature = jobs.subarray(at + 1, at + 65);
    const digest = jobs.subarray(at + 98, at + 130);
    if (jobs[at] === 0) batch.addEcdsa(signature, jobs.subarray(at + 65, at + 98), digest);
    else batch.addSchnorr(signature, jobs.subarray(at + 65, at + 97), digest);
    if (batch.length < 64 && i < count - 1) continue;
    if (batch.run() >= 0) throw new Error("a signature of the bench chain does not verify");
    batch.reset();
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

function describe(result: IbdRun): string {
  return (
    `${result.wallSeconds.toFixed(1)} s wall, ${result.cpuSeconds.toFixed(1)} s CPU, ` +
    `peak RSS ${result.peakRssMb.toFixed(0)} MB (aim 500), event loop held ${result.longestBlockMs.toFixed(0)} ms ` +
    `(aim 100; ${result.longestTurnMs.toFixed(0)} ms of CPU)`
  );
}

const perSpend = (seconds: number): string => ((seconds / SPENDS) * 1e6).toFixed(1);

function line(what: string, figure: string): void {
  console.log(`  ${what.padEnd(26)} ${figure}`);
}

/** The run in the middle by a measure. */
function middle<T>(runs: readonly T[], measure: (run: T) => number): T {
  return [...runs].sort((a, b) => measure(a) - measure(b))[runs.length >> 1]!;
}
