/**
 * The mesh's bulk speed between two processes over loopback: requests and replies with one large byte string each, a
 * few under way at a time, as storage moves cells and shards; and the round trip of a small request.
 */
import { fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { systemClock } from "#base/lib/clock.ts";
import { silentLogger } from "#base/lib/logger.ts";
import { secureRandom } from "#base/lib/random.ts";
import { nodeDisk } from "#base/store/node-disk.ts";
import { Libp2pMesh } from "#sharing/mesh/libp2p-mesh.ts";
import { accept, method, protocol } from "#sharing/mesh/protocol.ts";
import { bytesUpTo, integer } from "#sharing/mesh/schema.ts";

const MIB = 1024 * 1024;
const limits = { requestLimit: MIB + 128, replyLimit: MIB + 128 };
const BULK = protocol({
  name: "bench",
  major: 1,
  methods: {
    put: method({ ...limits, request: z.strictObject({ data: bytesUpTo(MIB) }), reply: z.strictObject({}) }),
    get: method({
      ...limits,
      request: z.strictObject({ length: integer(0, MIB) }),
      reply: z.strictObject({ data: bytesUpTo(MIB) }),
    }),
  },
});

async function openMesh(folder: string): Promise<Libp2pMesh> {
  return Libp2pMesh.open(
    {
      directory: folder,
      accountSecret: secureRandom.fill(new Uint8Array(32)),
      name: "bench",
      listen: ["/ip4/127.0.0.1/tcp/0"],
    },
    { files: nodeDisk.files, clock: systemClock, random: secureRandom, logger: silentLogger },
  );
}

/** The other process: serves, and says where. */
async function serveBench(folder: string): Promise<void> {
  const mesh = await openMesh(folder);
  const data = new Uint8Array(MIB).fill(1);
  mesh.serve(BULK, {
    put: async () => accept({}),
    get: async ({ length }) => accept({ data: data.subarray(0, length) }),
  });
  process.on("disconnect", () => process.exit());
  process.send?.((await mesh.createInvitation({ uses: 1, seconds: 600 })).link);
}

async function measure(folder: string, link: string): Promise<void> {
  const mesh = await openMesh(folder);
  const joined = await mesh.acceptInvitation(link);
  if (!joined.ok) throw new Error(joined.refusal.text);
  const { peer } = joined.value;
  for (const size of [64 * 1024, 256 * 1024, MIB]) {
    const data = new Uint8Array(size).fill(2);
    const count = (128 * MIB) / size;
    const up = await speed(
      count,
      size,
      async () => (await mesh.call(peer, BULK, BULK.methods.put, { data })).ok,
    );
    const down = await speed(
      count,
      size,
      async () => (await mesh.call(peer, BULK, BULK.methods.get, { length: size })).ok,
    );
    console.log(`${String(size / 1024).padStart(5)} KiB   up ${up} MB/s   down ${down} MB/s`);
  }
  const times: number[] = [];
  for (let i = 0; i < 500; i++) {
    const began = performance.now();
    await mesh.call(peer, BULK, BULK.methods.get, { length: 1 });
    times.push(performance.now() - began);
  }
  times.sort((a, b) => a - b);
  console.log(`small request   p50 ${times[250]!.toFixed(2)} ms   p99 ${times[495]!.toFixed(2)} ms`);
  await mesh.close();
}

/** MB/s of `count` requests, 16 under way at a time. */
async function speed(count: number, size: number, ask: () => Promise<boolean>): Promise<string> {
  let left = count;
  const began = performance.now();
  await Promise.all(
    Array.from({ length: 16 }, async () => {
      while (left-- > 0) if (!(await ask())) throw new Error("a request failed");
    }),
  );
  return ((count * size) / 1000 / (performance.now() - began)).toFixed(0);
}

const folder = process.argv[2] === "serve" ? process.argv[3] : undefined;
if (folder !== undefined) await serveBench(folder);

export const name = "the mesh between two processes over loopback: bulk both ways, and a small request";

export async function run(): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), "freehold-bench-mesh-"));
  const child = fork(fileURLToPath(import.meta.url), ["serve", join(root, "a")]);
  try {
    const link = await new Promise<string>((resolve) =>
      child.once("message", (text) => resolve(String(text))),
    );
    await measure(join(root, "b"), link);
  } finally {
    child.kill();
    rmSync(root, { recursive: true, force: true });
  }
}
