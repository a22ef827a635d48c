/** A host and renters in memory, for the tests of this folder. */
import { leafHashes, MerkleTree } from "#base/crypto/merkle-tree.ts";
import type { Clock } from "#base/lib/clock.ts";
import { silentLogger } from "#base/lib/logger.ts";
import { SeededRandom } from "#base/lib/random.ts";
import type { Disk } from "#base/store/disk.ts";
import type { Deal, Deals } from "#sharing/deals/deal.ts";
import { type MemoryMesh, MemoryNetwork } from "#sharing/mesh/memory-mesh.ts";
import type { Mesh, PeerId } from "#sharing/mesh/mesh.ts";
import { accept, type MethodSpec, type Outcome, refuse } from "#sharing/mesh/protocol.ts";
import { CELL_BYTES, cellCountOf, LEAF_BYTES } from "../codec/scheme.ts";
import { cellsLength } from "../codec/shard-proof.ts";
import { storageProtocol } from "../messages.ts";
import { StorageHost, type StorageHostOptions } from "./storage-host.ts";

const { methods } = storageProtocol;

/** Terms with everyone but those who are left out; on the list are those that were agreed on by name. */
export class OpenDeals implements Pick<Deals, "require" | "list"> {
  readonly without = new Set<PeerId>();
  readonly #agreed: Deal[] = [];

  /** Terms of an account until a time, milliseconds since 1970. */
  agree(buyerAccount: string, until: number): void {
    const terms = { service: "storage", buyerAccount, until: until / 1000 };
    this.#agreed.push({ id: "01", role: "seller", state: "open", terms } as unknown as Deal);
  }

  list(): readonly Deal[] {
    return this.#agreed;
  }

  require(buyer: PeerId): Outcome<Deal> {
    if (this.without.has(buyer)) return refuse("no-terms", "no open terms");
    return accept({ id: "00", role: "seller", state: "open", terms: {} } as unknown as Deal);
  }
}

/** A shard of random bytes. */
export interface TestShard {
  readonly bytes: Uint8Array;
  readonly root: Uint8Array;
  readonly length: number;
  readonly upload: Uint8Array;
}

export function makeShard(random: SeededRandom, length: number): TestShard {
  const bytes = random.fill(new Uint8Array(length));
  const { root } = new MerkleTree(leafHashes(bytes, LEAF_BYTES));
  return { bytes, root, length, upload: random.fill(new Uint8Array(16)) };
}

/** Requests of one renter to one host. */
export class TestRenter {
  readonly mesh: Mesh;
  readonly host: PeerId;

  constructor(mesh: Mesh, host: PeerId) {
    this.mesh = mesh;
    this.host = host;
  }

  call<Q, A>(method: MethodSpec<Q, A>, request: Q): Promise<Outcome<A>> {
    return this.mesh.call(this.host, storageProtocol, method, request);
  }

  begin(shard: TestShard): Promise<Outcome<{ readonly have: Uint8Array }>> {
    return this.call(methods.begin, { upload: shard.upload, length: shard.length });
  }

  put(shard: TestShard, first: number, count = 1): Promise<Outcome<Record<string, never>>> {
    const from = first * CELL_BYTES;
    const bytes = shard.bytes.subarray(from, from + cellsLength(shard.length, first, count));
    return this.call(methods.put, { upload: shard.upload, first, bytes });
  }

  finish(shard: TestShard): Promise<Outcome<{ readonly length: number; readonly stored: number }>> {
    return this.call(methods.finish, { upload: shard.upload, root: shard.root });
  }

  /** The whole upload. @returns the last answer, or the first refusal. */
  async store(shard: TestShard): Promise<Outcome<unknown>> {
    const begun = await this.begin(shard);
    if (!begun.ok) return begun;
    for (let cell = 0; cell < cellCountOf(shard.length); cell++) {
      const put = await this.put(shard, cell);
      if (!put.ok) return put;
    }
    return this.finish(shard);
  }

  read(shard: TestShard, first: number, count: number) {
    return this.call(methods.read, { root: shard.root, first, count });
  }
}

export interface TestWorldOptions {
  readonly disk: Disk;
  readonly clock?: Clock;
  /** Of a network that is there; else one is made. */
  readonly mesh?: MemoryMesh;
  readonly host?: Partial<StorageHostOptions>;
}

/** One host, started, and a network to join. */
export async function startHost(options: TestWorldOptions) {
  const network = new MemoryNetwork(options.clock === undefined ? {} : { clock: options.clock });
  const mesh = options.mesh ?? network.join({ name: "host" });
  const deals = new OpenDeals();
  const host = new StorageHost({
    mesh,
    deals,
    disk: options.disk,
    folder: "/host",
    clock: network.clock,
    random: new SeededRandom(99),
    log: silentLogger,
    limitBytes: 64 * 1024 * 1024,
    spareBytes: 0,
    ...options.host,
  });
  await host.start();
  const renter = (join?: Parameters<MemoryNetwork["join"]>[0]) =>
    new TestRenter(network.join(join), mesh.self);
  return { network, mesh, deals, host, renter };
}
