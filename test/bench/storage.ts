import { hash } from "node:crypto";
import { availableParallelism } from "node:os";
import { seal } from "#base/crypto/aead.ts";
import { leafHashes } from "#base/crypto/merkle-tree.ts";
import { SeededRandom, secureRandom } from "#base/lib/random.ts";
import { conversionRows, parityRows } from "#sharing/storage/codec/erasure-matrix.ts";
import type { Matrix } from "#sharing/storage/codec/gf256.ts";
import { newRowProduct, type RowProduct } from "#sharing/storage/codec/row-product.ts";
import {
  CELL_BYTES,
  CELL_PLAINTEXT,
  LEAF_BYTES,
  type Scheme,
  SlabGeometry,
  slabCapacity,
} from "#sharing/storage/codec/scheme.ts";
import { SlabCodec } from "#sharing/storage/codec/slab-codec.ts";

export const name = "storage: MB/s of the codec on one core (CPU time), beside node:crypto in the same run";

const ROUNDS = 7;
const SCHEMES: readonly (readonly [Scheme, aim: number])[] = [
  [{ needed: 10, total: 30 }, 180],
  [{ needed: 20, total: 40 }, 220],
  [{ needed: 4, total: 12 }, 200],
];

interface Action {
  /** Bytes that one run takes in. */
  readonly bytes: number;
  run(): void | Promise<void>;
}

/** MB/s by CPU time: the median of rounds in which all actions take turns, after one to warm up. */
async function measure(actions: Readonly<Record<string, Action>>): Promise<Map<string, number>> {
  const speeds = new Map(Object.keys(actions).map((key) => [key, [] as number[]]));
  for (const { run } of Object.values(actions)) await run();
  for (let round = 0; round < ROUNDS; round++) {
    for (const [key, { bytes, run }] of Object.entries(actions)) {
      const start = process.cpuUsage();
      await run();
      const { user, system } = process.cpuUsage(start);
      speeds.get(key)!.push(bytes / (user + system));
    }
  }
  return new Map([...speeds].map(([key, values]) => [key, values.sort((a, b) => a - b)[ROUNDS >> 1]!]));
}

function print(title: string, speeds: ReadonlyMap<string, number>, aims: ReadonlyMap<string, number>): void {
  console.log(`\n${title}`);
  for (const [key, speed] of speeds) {
    const aim = aims.has(key) ? `  (aim ${aims.get(key)})` : "";
    console.log(`  ${key.padEnd(52)} ${speed.toFixed(0).padStart(6)} MB/s${aim}`);
  }
}

const random = new SeededRandom(1);

function primitives(): Record<string, Action> {
  const cell = random.fill(new Uint8Array(CELL_PLAINTEXT));
  const shard = random.fill(new Uint8Array(64 * CELL_BYTES));
  const key = random.fill(new Uint8Array(32));
  const nonce = new Uint8Array(12);
  return {
    "node:crypto SHA-256, 16 KiB messages": {
      bytes: shard.length,
      run() {
        for (let at = 0; at < shard.length; at += LEAF_BYTES) {
          hash("sha256", shard.subarray(at, at + LEAF_BYTES), "binary");
        }
      },
    },
    "Merkle leaves of 16 KiB": { bytes: shard.length, run: () => void leafHashes(shard, LEAF_BYTES) },
    "node:crypto ChaCha20-Poly1305, 64 KiB cells": {
      bytes: 64 * CELL_PLAINTEXT,
      run() {
        for (let i = 0; i < 64; i++) seal(key, nonce, cell);
      },
    },
  };
}

