import { toHexReversed } from "#base/lib/bytes.ts";
import { unixTime } from "#base/lib/clock.ts";
import { type Rejection, rejectionText } from "#protocol/consensus/rejection.ts";
import { needsScriptChecks } from "./assume-valid.ts";
import { compareCandidates } from "./block-candidates.ts";
import { ChainError } from "./chain-error.ts";
import type { ChainParts } from "./chain-parts.ts";
import type { HashedBlock } from "./chain-update.ts";
import { connectBlock } from "./connect-block.ts";
import { disconnectBlock } from "./disconnect-block.ts";
import { flushChain } from "./flush-chain.ts";
import { BlockStatus, type HeaderNode } from "./header-node.ts";
import { addUnlinked } from "./link-blocks.ts";
import { invalidBlockFound, isoTime } from "./mark-invalid.ts";
import { loadBlock, loadUndo } from "./read-block.ts";
import { TipMove } from "./tip-move.ts";
import { verificationProgress } from "./verification-progress.ts";

/**
 * Moves the tip towards the best candidate until it is better than it was, or nothing better is left: a block at a
 * time where the chain grows, a whole reorg at once, however deep (Core's ActivateBestChain with the lock held).
 * @returns the move, empty when there was nothing to do.
 */
export async function activateStep(parts: ChainParts): Promise<TipMove> {
  const { active } = parts;
  const move = new TipMove((node) => loadBlock(parts, node));
  const start = active.tip;
  do {
    const target = findMostWorkBlock(parts);
    if (target === undefined || target === active.tip) break;
    await moveTowards(parts, target, move);
  } while (active.tip === undefined || (start !== undefined && compareCandidates(active.tip, start) < 0));
  await flushChain(parts, "periodic");
  return move;
}

/**
 * The best candidate whose branch has no invalid block and no gap; the others are struck off on the way (Core's
 * FindMostWorkChain).
 */
function findMostWorkBlock(parts: ChainParts): HeaderNode | undefined {
  const { candidates } = parts;
  for (let best = candidates.best; best !== undefined; best = candidates.best) {
    const obstacle = findObstacle(parts, best);
    if (obstacle === undefined) return best;
    strikeOff(parts, best, obstacle);
  }
  return undefined;
}

/**
 * The last block between the active chain and `node` that is invalid, or whose data is missing. Each block of a long
 * branch is looked at once, and not again for every block that is connected.
 */
function findObstacle(parts: ChainParts, node: HeaderNode): HeaderNode | undefined {
  for (let at: HeaderNode | null = node; at !== null && !parts.active.contains(at); at = at.prev) {
    if (at === parts.cleared) break;
    if (at.failed || !(at.hasData || at.prev === null)) return at;
  }
  parts.cleared = node;
  return undefined;
}

/** Takes a branch from `tip` down to `obstacle` out of the candidates. */
function strikeOff(parts: ChainParts, tip: HeaderNode, obstacle: HeaderNode): void {
  const { candidates, headers, unlinked } = parts;
  for (let node = tip; node !== obstacle; node = node.prev!) {
    if (obstacle.failed) headers.addStatus(node, BlockStatus.FAILED_VALID);
    else addUnlinked(unlinked, node);
    candidates.delete(node);
  }
  candidates.delete(obstacle);
}

/** Leaves the chain down to the fork, then connects until there is more work than at the start (ActivateBestChainStep). */
async function moveTowards(parts: ChainParts, target: HeaderNode, move: TipMove): Promise<void> {
  const { active, candidates } = parts;
  const start = active.tip;
  const fork = active.fork(target);
  while (active.tip !== fork) await disconnectTip(parts, move);
  for (let height = active.height + 1; height <= target.height; height++) {
    const node = target.ancestor(height)!;
    const next = height < target.height ? target.ancestor(height + 1)! : undefined;
    const rejection = await connectTip(parts, node, next, move);
    if (rejection !== undefined) {
      if (rejection.result === "mutated") throw new ChainError(rejectionText(rejection));
      return;
    }
    candidates.prune(node);
    if (start === undefined || node.compareWork(start) > 0) return;
  }
}

