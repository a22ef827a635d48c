/** The form of what `SharingControl` takes and gives, held to on both ends of the link. */
import { z } from "zod";
import {
  type ControlResult,
  type FilesStatus,
  type HostStatus,
  type JobQuery,
  type JobView,
  MOST_JOBS,
  PRESIGNED_METHODS,
  PRESIGNED_PARAMETERS,
  type ProviderStatus,
  type RenderRequest,
  type RunRequest,
  type SharingControl,
  type SharingEvent,
  type SharingStatus,
  type TaskView,
} from "#doors/api/sharing-control.ts";
import type { KeptReceipt, ReceiptQuery } from "#sharing/deals/deal.ts";
import type { PeerView } from "#sharing/mesh/mesh.ts";
import type { SlabHealth } from "#sharing/storage/file-store.ts";

const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const figure = z.number().min(0);
const text = z.string().max(2000);
const name = z.string().max(256);
const path = z.string().min(1).max(4096);
const key = z.string().max(1024);
const peer = z.string().max(128);
const bytes = z.instanceof(Uint8Array);
/** It goes into headers and into links of the page: nothing but a door of this machine. */
const door = z.string().regex(/^http:\/\/127\.0\.0\.1:\d{1,5}$/);
const many = 100_000;

/** Fields that are undefined are absent on the link, and back again as undefined. */
const peerView: z.ZodType<PeerView> = z
  .strictObject({
    peer,
    account: name.optional(),
    name,
    standing: z.enum(["friend", "stranger", "banned"]),
    standingReason: text.exactOptional(),
    connected: z.boolean(),
    addresses: z.array(text).max(1000),
    ip: name.optional(),
    latencyMs: figure.optional(),
    bytesSent: count,
    bytesReceived: count,
    offers: z.record(name, bytes),
  })
  .transform(({ account, ip, latencyMs, ...rest }) => ({ ...rest, account, ip, latencyMs }));

const hostStatus: z.ZodType<HostStatus> = z.strictObject({
  on: z.boolean(),
  limitBytes: count,
  limitBytesPerAccount: count.exactOptional(),
  keepDays: count.exactOptional(),
  usedBytes: count,
  shards: count,
  trouble: text.exactOptional(),
});

const providerStatus: z.ZodType<ProviderStatus> = z.strictObject({
  on: z.boolean(),
  running: count,
  done: count,
  refused: count,
  funnel: z.record(name, count),
});

const sharingStatus: z.ZodType<SharingStatus> = z
  .strictObject({
    peer,
    account: name,
    name,
    listening: z.array(text).max(1000),
    s3: door.optional(),
    startedAt: count,
    host: hostStatus,
    provider: providerStatus,
  })
  .transform(({ s3, ...rest }) => ({ ...rest, s3 }));

const hostState = z.enum(["ready", "away", "missing", "dead", "cheat"]);

export const filesStatus: z.ZodType<FilesStatus> = z.strictObject({
  objects: count,
  bytes: count,
  slabs: count,
  shards: z.strictObject({ stored: count, unproven: count, lost: count, repairing: count }),
  hosts: z
    .array(
      z.strictObject({ peer, name, shards: count, proven: z.boolean(), state: hostState.exactOptional() }),
    )
    .max(many),
});

const taskView: z.ZodType<TaskView> = z.strictObject({
  index: count,
  state: z.enum(["waiting", "running", "verifying", "verified", "failed"]),
  provider: peer.exactOptional(),
  providerName: name.exactOptional(),
  tile: z.strictObject({ x: count, y: count, width: count, height: count }).exactOptional(),
  attempts: z.array(z.strictObject({ provider: peer, outcome: text })).max(many),
  milliseconds: figure.exactOptional(),
});

const jobView: z.ZodType<JobView> = z.strictObject({
  id: name,
  kind: z.enum(["render", "wasm", "unknown"]),
  title: text,
  state: z.enum(["waiting", "running", "done", "failed", "cancelled"]),
  created: count,
  finished: count.exactOptional(),
  tasks: z.array(taskView).max(many),
  counts: z.strictObject({ total: count, verified: count }),
  outputs: path.exactOptional(),
  bytes: count.exactOptional(),
  reason: text.exactOptional(),
});