function products(scheme: Scheme): Record<string, Action> {
  const { needed, total } = scheme;
  const title = `${needed}/${total}`;
  const actions: Record<string, Action> = {};
  const add = (what: string, product: RowProduct, matrix: Matrix, times: number): void => {
    for (const row of product.begin(matrix, CELL_BYTES)) random.fill(row);
    actions[what] = {
      bytes: times * needed * CELL_BYTES,
      run() {
        for (let i = 0; i < times; i++) {
          product.begin(matrix, CELL_BYTES);
          product.multiply();
        }
      },
    };
  };
  const parity = parityRows(scheme);
  add(`${title} Reed–Solomon encode, relaxed swizzle`, newRowProduct("relaxed"), parity, 16);
  add(`${title} Reed–Solomon encode, plain swizzle`, newRowProduct("plain"), parity, 16);
  add(`${title} Reed–Solomon encode, portable`, newRowProduct("portable"), parity, 1);
  const most = Math.min(needed, total - needed);
  const lost = Array.from({ length: most }, (_, i) => i);
  const kept = Array.from({ length: needed }, (_, i) => most + i);
  add(`${title} Reed–Solomon decode, ${most} lost`, newRowProduct(), conversionRows(scheme, kept, lost), 16);
  add(`${title} Reed–Solomon, one shard remade`, newRowProduct(), conversionRows(scheme, kept, [0]), 16);
  return actions;
}

/** Whole slabs on the calling thread: encoding, and reading back with as much lost as may be. */
async function pipeline(scheme: Scheme): Promise<Record<string, Action>> {
  const codec = new SlabCodec({ random: secureRandom, workers: 0 });
  const title = `${scheme.needed}/${scheme.total}`;
  const plaintext = random.fill(new Uint8Array(Math.floor(slabCapacity(scheme) / 4)));
  const { slab, shards } = await codec.encodeWhole(scheme, [plaintext]);
  const geometry = new SlabGeometry(scheme, slab.length);
  const read = async (from: number): Promise<void> => {
    for (const span of geometry.spans(0, slab.length)) {
      const at = span.stripe * CELL_BYTES;
      const cells = new Map<number, Uint8Array>();
      for (let shard = from; shard < from + scheme.needed; shard++) {
        cells.set(shard, shards[shard]!.subarray(at, at + geometry.cellLength(span.stripe)));
      }
      if ((await codec.decode(slab, span, cells)) === undefined) throw new Error("not opened");
    }
  };
  return {
    [`${title} encode`]: {
      bytes: plaintext.length,
      run: async () => void (await codec.encode(scheme, [plaintext], () => {})),
    },
    [`${title} decode from the data shards`]: { bytes: plaintext.length, run: () => read(0) },
    [`${title} decode from the last shards`]: {
      bytes: plaintext.length,
      run: () => read(scheme.total - scheme.needed),
    },
  };
}

/** MB/s by the clock, on threads as many as there are cores. */
async function onThreads(scheme: Scheme): Promise<number> {
  const workers = availableParallelism();
  const codec = new SlabCodec({ random: secureRandom, workers });
  const plaintext = random.fill(new Uint8Array(slabCapacity(scheme)));
  const speeds: number[] = [];
  for (let round = 0; round < 3; round++) {
    const start = performance.now();
    await codec.encode(scheme, [plaintext], () => {});
    speeds.push(plaintext.length / (1_000 * (performance.now() - start)));
  }
  await codec.close();
  return Math.max(...speeds);
}

/** Prints the tables. */
export async function run(): Promise<void> {
  console.log(`Reed–Solomon by the ${newRowProduct().name} kernel; megabytes of 10^6 bytes of plaintext`);
  const aims = new Map<string, number>();
  const whole: Record<string, Action> = primitives();
  for (const [scheme, aim] of SCHEMES) {
    Object.assign(whole, await pipeline(scheme));
    aims.set(`${scheme.needed}/${scheme.total} encode`, aim);
  }
  print("Whole codec (AEAD, Reed–Solomon, Merkle trees), and what it stands on", await measure(whole), aims);
  const threads = new Map<string, number>();
  for (const [scheme] of SCHEMES) {
    threads.set(`${scheme.needed}/${scheme.total} encode`, await onThreads(scheme));
  }
  print(`Whole slabs on ${availableParallelism()} threads, by the clock, the best of 3`, threads, new Map());
  for (const [scheme] of SCHEMES) {
    print(`Reed–Solomon alone, ${scheme.needed} of ${scheme.total}`, await measure(products(scheme)), aims);
  }
}
