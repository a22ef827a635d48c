import { leafHashes, MerkleTree } from "#base/crypto/merkle-tree.ts";
import { systemClock } from "#base/lib/clock.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import { Signal } from "#base/lib/events.ts";
import { silentLogger } from "#base/lib/logger.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { FaultWorld } from "#base/store/fault-world.ts";
import { decodeCbor, encodeCbor } from "#sharing/mesh/cbor.ts";
import { signingKeyFrom } from "#sharing/mesh/identity.ts";
import type { Mesh, RequestContext } from "#sharing/mesh/mesh.ts";
import type { Outcome } from "#sharing/mesh/protocol.ts";
import { LEAF_BYTES } from "#sharing/storage/codec/scheme.ts";
import { proveCells, verifyAudit, verifyCells } from "#sharing/storage/codec/shard-proof.ts";
import { decodeHeadRecord, encodeHeadRecord } from "#sharing/storage/head-record.ts";
import { StorageHost } from "#sharing/storage/host/storage-host.ts";
import { OpenDeals } from "#sharing/storage/host/test-host.ts";
import { storageProtocol } from "#sharing/storage/messages.ts";
import type { FuzzTarget } from "./fuzz.ts";

const { methods } = storageProtocol;
const NAMES = Object.keys(methods) as (keyof typeof methods)[];
const LIMIT = 300_000;

const PEER = "12D3KooWGzh4k9xVbPMGM8jUQX4YyuTjdvyGsrnAwdPBYcK2FrbV";

const random = new SeededRandom(1);
const shard = random.fill(new Uint8Array(20_000));
const tree = new MerkleTree(leafHashes(shard, LEAF_BYTES));
const { root } = tree;
const upload = new Uint8Array(16).fill(1);
const key = signingKeyFrom(new Uint8Array(32).fill(2));
const headKey = key.publicKey;
const record = encodeHeadRecord({ headKey, device: upload, sequence: 1, body: new Uint8Array(9) }, key);
const proof = proveCells(tree, shard.length, 0, 1);

type Handler = (request: unknown, from: RequestContext) => Promise<Outcome<unknown>>;

const from: RequestContext = {
  peer: PEER,
  account: "ab".repeat(32),
  standing: "friend",
  ip: undefined,
  signal: new AbortController().signal,
};

/** A host whose handlers are called without a network between. */
function openHost(): Promise<{ host: StorageHost; handlers: Record<string, Handler> }> {
  let handlers: Record<string, Handler> = {};
  const mesh: Partial<Mesh> = {
    changed: new Signal(),
    peers: () => [],
    view: () => undefined,
    offer() {},
    misbehaved() {},
    serve(_, given) {
      handlers = given as unknown as Record<string, Handler>;
    },
  };
  const host = new StorageHost({
    mesh: mesh as Mesh,
    deals: new OpenDeals(),
    disk: new FaultWorld(),
    folder: "/host",
    clock: systemClock,
    random: new SeededRandom(1),
    log: silentLogger,
    limitBytes: LIMIT,
    spareBytes: 0,
  });
  return host.start().then(() => ({ host, handlers }));
}

let opened: ReturnType<typeof openHost> | undefined;

const requests: Readonly<Record<keyof typeof methods, unknown>> = {
  begin: { upload, length: shard.length },
  put: { upload, first: 0, bytes: shard },
  finish: { upload, root },
  abandon: { upload },
  read: { root, first: 0, count: 1 },
  audit: { root, challenge: root, leaves: 2 },
  drop: { roots: [root] },
  list: { after: root, limit: 3, lostOnly: false },
  quota: {},
  "put-head": { record },
  "get-heads": { headKey },
  "announce-heads": { first: true, headKeys: [headKey] },
  "find-heads": { headKey },
};
const replies: readonly unknown[] = [
  { have: Uint8Array.of(1) },
  { length: 5, stored: 6 },
  { bytes: shard, proof },
  { leaves: [shard.subarray(0, LEAF_BYTES), shard.subarray(LEAF_BYTES)], proof: new Uint8Array(0) },
  { shards: [{ root, length: 5, state: "stored" }], more: false },
  { usedBytes: 1, freeBytes: 2, shards: 3, lost: 0, trouble: "full" },
  { records: [record] },
  {
    holders: [{ peer: PEER, addresses: ["/ip4/1.2.3.4"] }],
  },
];

function tagged(tag: number, bytes: Uint8Array): Uint8Array {
  const whole = new Uint8Array(1 + bytes.length);
  whole[0] = tag;
  whole.set(bytes, 1);
  return whole;
}

/** What a host does with a request that fits: it answers, and its limit holds. */
async function serve(name: keyof typeof methods, message: unknown): Promise<boolean> {
  const spec = methods[name];
  const parsed = spec.request.safeParse(message);
  if (!parsed.success) return false;
  opened ??= openHost();
  const { host, handlers } = await opened;
  const outcome = await handlers[name]!(parsed.data, from);
  if (outcome.ok && !spec.reply.safeParse(outcome.value).success)
    throw new Error(`${name}: a reply of ours is wrong`);
  if (host.status().usedBytes > LIMIT) throw new Error(`${name}: over the limit`);
  return true;
}

/** What a renter does with a reply that fits: proofs hold or do not. */
function receive(message: unknown): boolean {
  let fits = false;
  for (const { reply } of Object.values(methods)) {
    const parsed = reply.safeParse(message);
    if (!parsed.success) continue;
    fits = true;
    const known = { root, length: shard.length };
    const data: object = parsed.data;
    if ("bytes" in data) {
      const { bytes, proof: given } = data as { bytes: Uint8Array; proof: Uint8Array };
      const holds = verifyCells(known, { first: 0, count: 1 }, bytes, given);
      if (holds && Buffer.compare(bytes, shard) !== 0) throw new Error("a proof of other bytes holds");
    }
    if ("leaves" in data) verifyAudit(known, root, 2, data as { leaves: Uint8Array[]; proof: Uint8Array });
  }
  return fits;
}

/** Input: a byte that names a method (its request follows), a reply, or a bare head record. */
export const target: FuzzTarget = {
  name: "storage",
  seeds: [
    ...NAMES.map((name, i) => tagged(i, encodeCbor(requests[name]))),
    ...replies.map((reply) => tagged(NAMES.length, encodeCbor(reply))),
    tagged(NAMES.length + 1, record),
  ],
  async run(input) {
    const kind = (input[0] ?? 0) % (NAMES.length + 2);
    const body = input.subarray(1);
    if (kind === NAMES.length + 1) {
      decodeHeadRecord(body);
      return;
    }
    const message = decodeCbor(body);
    const fits = kind < NAMES.length ? await serve(NAMES[kind]!, message) : receive(message);
    if (!fits) throw new DecodeError("no message of the protocol");
  },
};