const service = z.enum(["storage", "compute", "relay"]);
const role = z.enum(["buyer", "seller"]);

const keptReceipt: z.ZodType<KeptReceipt> = z.strictObject({
  deal: name,
  sequence: count,
  what: text,
  subject: text,
  unit: z.enum(["gib-epoch", "gib-egress", "task"]),
  milliUnits: count,
  amountMsat: count,
  time: count,
  proof: text,
  role,
  peer,
  service,
  sellerSignature: bytes,
  buyerSignature: bytes.exactOptional(),
});

const slabHealth: z.ZodType<SlabHealth> = z.strictObject({
  slab: name,
  needed: count,
  shards: z
    .array(z.strictObject({ host: peer, state: z.enum(["stored", "unproven", "lost", "repairing"]) }))
    .max(255),
});

const receiptQuery: z.ZodType<ReceiptQuery> = z.strictObject({
  peer: peer.exactOptional(),
  service: service.exactOptional(),
  deal: name.exactOptional(),
  role: role.exactOptional(),
  limit: count.exactOptional(),
});

const renderRequest: z.ZodType<RenderRequest> = z.strictObject({
  scene: path,
  width: count,
  height: count,
  samples: count,
  seed: count.exactOptional(),
  bounces: count.exactOptional(),
});

const runRequest: z.ZodType<RunRequest> = z.strictObject({
  module: path,
  inputs: z.array(path).max(many),
  args: z.array(text).max(1000).exactOptional(),
  seed: count.exactOptional(),
  memoryBytes: count.exactOptional(),
  outputBytes: count.exactOptional(),
  seconds: figure.exactOptional(),
});

export const sharingEvent: z.ZodType<SharingEvent> = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("peer"),
    view: peerView,
    change: name,
    reason: text.exactOptional(),
  }),
  z.strictObject({
    type: z.literal("traffic"),
    edges: z.array(z.strictObject({ peer, sent: count, received: count })).max(many),
  }),
  z.strictObject({ type: z.literal("receipt"), receipt: keptReceipt }),
  z.strictObject({ type: z.literal("object"), bucket: key, key, change: z.enum(["put", "deleted"]) }),
  z.strictObject({
    type: z.literal("slab"),
    slab: name,
    bucket: key.exactOptional(),
    key: key.exactOptional(),
    health: slabHealth,
  }),
  z.strictObject({ type: z.literal("holder"), peer, name, state: hostState, shards: count }),
  z.strictObject({
    type: z.literal("repair"),
    state: z.enum(["begun", "ended"]),
    ...{ slabs: count, repaired: count, waiting: count, unreadable: count },
  }),
  z.strictObject({ type: z.literal("job"), job: jobView }),
  z.strictObject({ type: z.literal("job-removed"), job: name }),
  z.strictObject({ type: z.literal("task"), job: name, task: taskView }),
  z.strictObject({ type: z.literal("cheat"), peer, name, job: name, task: count, reason: text }),
  z.strictObject({ type: z.literal("host"), status: hostStatus }),
  z.strictObject({ type: z.literal("expired"), account: name, shards: count, bytes: count }),
  z.strictObject({ type: z.literal("provider"), status: providerStatus }),
]);

function resultOf<T>(value: z.ZodType<T>): z.ZodType<ControlResult<T>> {
  return z.union([
    z.strictObject({ ok: z.literal(true), value }),
    z.strictObject({ ok: z.literal(false), reason: text }),
  ]);
}

/** A method of the control: what it takes and what it gives. */
export interface ControlSpec {
  readonly request: z.ZodType;
  readonly reply: z.ZodType;
  /** Whether a failure of the link can be told as a verdict. */
  readonly verdict: boolean;
  /** Longest wait for the answer, ms. */
  readonly patience: number;
}

const PATIENCE = 30_000;
/** What waits for other peers, and for the disk. */
const LONG_PATIENCE = 120_000;

