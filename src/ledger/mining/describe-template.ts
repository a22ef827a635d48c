import { toHex, toHexReversed } from "#base/lib/bytes.ts";
import type { JsonObject } from "#base/lib/json.ts";
import type { MempoolEntry } from "#ledger/mempool/mempool-entry.ts";
import type { Network } from "#protocol/bitcoin/network.ts";
import { isActiveAfter } from "#protocol/consensus/deployments.ts";
import type { HeaderContext } from "#protocol/consensus/header-context.ts";
import {
  MAX_BLOCK_SERIALIZED_SIZE,
  MAX_BLOCK_SIGOPS_COST,
  MAX_BLOCK_WEIGHT,
  WITNESS_SCALE_FACTOR,
} from "#protocol/consensus/limits.ts";
import { compactToTarget, nextWorkRequired } from "#protocol/consensus/pow.ts";
import type { VersionbitsCache } from "#protocol/consensus/versionbits.ts";
import { blockTime, minimumTime } from "./block-time.ts";
import type { BlockTemplate } from "./template.ts";

export interface DescribeContext {
  readonly network: Network;
  readonly versionbits: VersionbitsCache;
  /** Seconds since 1970: the header's time is brought up to it. */
  readonly now: number;
  /** The mempool's counter of changes when the template was made. */
  readonly transactionsUpdated: number;
}

/** What getblocktemplate answers about a template (BIP22, 23, 9 and 145), member for member as Core does. */
export function describeTemplate(template: BlockTemplate, context: DescribeContext): JsonObject {
  const { network, now, transactionsUpdated } = context;
  const { prev } = template;
  const segwit = isActiveAfter(network, prev, "segwit");
  // Before segwit, limits and sigops are told without its factor.
  const scale = segwit ? 1 : WITNESS_SCALE_FACTOR;
  const time = Math.max(template.time, blockTime(prev, network, now));
  const easing = network.consensus.powAllowMinDifficultyBlocks;
  const bits = easing ? nextWorkRequired(prev, time, network) : template.bits;
  return {
    capabilities: ["proposal"],
    ...rulesJson(template, context, segwit),
    previousblockhash: toHexReversed(prev.hash),
    transactions: transactionsJson(template.entries, scale),
    coinbaseaux: {},
    coinbasevalue: template.coinbaseValue,
    longpollid: longPollId(prev, transactionsUpdated),
    target: compactToTarget(bits).toString(16).padStart(64, "0"),
    mintime: minimumTime(prev, network),
    mutable: ["time", "transactions", "prevblock"],
    noncerange: "00000000ffffffff",
    sigoplimit: MAX_BLOCK_SIGOPS_COST / scale,
    sizelimit: MAX_BLOCK_SERIALIZED_SIZE / scale,
    weightlimit: segwit ? MAX_BLOCK_WEIGHT : undefined,
    curtime: time,
    bits: bits.toString(16).padStart(8, "0"),
    height: template.height,
    signet_challenge: network.consensus.signetChallenge,
    default_witness_commitment: toHex(template.commitment),
  };
}

/** BIP9's members. All deployments are ones that a client may ignore, so none of them takes a "!". */
function rulesJson(
  template: BlockTemplate,
  { network, versionbits }: DescribeContext,
  segwit: boolean,
): JsonObject {
  const rules = ["csv"];
  if (segwit) rules.push("!segwit");
  if (network.consensus.signetChallenge !== undefined) rules.push("!signet");
  const vbavailable: JsonObject = {};
  let { version } = template;
  for (const name of versionbits.names().sort()) {
    const { bit } = versionbits.deployment(name);
    const state = versionbits.state(template.prev, name);
    if (state === "active") rules.push(name);
    if (state === "locked_in") version |= 1 << bit;
    if (state === "started" || state === "locked_in") vbavailable[name] = bit;
  }
  return { version, rules, vbavailable, vbrequired: 0 };
}

function transactionsJson(entries: readonly MempoolEntry[], scale: number): JsonObject[] {
  /** Places by txid; the coinbase has the first. */
  const places = new Map(entries.map(({ txid }, i) => [toHex(txid), i + 1]));
  return entries.map(({ raw, table, txid, wtxid, fee, sigopCost, weight }) => {
    const depends: number[] = [];
    for (let input = 0; input < table.inputCount(0); input++) {
      const place = places.get(toHex(table.prevTxid(input)));
      if (place !== undefined) depends.push(place);
    }
    return {
      data: toHex(raw),
      txid: toHexReversed(txid),
      hash: toHexReversed(wtxid),
      depends,
      fee,
      sigops: sigopCost / scale,
      weight,
    };
  });
}

/** Names a state of chain and mempool; a client that sends it back waits until it is no longer so. */
export function longPollId(tip: HeaderContext, transactionsUpdated: number): string {
  return `${toHexReversed(tip.hash)}${transactionsUpdated}`;
}
