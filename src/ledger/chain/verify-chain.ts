import { toHexReversed } from "#base/lib/bytes.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import { Slices } from "#base/lib/slices.ts";
import { rejectionText } from "#protocol/consensus/rejection.ts";
import { BlockFileError } from "./block-files.ts";
import { ChainError } from "./chain-error.ts";
import type { ChainParts } from "./chain-parts.ts";
import { connectBlock } from "./connect-block.ts";
import { disconnectBlock } from "./disconnect-block.ts";
import type { HeaderNode } from "./header-node.ts";
import { loadUndo, readPrepared } from "./read-block.ts";

/** `skipped`: sound as far as it went, but the coin cache had no room for all blocks at levels 3 and 4. */
export type VerifyResult = "sound" | "corrupted" | "skipped" | "interrupted";

/**
 * Checks the last `depth` blocks (0: all) from the tip down (Core's CVerifyDB::VerifyDB). Changes nothing.
 * @param level 0 reads each block, 1 checks it by itself, 2 reads its undo data, 3 takes it back from the coins, and 4
 * connects all again.
 */
export async function verifyChain(
  parts: ChainParts,
  level: number,
  depth: number,
  interrupted: () => boolean = () => false,
): Promise<VerifyResult> {
  const { active, coins, log } = parts;
  const checks = Math.max(0, Math.min(4, level));
  const count = depth <= 0 || depth > active.height ? active.height : depth;
  log.info(`Verifying last ${count} blocks at level ${checks}`);
  const slices = new Slices();
  coins.begin();
  try {
    const walk = new Verification(parts, checks);
    for (let left = count, node = active.tip!; left > 0 && node.prev !== null; left--, node = node.prev) {
      if (interrupted()) return "interrupted";
      if (!(await walk.goDown(node))) return "corrupted";
      if (slices.due) await slices.pause();
    }
    if (checks >= 4 && !walk.skipped) {
      for (let node = walk.next; node !== undefined; node = active.next(node)) {
        if (interrupted()) return "interrupted";
        if (!(await walk.goUp(node))) return "corrupted";
      }
    }
    log.info(`Verification: No coin database inconsistencies in last ${count} blocks`);
    return walk.skipped ? "skipped" : "sound";
  } finally {
    coins.rollback();
  }
}

class Verification {
  /** Whether a block could not be disconnected for want of room. */
  skipped = false;
  /** The lowest block that was disconnected. */
  next: HeaderNode | undefined;
  readonly #parts: ChainParts;
  readonly #level: number;

  constructor(parts: ChainParts, level: number) {
    this.#parts = parts;
    this.#level = level;
  }

  /** Checks a block, and takes it back from the coins. */
  goDown(node: HeaderNode): Promise<boolean> {
    return this.#judge(node, async () => {
      // From the disk, whatever is in memory.
      const { bad, ...hashed } = await readPrepared(this.#parts, node);
      if (this.#level >= 1 && bad !== undefined) return `found bad block: ${rejectionText(bad)}`;
      if (this.#level < 2) return undefined;
      const undo = await loadUndo(this.#parts, node);
      if (this.#level < 3 || !this.#hasRoom()) return undefined;
      const result = await disconnectBlock(this.#parts, node, hashed, undo);
      if (result !== "clean") return "coin database inconsistencies found";
      this.next = node;
      return undefined;
    });
  }

  /** Connects a block again. */
  goUp(node: HeaderNode): Promise<boolean> {
    return this.#judge(node, async () => {
      const { block, hashes } = await readPrepared(this.#parts, node);
      const request = { block, hashes, hash: node.hash, prev: node.prev!, checkScripts: true };
      const { rejection } = await connectBlock(this.#parts, request);
      return rejection && `found unconnectable block: ${rejectionText(rejection)}`;
    });
  }

  #hasRoom(): boolean {
    if (this.#parts.coins.full) this.skipped = true;
    return !this.skipped;
  }

  /** Whether `check` finds no fault; what it finds is logged. */
  async #judge(node: HeaderNode, check: () => Promise<string | undefined>): Promise<boolean> {
    const fault = await check().catch((error: unknown) => {
      if (!isDamage(error)) throw error;
      return error.message;
    });
    if (fault === undefined) return true;
    this.#parts.log.error(`Verification error: ${fault} at ${node.height}, hash=${toHexReversed(node.hash)}`);
    return false;
  }
}

/** What damaged files give; anything else is a bug or a failed disk. */
function isDamage(error: unknown): error is Error {
  return error instanceof ChainError || error instanceof DecodeError || error instanceof BlockFileError;
}
