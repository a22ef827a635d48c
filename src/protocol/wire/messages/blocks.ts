/** Headers and blocks: asking for them, and sending them. */

import { DecodeError } from "#base/lib/decode-error.ts";
import { HEADER_LENGTH } from "#protocol/bitcoin/block-table.ts";
import type { BlockHash } from "#protocol/bitcoin/hashes.ts";
import { type Codec, fixed, list, struct, u32 } from "../codec.ts";
import { LimitError } from "../limit-error.ts";

/** Core's MAX_HEADERS_RESULTS. */
export const MAX_HEADERS = 2000;
/** Core's MAX_LOCATOR_SZ. */
const MAX_LOCATOR = 101;

/** `getheaders` and `getblocks`: hashes from the tip backwards, and where to stop (zero: as far as it goes). */
export interface LocatorRequest {
  readonly version: number;
  readonly locator: readonly BlockHash[];
  readonly stop: BlockHash;
}

const locatorRequest: Codec<LocatorRequest> = struct<LocatorRequest>({
  version: u32,
  locator: list(fixed<BlockHash>(32), MAX_LOCATOR, 32),
  stop: fixed<BlockHash>(32),
});

export const getheaders = locatorRequest;
export const getblocks = locatorRequest;

/**
 * Headers end to end, 80 bytes each. On the wire a transaction count follows each header; it is written as zero
 * and not looked at when read.
 */
export const headers: Codec<Uint8Array> = {
  read(reader) {
    const count = reader.compactSize();
    if (count > MAX_HEADERS) throw new LimitError(count, MAX_HEADERS);
    if (count * (HEADER_LENGTH + 1) > reader.remaining) throw new DecodeError("end of data");
    const raw = new Uint8Array(count * HEADER_LENGTH);
    for (let i = 0; i < count; i++) {
      raw.set(reader.view(HEADER_LENGTH), i * HEADER_LENGTH);
      reader.compactSize();
    }
    return raw;
  },
  write(writer, raw) {
    writer.compactSize(raw.length / HEADER_LENGTH);
    for (let at = 0; at < raw.length; at += HEADER_LENGTH) {
      writer.bytes(raw.subarray(at, at + HEADER_LENGTH)).u8(0);
    }
  },
};
