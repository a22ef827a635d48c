/** What the sharing process is told, once, when it starts; everything it may know of this node. */
import { z } from "zod";

const text = z.string().max(4096);
const bytes = (length: number): z.ZodType<Uint8Array> =>
  z.instanceof(Uint8Array).refine((given) => given.length === length);
const count = z.number().int().min(1);
const port = z.number().int().min(0).max(65_535);

export const sharingStart = z.strictObject({
  /** Its folder, `sharing/` in the network's folder; absolute. */
  folder: text,
  /** Where the dashboard puts scenes; absolute. */
  incoming: text,
  /** Name of the network whose ledger this node runs. */
  network: text,
  version: text,
  name: text,
  meshBind: z.array(text),
  meshOrAny: z.boolean(),
  mdns: z.boolean(),
  s3Port: port,
  s3OrNext: z.boolean(),
  files: z.strictObject({
    shards: z.strictObject({ needed: count, total: count }).exactOptional(),
    diversity: z.enum(["strict", "relaxed"]),
    auditEpoch: count,
    awayAfter: count,
    deadAfter: count,
  }),
  /** Where the dashboard is, whose scripts may read what the S3 door answers. */
  page: text.exactOptional(),
  /** Where friends reach our ledger; absent when it does not listen. */
  ledger: z.strictObject({ magic: bytes(4), host: text, port }).exactOptional(),
  keys: z.strictObject({
    account: bytes(32),
    files: bytes(32),
  }),
});

/** See {@link SharingKeys} for the keys. */
export type SharingStart = z.infer<typeof sharingStart>;

export const sharingStarted = z.union([
  z.strictObject({ ok: z.literal(true) }),
  z.strictObject({ ok: z.literal(false), reason: z.string().max(2000) }),
]);

/** What came of the start: a port in use and the like are verdicts. */
export type SharingStarted = z.infer<typeof sharingStarted>;
