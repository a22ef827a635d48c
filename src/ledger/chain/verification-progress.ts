import type { Network } from "#protocol/bitcoin/network.ts";
import type { HeaderNode } from "./header-node.ts";

/** Transactions of a chain up to some time, and how many a second came lately (Core's ChainTxData). */
interface ChainTxData {
  /** Seconds since 1970. */
  readonly time: number;
  readonly txCount: number;
  readonly txRate: number;
}

/** As of Core v31's blocks assumed valid (kernel/chainparams.cpp). */
const CHAIN_TX_DATA: Readonly<Record<string, ChainTxData>> = {
  main: { time: 1_772_055_173, txCount: 1_315_805_869, txRate: 5.401_110_064_961_22 },
  test: { time: 1_772_051_651, txCount: 536_108_416, txRate: 0.026_914_790_162_571_17 },
  test4: { time: 1_772_013_387, txCount: 14_191_421, txRate: 0.018_485_795_795_284_12 },
  signet: { time: 1_772_055_248, txCount: 28_676_833, txRate: 0.067_366_234_363_389_29 },
};

/** Chains of our own making: so slow that what is there counts as nearly all. */
const UNKNOWN: ChainTxData = { time: 0, txCount: 0, txRate: 0.001 };

/** Seconds for which a block counts as recent: its time then matters less than how many headers follow it. */
const RECENT = 2 * 60 * 60;

/**
 * Share of all transactions that are in the chain up to `node`, 0–1: a guess (Core's GuessVerificationProgress).
 * @param now seconds since 1970.
 */
export function verificationProgress(
  network: Network,
  node: HeaderNode,
  best: HeaderNode,
  now: number,
): number {
  const done = node.chainTxCount;
  if (done === 0) return 0;
  // A signet with a challenge of its own shares but the name with the public one.
  const data = network.assumeValid === undefined ? UNKNOWN : (CHAIN_TX_DATA[network.name] ?? UNKNOWN);
  const isRecent = Math.abs(now - node.time) <= RECENT && best.height >= node.height;
  const spacing = network.consensus.powTargetSpacing;
  const time = isRecent ? now - (best.height - node.height) * spacing : node.time;
  const from = done <= data.txCount ? data.txCount + (now - data.time) * data.txRate : undefined;
  return Math.min(done / (from ?? done + (now - time) * data.txRate), 1);
}