/** Takes the last block off the active chain. @throws ChainError when its data does not fit the coins. */
export async function disconnectTip(parts: ChainParts, move: TipMove): Promise<void> {
  const { active, coins } = parts;
  const node = active.tip!;
  const prev = node.prev!;
  const hashed = await loadBlock(parts, node);
  const undo = await loadUndo(parts, node);
  coins.begin();
  try {
    const result = await disconnectBlock(parts, node, hashed, undo);
    if (result !== "clean") {
      throw new ChainError(`Failed to disconnect block ${toHexReversed(node.hash)}: ${result}`);
    }
    coins.commit(prev.hash);
  } catch (error) {
    coins.rollback();
    throw error;
  }
  active.setTip(prev);
  parts.recent.add(node, hashed);
  move.disconnect(node, hashed);
  logTip(parts, prev);
  await flushChain(parts, "if-needed");
}

/** Adds a block to the active chain, or marks it invalid. `next` is the block after it, when one is known. */
async function connectTip(
  parts: ChainParts,
  node: HeaderNode,
  next: HeaderNode | undefined,
  move: TipMove,
): Promise<Rejection | undefined> {
  const { active, coins, headers } = parts;
  const hashed = await loadBlock(parts, node);
  coins.begin();
  let rejection: Rejection | undefined;
  try {
    rejection = await connect(parts, node, hashed, next);
    if (rejection === undefined) coins.commit(node.hash);
    else coins.rollback();
  } catch (error) {
    coins.rollback();
    throw error;
  }
  if (rejection !== undefined) return refuseTip(parts, node, rejection);
  headers.raiseValidity(node, BlockStatus.VALID_SCRIPTS);
  active.setTip(node);
  move.connect(node, hashed);
  logTip(parts, node);
  await parts.blockChecked.emit({ hash: node.hash, node });
  await flushChain(parts, "if-needed");
  return undefined;
}

/** Connects the coins of a block and keeps its undo data. */
async function connect(
  parts: ChainParts,
  node: HeaderNode,
  hashed: HashedBlock,
  next: HeaderNode | undefined,
): Promise<Rejection | undefined> {
  const { prev } = node;
  // The coinbase of genesis can not be spent: it adds nothing.
  if (prev === null) return undefined;
  const result = await connectBlock(parts, {
    ...hashed,
    hash: node.hash,
    prev,
    checkScripts: needsScriptChecks(parts, node),
    ...(next === undefined ? {} : { meanwhile: () => fetchAhead(parts, next) }),
  });
  if (result.rejection !== undefined) return result.rejection;
  if (!node.hasUndo) {
    const position = await parts.files.appendUndo(node.file, result.undo, prev.hash);
    parts.headers.setUndoPosition(node, position);
  }
  return undefined;
}

/** Reads the next block and brings its coins into the cache. What fails here fails again when it is its turn. */
async function fetchAhead(parts: ChainParts, node: HeaderNode): Promise<void> {
  try {
    const hashed = await loadBlock(parts, node);
    parts.recent.add(node, hashed);
    await parts.coins.fetchInputs(hashed.block.txs, hashed.hashes.txids);
  } catch (error) {
    parts.log.debug("validation", () => `fetching ahead failed: ${String(error)}`);
  }
}

async function refuseTip(parts: ChainParts, node: HeaderNode, rejection: Rejection): Promise<Rejection> {
  parts.log.info(`Block validation error: ${rejectionText(rejection)}`);
  invalidBlockFound(parts, node, rejection);
  await parts.blockChecked.emit({ hash: node.hash, node, rejection });
  return rejection;
}

function logTip(parts: ChainParts, tip: HeaderNode): void {
  const work = log2(tip.chainWork).toFixed(6);
  const version = (tip.version >>> 0).toString(16).padStart(8, "0");
  const progress = verificationProgress(
    parts.network,
    tip,
    parts.headers.best,
    unixTime(parts.clock),
  ).toFixed(6);
  const cache = (parts.coins.memoryUsage / 1_048_576).toFixed(1);
  parts.log.info(
    `UpdateTip: new best=${toHexReversed(tip.hash)} height=${tip.height} version=0x${version} log2_work=${work} ` +
      `tx=${tip.chainTxCount} date='${isoTime(tip.time)}' progress=${progress} ` +
      `cache=${cache}MiB(${parts.coins.size}txo)`,
  );
}

function log2(work: bigint): number {
  const bits = work.toString(2).length;
  if (bits <= 53) return Math.log2(Number(work));
  return Math.log2(Number(work >> BigInt(bits - 53))) + bits - 53;
}
