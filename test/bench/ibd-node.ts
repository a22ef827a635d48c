/**
 * One run of the IBD benchmark in a process of its own: validates a blk file into a data directory and prints what it
 * took as JSON. Arguments: directory, blk file, par, dbcache in MiB.
 */
import { join } from "node:path";
import { systemClock } from "#base/lib/clock.ts";
import { silentLogger } from "#base/lib/logger.ts";
import { secureRandom } from "#base/lib/random.ts";
import { nodeDisk } from "#base/store/node-disk.ts";
import { CHAIN_DEFAULTS, MIB } from "#ledger/chain/chain-options.ts";
import { ChainState } from "#ledger/chain/chain-state.ts";
import { regtest } from "#protocol/bitcoin/networks.ts";

/** What one run took. */
export interface IbdRun {
  readonly height: number;
  readonly tip: string;
  readonly wallSeconds: number;
  /** Of all threads. */
  readonly cpuSeconds: number;
  readonly peakRssMb: number;
  /** Longest time that the event loop was held, and the longest CPU time of its thread in one turn. */
  readonly longestBlockMs: number;
  readonly longestTurnMs: number;
}

/** Milliseconds between two looks at the event loop. */
const LOOK = 5;

/** CPU time of this thread in ms. */
function threadCpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

async function run(directory: string, blocks: string, par: number, dbcache: number): Promise<IbdRun> {
  const chain = await ChainState.open(
    {
      ...CHAIN_DEFAULTS,
      network: regtest(),
      dataDir: directory,
      blocksDir: join(directory, "blocks"),
      par,
      cacheBytes: dbcache * MIB,
      maxTipAge: Number.MAX_SAFE_INTEGER,
    },
    {
      clock: systemClock,
      random: secureRandom,
      log: silentLogger,
      disk: nodeDisk,
      fatal: (error) => {
        throw error;
      },
    },
  );
  let longest = 0;
  let longestTurn = 0;
  let last = performance.now();
  let lastCpu = threadCpuMs();
  const looking = setInterval(() => {
    const now = performance.now();
    const cpuNow = threadCpuMs();
    longest = Math.max(longest, now - last - LOOK);
    // On a busy machine the clock also counts the turns of other programs; this does not.
    longestTurn = Math.max(longestTurn, cpuNow - lastCpu);
    last = now;
    lastCpu = cpuNow;
  }, LOOK);
  const started = performance.now();
  const before = process.cpuUsage();
  await chain.importBlocks([blocks]);
  await chain.flush();
  const cpu = process.cpuUsage(before);
  const wallSeconds = (performance.now() - started) / 1000;
  clearInterval(looking);
  const { tip } = chain;
  await chain.close();
  return {
    height: tip.height,
    tip: Buffer.from(tip.hash).reverse().toString("hex"),
    wallSeconds,
    cpuSeconds: (cpu.user + cpu.system) / 1e6,
    peakRssMb: process.resourceUsage().maxRSS / 1024,
    longestBlockMs: longest,
    longestTurnMs: longestTurn,
  };
}

if (import.meta.main) {
  const [directory, blocks, par, dbcache] = process.argv.slice(2) as [string, string, string, string];
  console.log(JSON.stringify(await run(directory, blocks, Number(par), Number(dbcache))));
}
