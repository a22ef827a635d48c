import { equalBytes } from "#base/lib/bytes.ts";
import { unixTime } from "#base/lib/clock.ts";
import { blockHash } from "#protocol/bitcoin/txid.ts";
import { contextualCheckBlock, contextualCheckHeader } from "#protocol/consensus/check-block.ts";
import { type Rejection, reject } from "#protocol/consensus/rejection.ts";
import type { ChainParts } from "./chain-parts.ts";
import { connectBlock } from "./connect-block.ts";
import type { PreparedBlock } from "./prepare-block.ts";

/** Whether a block would connect to the tip; changes nothing (Core's TestBlockValidity). */
export async function testBlock(parts: ChainParts, prepared: PreparedBlock): Promise<Rejection | undefined> {
  const { network, coins } = parts;
  const { block, hashes, bad: badAlone } = prepared;
  const prev = parts.active.tip!;
  if (!equalBytes(block.header.prevHash, prev.hash)) {
    return reject("consensus", "inconclusive-not-best-prevblk");
  }
  const bad =
    badAlone ??
    contextualCheckHeader(block.header, prev, network, unixTime(parts.clock)) ??
    contextualCheckBlock(block, hashes, prev, network);
  if (bad !== undefined) return bad;
  coins.begin();
  try {
    const hash = blockHash(block.bytes);
    return (await connectBlock(parts, { block, hashes, hash, prev, checkScripts: true })).rejection;
  } finally {
    coins.rollback();
  }
}
