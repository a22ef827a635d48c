import { deflateRawSync, inflateRawSync } from "node:zlib";
import { sha256 } from "#base/crypto/sha256.ts";
import type { LogEntry } from "#sharing/storage/files/log-entry.ts";
import { packPiece, packSegment, unpackPiece, unpackSegment } from "#sharing/storage/files/log-segment.ts";
import type { FuzzTarget } from "./fuzz.ts";

const chain = "0f".repeat(16);
const record = {
  id: "01".repeat(16),
  key: new Uint8Array(32).fill(1),
  scheme: { needed: 1, total: 2 },
  length: 100,
  shards: [
    { root: new Uint8Array(32).fill(2), host: "12D3KooWAfPDpPRRRBrmqy9is2zjU5srQ4hKuZitiGmh4NTTpS2d" },
    { root: new Uint8Array(32).fill(3), host: "" },
  ],
} as const;
const ref = { record, hash: new Uint8Array(32).fill(4) };
const extents = [{ slab: record.id, offset: 0, length: 100 }];
const object = { bucket: "box", key: "k", version: "null", size: 3, etag: "00", modified: 5 };
const entries: readonly LogEntry[] = [
  { type: "bucket", name: "box", created: 1, versioning: "enabled" },
  {
    type: "object",
    ...object,
    content: { inline: new Uint8Array([1, 2, 3]) },
    headers: { contentType: "x" },
  },
  { type: "object", ...object, marker: true, content: { extents } },
  { type: "remove", bucket: "box", key: "k", version: "null" },
  { type: "upload", id: chain, bucket: "box", key: "k", started: 1, gone: true },
  { type: "part", upload: chain, part: 1, size: 1, etag: "00", modified: 1, content: { extents } },
  { type: "slab", record, log: chain },
  { type: "drop", slab: record.id },
  { type: "remap", slab: record.id, pieces: [{ from: 0, extent: extents[0]! }] },
];
const segment = { chain, device: "me", sequence: 7, entries, previous: { ...ref, sequence: 6 } };
const base = { slabs: [ref], seen: { [chain]: 6 } };
const seeds = [
  packSegment(segment),
  packSegment({ ...segment, base }),
  packPiece({ entries: entries.map((entry, i) => ({ stamp: { counter: i, chain }, entry })) }),
];

/** Segments and pieces of snapshots, as they lie in slabs: the first byte tells which, the rest is before compression. */
export const target: FuzzTarget = {
  name: "log segments",
  seeds: seeds.map(({ bytes }, i) => {
    return new Uint8Array(Buffer.concat([Buffer.from([i >> 1]), inflateRawSync(bytes)]));
  }),
  run(input) {
    const plain = input.subarray(1);
    const unpack = (input[0] ?? 0) & 1 ? unpackPiece : unpackSegment;
    const packed = new Uint8Array(deflateRawSync(plain));
    unpack(packed, sha256(packed));
  },
};
