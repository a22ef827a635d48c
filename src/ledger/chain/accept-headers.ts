import { toHexReversed } from "#base/lib/bytes.ts";
import { unixTime } from "#base/lib/clock.ts";
import { HEADER_LENGTH, parseHeader } from "#protocol/bitcoin/block-table.ts";
import { blockHash } from "#protocol/bitcoin/txid.ts";
import { checkHeaderPow, contextualCheckHeader } from "#protocol/consensus/check-block.ts";
import { type Rejection, reject, rejectionText } from "#protocol/consensus/rejection.ts";
import type { ChainParts } from "./chain-parts.ts";
import type { HeaderNode } from "./header-node.ts";

/** A header that is in the tree; with a rejection one that was known to be invalid. */
export interface HeaderVerdict {
  readonly node?: HeaderNode;
  readonly rejection?: Rejection;
}

/**
 * Takes the header that stands in `bytes` at `at` (Core's AcceptBlockHeader).
 * @param minPowChecked the caller knows that its chain has enough work to be stored.
 */
export function acceptHeader(
  parts: ChainParts,
  bytes: Uint8Array,
  at: number,
  minPowChecked: boolean,
): HeaderVerdict {
  const { headers, network } = parts;
  const hash = blockHash(bytes.subarray(at, at + HEADER_LENGTH));
  const known = headers.lookup(hash);
  if (known !== undefined) return knownHeader(parts, known);
  const header = parseHeader(bytes, at);
  const badPow = checkHeaderPow(hash, header.bits, network);
  if (badPow !== undefined) return refuse(parts, hash, badPow);
  const prev = headers.lookup(header.prevHash);
  if (prev === undefined) return refuse(parts, hash, reject("missing-prev", "prev-blk-not-found"));
  if (prev.failed) return refuse(parts, hash, reject("invalid-prev", "bad-prevblk"));
  const badContext = contextualCheckHeader(header, prev, network, unixTime(parts.clock));
  if (badContext !== undefined) return refuse(parts, hash, badContext);
  if (!minPowChecked) return refuse(parts, hash, reject("header-low-work", "too-little-chainwork"));
  return { node: headers.add(hash, bytes, at, prev) };
}

function knownHeader(parts: ChainParts, node: HeaderNode): HeaderVerdict {
  if (!node.failed) return { node };
  const hash = toHexReversed(node.hash);
  parts.log.debug("validation", () => `AcceptBlockHeader: block ${hash} is marked invalid`);
  const rejection = reject(
    "cached-invalid",
    "duplicate-invalid",
    `block ${hash} was previously marked invalid`,
  );
  return { node, rejection };
}

function refuse(parts: ChainParts, hash: Uint8Array, rejection: Rejection): HeaderVerdict {
  parts.log.debug(
    "validation",
    () => `AcceptBlockHeader: ${toHexReversed(hash)} refused: ${rejectionText(rejection)}`,
  );
  return { rejection };
}
