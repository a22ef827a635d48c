/**
 * `/freehold/storage/1`: what renters and hosts say to each other (docs/protocols/storage.md). Shards belong to the
 * account that stored them, whatever device of it asks, and are named by their Merkle root. Integers are bytes, cells
 * or seconds as their names say.
 */
import { z } from "zod";
import { method, protocol } from "#sharing/mesh/protocol.ts";
import { bytesOf, bytesUpTo, integer, peerIdText, textUpTo } from "#sharing/mesh/schema.ts";
import { CELL_BYTES, LEAF_BYTES, MAX_SHARD_BYTES, MAX_STRIPES } from "./codec/scheme.ts";

/** Most cells in one message: 1 MiB. */
export const MAX_CELLS_A_MESSAGE = 16;
/** Most leaves that one audit asks for. */
export const MAX_AUDIT_LEAVES = 32;
/** Most shards on one page of a list. */
export const MAX_LIST_PAGE = 500;
/** Most roots in one message. */
export const MAX_ROOTS = 256;
/** Longest record of a head, with its signature. */
export const MAX_HEAD_BYTES = 2_048;
/** Most devices that keep a head under one head key at a host. */
export const MAX_HEADS_A_KEY = 32;
/** Most head keys in one announcement. */
export const MAX_ANNOUNCED_KEYS = 512;
/** Longest list of who holds the heads of a key. */
export const MAX_HOLDERS = 32;

/** Longest proof of a run of cells or of audited leaves; a tree has at most 256 leaves. */
const PROOF = bytesUpTo(32 * 256);
const ROOT = bytesOf(32);
const UPLOAD = bytesOf(16);
const CELLS = bytesUpTo(MAX_CELLS_A_MESSAGE * CELL_BYTES, 1);
/** What a message takes around its bytes. */
const FRAME = 1_024;
const CELLS_FRAME = MAX_CELLS_A_MESSAGE * CELL_BYTES + FRAME;

/** A shard as its host lists it. `lost`: the host declares that it can not give it back any more. */
export interface ListedShard {
  readonly root: Uint8Array;
  readonly length: number;
  readonly state: "stored" | "lost";
}

const LISTED: z.ZodType<ListedShard> = z.strictObject({
  root: ROOT,
  length: integer(1, MAX_SHARD_BYTES),
  state: z.enum(["stored", "lost"]),
});

/**
 * Begins an upload, or goes on with one: the same account, id and length again. The room is reserved. `have` has a bit
 * for each cell that is there (cell 0 is the lowest bit of byte 0), checked against a crash in between.
 */
const begin = method<{ readonly upload: Uint8Array; readonly length: number }, { readonly have: Uint8Array }>(
  {
    request: z.strictObject({ upload: UPLOAD, length: integer(1, MAX_SHARD_BYTES) }),
    reply: z.strictObject({ have: bytesUpTo(MAX_STRIPES / 8, 1) }),
  },
);

/** Whole cells from number `first` on; only the shard's last cell may be shorter than 64 KiB. Sent again, it replaces. */
const put = method<
  { readonly upload: Uint8Array; readonly first: number; readonly bytes: Uint8Array },
  Record<string, never>
>({
  request: z.strictObject({ upload: UPLOAD, first: integer(0, MAX_STRIPES - 1), bytes: CELLS }),
  reply: z.strictObject({}),
  requestLimit: CELLS_FRAME,
});

/**
 * Ends an upload. The reply means: all cells are here, their Merkle root is this, and they survive a power cut. An
 * upload that ended is forgotten; ending it again is answered alike while the shard stands. A shard that the account
 * has already is kept once.
 */
const finish = method<
  { readonly upload: Uint8Array; readonly root: Uint8Array },
  { readonly length: number; readonly stored: number }
>({
  request: z.strictObject({ upload: UPLOAD, root: ROOT }),
  reply: z.strictObject({ length: integer(1, MAX_SHARD_BYTES), stored: integer(0) }),
});

/** Gives an upload up, and its room back. */
const abandon = method<{ readonly upload: Uint8Array }, Record<string, never>>({
  request: z.strictObject({ upload: UPLOAD }),
  reply: z.strictObject({}),
});

/** A run of cells, with the proof of all their leaves under the root. */
const read = method<
  { readonly root: Uint8Array; readonly first: number; readonly count: number },
  { readonly bytes: Uint8Array; readonly proof: Uint8Array }
>({
  request: z.strictObject({
    root: ROOT,
    first: integer(0, MAX_STRIPES - 1),
    count: integer(1, MAX_CELLS_A_MESSAGE),
  }),
  reply: z.strictObject({ bytes: CELLS, proof: PROOF }),
  replyLimit: CELLS_FRAME + 32 * 256,
});

