import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { sha256 } from "#base/crypto/sha256.ts";
import { concatBytes, toHex } from "#base/lib/bytes.ts";
import type { Random } from "#base/lib/random.ts";
import { signingKeyFrom } from "#sharing/mesh/identity.ts";
import { auditEvidence } from "./audit-evidence.ts";
import { parityRows } from "./codec/erasure-matrix.ts";
import { auditLeaves } from "./codec/shard-proof.ts";
import { SlabCodec } from "./codec/slab-codec.ts";
import { encodeHeadRecord } from "./head-record.ts";

/** The page that shows these; a copy of the vectors here would prove nothing about it. */
const page = await readFile(new URL("../../../docs/protocols/storage.md", import.meta.url), "utf8");

function mustShow(what: string, text: string): void {
  assert.ok(page.includes(text), `docs/protocols/storage.md lacks ${what}: ${text}`);
}

/** 0, 1, 2 …: the key of the vectors. */
const counting: Random = {
  fill(bytes) {
    for (let i = 0; i < bytes.length; i++) bytes[i] = i;
    return bytes;
  },
  below: () => 0,
};

const codec = new SlabCodec({ random: counting, workers: 0 });

test("parity rows are those of the page", () => {
  mustShow("the rows of 2 of 4", toHex(parityRows({ needed: 2, total: 4 }).cells));
  mustShow("the hash of the rows of 10 of 30", toHex(sha256(parityRows({ needed: 10, total: 30 }).cells)));
});

test("slabs are those of the page", async () => {
  const small = await codec.encodeWhole({ needed: 2, total: 4 }, [new TextEncoder().encode("freehold")]);
  for (const [i, shard] of small.shards.entries()) {
    mustShow(`shard ${i} of the small slab`, toHex(shard));
    mustShow(`root ${i} of the small slab`, toHex(small.slab.roots[i]!));
  }
  const plaintext = Uint8Array.from({ length: 1_000_000 }, (_, i) => i % 251);
  const large = await codec.encodeWhole({ needed: 4, total: 12 }, [plaintext]);
  mustShow("the shard length of the large slab", `${large.slab.shardLength} bytes`);
  mustShow("the first root of the large slab", toHex(large.slab.roots[0]!));
  mustShow("the last root of the large slab", toHex(large.slab.roots[11]!));
  mustShow("the hash of all roots", toHex(sha256(concatBytes(...large.slab.roots))));
});

test("audited leaves and head records are those of the page", () => {
  const leaves = auditLeaves(new Uint8Array(32).fill(1), new Uint8Array(32).fill(2), 4_194_304, 8);
  mustShow("the audited leaves", leaves.join(", "));
  const filled = (byte: number, length = 32) => new Uint8Array(length).fill(byte);
  const answer = { leaves: [filled(7, 5), filled(8, 16_384)], proof: filled(9, 64) };
  mustShow("the evidence of an audit", toHex(auditEvidence(filled(2), filled(1), answer)));
  const key = signingKeyFrom(new Uint8Array(32).fill(3));
  const record = {
    headKey: key.publicKey,
    device: new Uint8Array(16).fill(4),
    sequence: 5,
    body: Uint8Array.of(6),
  };
  mustShow("the head record", toHex(encodeHeadRecord(record, key)));
});
