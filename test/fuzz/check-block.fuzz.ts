import { readFileSync } from "node:fs";
import { join } from "node:path";
import { hex } from "#base/lib/bytes.ts";
import { parseBlock } from "#protocol/bitcoin/block-table.ts";
import { DEFAULT_SIGNET_CHALLENGE, main, regtest, signet } from "#protocol/bitcoin/networks.ts";
import { hashTxs } from "#protocol/bitcoin/txid.ts";
import { checkBlock, contextualCheckBlock, isBlockMutated } from "#protocol/consensus/check-block.ts";
import { signetTransactions } from "#protocol/consensus/signet.ts";
import { firstHeader } from "../support/test-header.ts";
import type { FuzzTarget } from "./fuzz.ts";

const FILE = join(import.meta.dirname, "../vectors/signet-blocks.json");
const BLOCKS = (JSON.parse(readFileSync(FILE, "utf8")) as { blocks: string[] }).blocks;

const prev = firstHeader({ time: 1_600_000_000 }, 500);
const network = signet();

/** A whole block through every check that needs no coins, the signet's solution among them. */
export const target: FuzzTarget = {
  name: "check-block",
  seeds: [main.genesis, regtest().genesis, ...BLOCKS.slice(0, 3).map((text) => hex(text))],
  run(input) {
    const block = parseBlock(input);
    const hashes = hashTxs(block.txs);
    signetTransactions(block, hashes, DEFAULT_SIGNET_CHALLENGE);
    isBlockMutated(block, hashes, true);
    const unchecked = { pow: false, merkle: false };
    if (checkBlock(block, hashes, network, unchecked) === undefined) {
      contextualCheckBlock(block, hashes, prev, network);
    }
  },
};
