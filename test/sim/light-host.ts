import { leafHashes, MerkleTree } from "#base/crypto/merkle-tree.ts";
import { equalBytes, toHex } from "#base/lib/bytes.ts";
import { encodeCbor } from "#sharing/mesh/cbor.ts";
import type { Mesh } from "#sharing/mesh/mesh.ts";
import { accept, refuse } from "#sharing/mesh/protocol.ts";
import { CELL_BYTES, cellCountOf, LEAF_BYTES } from "#sharing/storage/codec/scheme.ts";
import { auditLeaves, cellsLength, leafLength, proveCells } from "#sharing/storage/codec/shard-proof.ts";
import { decodeHeadRecord } from "#sharing/storage/head-record.ts";
import { storageProtocol } from "#sharing/storage/messages.ts";

/** A shard under way or stored. */
interface Held {
  readonly bytes: Uint8Array;
  have: bigint;
}

/**
 * A host that keeps shards in memory and tells the truth, without disk, scrub or quota: a thousand of them fit one
 * process. What real hosts do beyond it is tested beside them.
 */
export class LightHost {
  readonly mesh: Mesh;
  readonly shards = new Map<string, Uint8Array>();
  readonly #uploads = new Map<string, Held>();
  readonly #heads = new Map<string, { sequence: number; record: Uint8Array }>();
  /** Requests served, by method. */
  readonly served = { audit: 0, read: 0, finish: 0, drop: 0 };

  constructor(mesh: Mesh) {
    this.mesh = mesh;
    mesh.offer("storage", encodeCbor({ free: 2 ** 40 }));
    mesh.serve(storageProtocol, {
      begin: async ({ upload, length }) => {
        const id = toHex(upload);
        if (!this.#uploads.has(id)) this.#uploads.set(id, { bytes: new Uint8Array(length), have: 0n });
        return accept({ have: new Uint8Array(8) });
      },
      put: async ({ upload, first, bytes }) => {
        const held = this.#uploads.get(toHex(upload));
        if (held === undefined) return refuse("not-found", "no such upload");
        held.bytes.set(bytes, first * CELL_BYTES);
        for (let i = 0; i < cellCountOf(bytes.length); i++) held.have |= 1n << BigInt(first + i);
        return accept({});
      },
      finish: async ({ upload, root }) => {
        const held = this.#uploads.get(toHex(upload));
        if (held === undefined) return refuse("not-found", "no such upload");
        const isWhole = held.have === (1n << BigInt(cellCountOf(held.bytes.length))) - 1n;
        if (!isWhole || !equalBytes(this.#tree(held.bytes).root, root))
          return refuse("conflict", "another root");
        this.#uploads.delete(toHex(upload));
        this.shards.set(toHex(root), held.bytes);
        this.served.finish++;
        return accept({ length: held.bytes.length, stored: 0 });
      },
      abandon: async ({ upload }) => {
        this.#uploads.delete(toHex(upload));
        return accept({});
      },
      read: async ({ root, first, count }) => {
        const shard = this.shards.get(toHex(root));
        if (shard === undefined) return refuse("not-found", "no such shard");
        const from = first * CELL_BYTES;
        const bytes = shard.slice(from, from + cellsLength(shard.length, first, count));
        this.served.read++;
        return accept({ bytes, proof: proveCells(this.#tree(shard), shard.length, first, count) });
      },
      audit: async ({ root, challenge, leaves }) => {
        const shard = this.shards.get(toHex(root));
        if (shard === undefined) return refuse("not-found", "no such shard");
        const indices = auditLeaves(challenge, root, shard.length, leaves);
        this.served.audit++;
        return accept({
          leaves: indices.map((i) =>
            shard.slice(i * LEAF_BYTES, i * LEAF_BYTES + leafLength(shard.length, i)),
          ),
          proof: this.#tree(shard).multiProof(indices),
        });
      },
      drop: async ({ roots }) => {
        const dropped = roots.filter((root) => this.shards.delete(toHex(root))).length;
        this.served.drop += dropped;
        return accept({ dropped });
      },
      list: async () => accept({ shards: [], more: false }),
      quota: async () => accept({ usedBytes: 0, freeBytes: 2 ** 40, shards: this.shards.size, lost: 0 }),
      "put-head": async ({ record }) => {
        const { device, sequence } = decodeHeadRecord(record);
        const kept = this.#heads.get(toHex(device));
        if (kept === undefined || kept.sequence < sequence)
          this.#heads.set(toHex(device), { sequence, record });
        return accept({ sequence: Math.max(sequence, kept?.sequence ?? 0) });
      },
      "get-heads": async () => accept({ records: [...this.#heads.values()].map(({ record }) => record) }),
      "announce-heads": async () => accept({}),
      "find-heads": async () => accept({ holders: [] }),
    });
  }

  #tree(bytes: Uint8Array): MerkleTree {
    return new MerkleTree(leafHashes(bytes, LEAF_BYTES));
  }

  get bytes(): number {
    let sum = 0;
    for (const shard of this.shards.values()) sum += shard.length;
    return sum;
  }
}
