/** A circle of hosts in memory, and owners of files among them, for the tests of files and renter. */
import { sha256 } from "#base/crypto/sha256.ts";
import { toHex } from "#base/lib/bytes.ts";
import { type Clock, systemClock } from "#base/lib/clock.ts";
import { type Logger, silentLogger } from "#base/lib/logger.ts";
import { SeededRandom } from "#base/lib/random.ts";
import type { Disk } from "#base/store/disk.ts";
import { FaultWorld } from "#base/store/fault-world.ts";
import type { Deal, Deals, KeptReceipt, Step, Terms } from "#sharing/deals/deal.ts";
import { type MemoryMesh, MemoryNetwork, type MemoryPeerOptions } from "#sharing/mesh/memory-mesh.ts";
import type { PeerId } from "#sharing/mesh/mesh.ts";
import { accept, type Outcome } from "#sharing/mesh/protocol.ts";
import { SlabCodec } from "../codec/slab-codec.ts";
import { StorageHost } from "../host/storage-host.ts";
import type { RenterPolicy } from "../renter/policy.ts";
import { Files } from "./files.ts";

/** Deals that stand with everyone, on the rail `free`; what was settled is kept for looking at. */
export class FriendlyDeals implements Deals {
  readonly settled: { readonly seller: PeerId; readonly step: Step }[] = [];
  readonly #self: PeerId;
  readonly #sold = new Map<PeerId, Deal>();

  constructor(self: PeerId) {
    this.#self = self;
  }

  async open(seller: PeerId): Promise<Outcome<Deal>> {
    return accept(this.#deal(seller, "buyer"));
  }

  require(buyer: PeerId): Outcome<Deal> {
    const deal = this.#deal(buyer, "seller");
    this.#sold.set(buyer, deal);
    return accept(deal);
  }

  async settle(deal: Deal, step: Step): Promise<Outcome<KeptReceipt>> {
    this.settled.push({ seller: deal.terms.seller, step });
    const receipt = { ...step, deal: deal.id, sequence: this.settled.length, amountMsat: 0, time: 0 };
    const kept = { role: "buyer", peer: deal.terms.seller, service: "storage" } as const;
    return accept({ ...receipt, ...kept, sellerSignature: new Uint8Array(64) });
  }

  async close(): Promise<void> {}

  list(): readonly Deal[] {
    return [...this.#sold.values()];
  }

  async receipts(): Promise<readonly KeptReceipt[]> {
    return [];
  }

  async totals() {
    return [];
  }

  #deal(other: PeerId, role: "buyer" | "seller"): Deal {
    const [buyer, seller] = role === "buyer" ? [this.#self, other] : [other, this.#self];
    const terms: Terms = {
      ...({ service: "storage", rail: "free", prices: {} } as const),
      ...{ buyer, seller, buyerAccount: "", sellerAccount: "" },
      ...{ credit: 0, from: 0, until: 2 ** 40, nonce: new Uint8Array(16) },
    };
    return { id: toHex(sha256(new TextEncoder().encode(buyer + seller))), role, state: "open", terms };
  }
}

export interface CircleHost {
  readonly mesh: MemoryMesh;
  readonly host: StorageHost;
  readonly disk: FaultWorld;
  readonly index: number;
}

export interface Owner {
  readonly mesh: MemoryMesh;
  readonly deals: FriendlyDeals;
  readonly disk: Disk;
  readonly files: Files;
}

export interface CircleOptions {
  readonly seed?: number;
  readonly clock?: Clock;
  readonly hosts: number;
  readonly policy?: Partial<RenterPolicy>;
  readonly hostOptions?: (index: number) => MemoryPeerOptions;
  readonly limitBytes?: number;
  readonly limitBytesPerAccount?: number;
  readonly log?: Logger;
}

/** Seed of what the owner's words give. */
const ACCOUNT = new Uint8Array(32).fill(7);
const FILES_KEY = new Uint8Array(32).fill(9);

export class Circle {
  readonly network: MemoryNetwork;
  readonly random: SeededRandom;
  readonly clock: Clock;
  readonly hosts: CircleHost[] = [];
  readonly codec: SlabCodec;
  readonly #options: CircleOptions;
  readonly #owners: Files[] = [];

  private constructor(options: CircleOptions) {
    this.#options = options;
    this.clock = options.clock ?? systemClock;
    this.random = new SeededRandom(options.seed ?? 1);
    this.network = new MemoryNetwork({ clock: this.clock, seed: options.seed ?? 1 });
    this.codec = new SlabCodec({ random: this.random, workers: 0 });
  }

  static async start(options: CircleOptions): Promise<Circle> {
    const circle = new Circle(options);
    for (let i = 0; i < options.hosts; i++) await circle.addHost();
    return circle;
  }

  async addHost(options: MemoryPeerOptions = {}): Promise<CircleHost> {
    const index = this.hosts.length;
    const mesh = this.network.join({
      name: `host ${index}`,
      ...this.#options.hostOptions?.(index),
      ...options,
    });
    const disk = new FaultWorld();
    const host = new StorageHost({
      ...{ mesh, disk, clock: this.clock, random: this.random, log: silentLogger, folder: "/host" },
      deals: new FriendlyDeals(mesh.self),
      limitBytes: this.#options.limitBytes ?? 256 << 20,
      ...(this.#options.limitBytesPerAccount === undefined
        ? {}
        : { limitBytesPerAccount: this.#options.limitBytesPerAccount }),
      spareBytes: 0,
    });
    await host.start();
    const member = { mesh, host, disk, index };
    this.hosts.push(member);
    return member;
  }

  /** A machine under the owner's words: another device each time, unless its disk and secret are given. */
  async owner(
    options: {
      readonly disk?: Disk;
      readonly peer?: MemoryPeerOptions;
      readonly policy?: Partial<RenterPolicy>;
      readonly filesKey?: Uint8Array;
    } = {},
  ): Promise<Owner> {
    const mesh = this.network.join({ name: "owner", accountSecret: ACCOUNT, ...options.peer });
    const deals = new FriendlyDeals(mesh.self);
    const disk = options.disk ?? new FaultWorld();
    const files = new Files({
      ...{
        mesh,
        deals,
        disk,
        clock: this.clock,
        random: this.random,
        log: this.#options.log ?? silentLogger,
      },
      folder: "/files",
      filesKey: options.filesKey ?? FILES_KEY,
      policy: { ...this.#options.policy, ...options.policy },
      codec: this.codec,
      workers: 0,
    });
    await files.start();
    this.#owners.push(files);
    return { mesh, deals, disk, files };
  }

  kill(...indices: readonly number[]): void {
    for (const index of indices) this.network.kill(this.hosts[index]!.mesh.self);
  }

  revive(...indices: readonly number[]): void {
    for (const index of indices) this.network.setOnline(this.hosts[index]!.mesh.self, true);
  }

  indexOf(peer: PeerId): number {
    return this.hosts.findIndex(({ mesh }) => mesh.self === peer);
  }

  async stop(): Promise<void> {
    for (const files of this.#owners) await files.stop();
    for (const { host } of this.hosts) await host.stop();
    await this.codec.close();
  }
}

/** Bytes as a body in chunks of an uneven size. */
export async function* bodyOf(bytes: Uint8Array, chunk = 50_021): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += chunk) yield bytes.subarray(at, at + chunk);
}

export async function readAll(body: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return new Uint8Array(Buffer.concat(chunks));
}