/** Asks for leaves that nobody could know before: those that `auditLeaves(challenge, root, length, leaves)` names. */
const audit = method<
  { readonly root: Uint8Array; readonly challenge: Uint8Array; readonly leaves: number },
  { readonly leaves: readonly Uint8Array[]; readonly proof: Uint8Array }
>({
  request: z.strictObject({ root: ROOT, challenge: bytesOf(32), leaves: integer(1, MAX_AUDIT_LEAVES) }),
  reply: z.strictObject({
    leaves: z.array(bytesUpTo(LEAF_BYTES, 1)).min(1).max(MAX_AUDIT_LEAVES),
    proof: PROOF,
  }),
  replyLimit: MAX_AUDIT_LEAVES * (LEAF_BYTES + 8) + 32 * 256 + FRAME,
});

/** Shards that are no longer wanted. `dropped` is how many of them were there. */
const drop = method<{ readonly roots: readonly Uint8Array[] }, { readonly dropped: number }>({
  request: z.strictObject({ roots: z.array(ROOT).min(1).max(MAX_ROOTS) }),
  reply: z.strictObject({ dropped: integer(0, MAX_ROOTS) }),
});

/** Which shards of the caller's account are here, by ascending root, after `after`. `lost` alone where told. */
const list = method<
  {
    readonly after?: Uint8Array | undefined;
    readonly limit: number;
    readonly lostOnly?: boolean | undefined;
  },
  { readonly shards: readonly ListedShard[]; readonly more: boolean }
>({
  request: z.strictObject({
    after: ROOT.optional(),
    limit: integer(1, MAX_LIST_PAGE),
    lostOnly: z.boolean().optional(),
  }),
  reply: z.strictObject({ shards: z.array(LISTED).max(MAX_LIST_PAGE), more: z.boolean() }),
});

/** What the caller has here and may still store; `trouble` where the host declares a full or failing disk. */
export interface Quota {
  readonly usedBytes: number;
  readonly freeBytes: number;
  readonly shards: number;
  /** Shards that were declared lost. */
  readonly lost: number;
  readonly trouble?: string | undefined;
}

const quota = method<Record<string, never>, Quota>({
  request: z.strictObject({}),
  reply: z.strictObject({
    usedBytes: integer(0),
    freeBytes: integer(0),
    shards: integer(0),
    lost: integer(0),
    trouble: textUpTo(200).optional(),
  }),
});

/** A head record (see `head-record.ts`): kept when its signature holds and its sequence is above what is here. */
const putHead = method<{ readonly record: Uint8Array }, { readonly sequence: number }>({
  request: z.strictObject({ record: bytesUpTo(MAX_HEAD_BYTES, 1) }),
  reply: z.strictObject({ sequence: integer(0) }),
});

/** The newest record of each device under a head key; needs no terms. */
const getHeads = method<{ readonly headKey: Uint8Array }, { readonly records: readonly Uint8Array[] }>({
  request: z.strictObject({ headKey: bytesOf(32) }),
  reply: z.strictObject({ records: z.array(bytesUpTo(MAX_HEAD_BYTES, 1)).max(MAX_HEADS_A_KEY) }),
  replyLimit: MAX_HEADS_A_KEY * (MAX_HEAD_BYTES + 8) + FRAME,
});

/** Tells a peer which head keys the sender holds records of. `first` replaces what it told before. */
const announceHeads = method<
  { readonly first: boolean; readonly headKeys: readonly Uint8Array[] },
  Record<string, never>
>({
  request: z.strictObject({ first: z.boolean(), headKeys: z.array(bytesOf(32)).max(MAX_ANNOUNCED_KEYS) }),
  reply: z.strictObject({}),
});

/** A peer that announced records of a head key, and where it may be reached. */
export interface HeadHolder {
  readonly peer: string;
  readonly addresses: readonly string[];
}

/** Who announced to hold records of a head key, the answering peer left out; needs no terms. */
const findHeads = method<{ readonly headKey: Uint8Array }, { readonly holders: readonly HeadHolder[] }>({
  request: z.strictObject({ headKey: bytesOf(32) }),
  reply: z.strictObject({
    holders: z
      .array(z.strictObject({ peer: peerIdText, addresses: z.array(textUpTo(256)).max(8) }))
      .max(MAX_HOLDERS),
  }),
  replyLimit: 128 * 1024,
});

export const storageProtocol = protocol({
  name: "storage",
  major: 1,
  methods: {
    begin,
    put,
    finish,
    abandon,
    read,
    audit,
    drop,
    list,
    quota,
    "put-head": putHead,
    "get-heads": getHeads,
    "announce-heads": announceHeads,
    "find-heads": findHeads,
  },
});