function plain(request: z.ZodType, reply: z.ZodType): ControlSpec {
  return { request, reply, verdict: false, patience: PATIENCE };
}

function verdict(request: z.ZodType, value: z.ZodType, patience = PATIENCE): ControlSpec {
  return { request, reply: resultOf(value), verdict: true, patience };
}

const nothing = z.null();
const ofPeer = z.strictObject({ peer });
const ofObject = z.strictObject({ bucket: key, key });
const ofJob = z.strictObject({ id: name });
const jobQuery: z.ZodType<JobQuery> = z.strictObject({
  limit: count.max(MOST_JOBS),
  after: z.strictObject({ created: count, id: name }).exactOptional(),
});

const dealView = z.strictObject({
  id: name,
  service: name,
  role: name,
  peer,
  rail: name,
  state: name,
  until: count,
});

const filesPage = z.strictObject({
  entries: z
    .array(z.strictObject({ key, size: count, modified: figure, versionId: name, etag: name }))
    .max(10_000),
  next: key.exactOptional(),
});

const s3Keys = z.strictObject({ accessKey: name, secretKey: name, endpoint: door, region: name });

/** Every method of the control but `events`. */
export const CONTROL_METHODS: Readonly<Record<Exclude<keyof SharingControl, "events">, ControlSpec>> = {
  status: plain(nothing, sharingStatus),
  invite: verdict(
    z.strictObject({ uses: count, seconds: count }),
    z.strictObject({ link: z.string().max(8192), expires: count }),
  ),
  addPeer: verdict(z.strictObject({ link: z.string().max(8192) }), peerView, LONG_PATIENCE),
  peers: plain(nothing, z.array(peerView).max(many)),
  banPeer: verdict(z.strictObject({ peer, reason: text }), peerView),
  forgetPeer: verdict(ofPeer, nothing),
  removeMember: verdict(ofPeer, peerView),
  deals: plain(nothing, z.array(dealView).max(many)),
  receipts: plain(receiptQuery, z.array(keptReceipt).max(many)),
  startHost: verdict(
    z.strictObject({
      limitBytes: count,
      limitBytesPerAccount: count.exactOptional(),
      keepDays: count.exactOptional(),
    }),
    hostStatus,
    LONG_PATIENCE,
  ),
  stopHost: verdict(nothing, hostStatus, LONG_PATIENCE),
  filesStatus: verdict(nothing, filesStatus),
  listFiles: verdict(z.strictObject({ bucket: key, prefix: key, after: key, limit: count }), filesPage),
  fileHealth: verdict(ofObject, z.array(slabHealth).max(many), LONG_PATIENCE),
  makeBucket: verdict(z.strictObject({ bucket: key }), nothing, LONG_PATIENCE),
  removeBucket: verdict(z.strictObject({ bucket: key, giveUpUploads: z.boolean() }), nothing, LONG_PATIENCE),
  removeFile: verdict(ofObject, nothing, LONG_PATIENCE),
  presign: verdict(
    z.strictObject({
      ...{ method: z.enum(PRESIGNED_METHODS), bucket: key, key, seconds: count },
      query: z.partialRecord(z.enum(PRESIGNED_PARAMETERS), key).exactOptional(),
    }),
    z.strictObject({
      url: z
        .string()
        .max(8192)
        .regex(/^http:\/\/127\.0\.0\.1:\d{1,5}\//),
    }),
  ),
  s3Keys: verdict(nothing, s3Keys),
  startProvider: verdict(nothing, providerStatus),
  stopProvider: verdict(nothing, providerStatus, LONG_PATIENCE),
  render: verdict(renderRequest, jobView, LONG_PATIENCE),
  run: verdict(runRequest, jobView, LONG_PATIENCE),
  jobs: plain(jobQuery, z.array(jobView).max(many)),
  job: verdict(ofJob, jobView),
  cancelJob: verdict(ofJob, jobView, LONG_PATIENCE),
  removeJob: verdict(ofJob, jobView, LONG_PATIENCE),
};
