/** Serving of block filters (BIP157). */
import type { BlockHash } from "#protocol/bitcoin/hashes.ts";
import { type Codec, fixed, list, struct, u8, u32, varBytes } from "../codec.ts";
import { MAX_PROTOCOL_MESSAGE_LENGTH } from "../transport.ts";

/** Headers in one message at most (BIP157). */
const MAX_FILTER_HEADERS = 2000;

export interface FilterRangeRequest {
  /** 0, basic, is the only type there is (BIP158); as in all of these. */
  readonly filterType: number;
  readonly startHeight: number;
  readonly stop: BlockHash;
}

const rangeRequest: Codec<FilterRangeRequest> = struct<FilterRangeRequest>({
  filterType: u8,
  startHeight: u32,
  stop: fixed<BlockHash>(32),
});

export const getcfilters = rangeRequest;
export const getcfheaders = rangeRequest;

export interface FilterMessage {
  readonly filterType: number;
  readonly block: BlockHash;
  readonly filter: Uint8Array;
}

export const cfilter: Codec<FilterMessage> = struct<FilterMessage>({
  filterType: u8,
  block: fixed<BlockHash>(32),
  filter: varBytes(MAX_PROTOCOL_MESSAGE_LENGTH),
});

export interface FilterHeaders {
  readonly filterType: number;
  readonly stop: BlockHash;
  readonly previousHeader: Uint8Array;
  readonly hashes: readonly Uint8Array[];
}

export const cfheaders: Codec<FilterHeaders> = struct<FilterHeaders>({
  filterType: u8,
  stop: fixed<BlockHash>(32),
  previousHeader: fixed(32),
  hashes: list(fixed(32), MAX_FILTER_HEADERS, 32),
});

export interface FilterCheckpointRequest {
  readonly filterType: number;
  readonly stop: BlockHash;
}

export const getcfcheckpt: Codec<FilterCheckpointRequest> = struct<FilterCheckpointRequest>({
  filterType: u8,
  stop: fixed<BlockHash>(32),
});

export interface FilterCheckpoints {
  readonly filterType: number;
  readonly stop: BlockHash;
  readonly headers: readonly Uint8Array[];
}

export const cfcheckpt: Codec<FilterCheckpoints> = struct<FilterCheckpoints>({
  filterType: u8,
  stop: fixed<BlockHash>(32),
  headers: list(fixed(32), MAX_PROTOCOL_MESSAGE_LENGTH / 32, 32),
});
