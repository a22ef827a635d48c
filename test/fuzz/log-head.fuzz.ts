import { SeededRandom } from "#base/lib/random.ts";
import { deriveFileKeys } from "#sharing/storage/files/file-keys.ts";
import { decodeHead, encodeHead, type LogHead } from "#sharing/storage/files/log-head.ts";
import type { FuzzTarget } from "./fuzz.ts";

const keys = deriveFileKeys(new Uint8Array(32).fill(1));
const random = new SeededRandom(1);

function head(total: number, chains: number): LogHead {
  const bytes = (length: number) => random.fill(new Uint8Array(length));
  const record = {
    id: "ab".repeat(16),
    key: bytes(32),
    scheme: { needed: 1, total },
    length: 60_000,
    shards: Array.from({ length: total }, () => ({ root: bytes(32), host: "" as const })),
  };
  const seen = Object.fromEntries(
    Array.from({ length: chains }, (_, i) => [`0${i}`.repeat(16), 2 ** 41 + i]),
  );
  return { chain: "cd".repeat(16), sequence: 2 ** 41, segment: { record, hash: bytes(32) }, seen };
}

/** Head records as hosts give them: signed, encrypted, and from whoever they please. */
export const target: FuzzTarget = {
  name: "heads of the log",
  seeds: [encodeHead(head(2, 0), 1, keys, random), encodeHead(head(16, 6), 2 ** 41, keys, random)],
  run(input) {
    decodeHead(input, keys, new Map());
  },
};
