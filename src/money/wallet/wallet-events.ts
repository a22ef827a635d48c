/** What a wallet remembers, as records of its log: CBOR, validated when read back. */
import { decode, encode } from "cborg";
import { z } from "zod";

const hash = z.string().regex(/^[0-9a-f]{64}$/);
const height = z.int().min(0).max(0x7fff_ffff);
const amount = z.int().min(0).max(21e14);
const text = z.string().max(10_000);
const seconds = z.int().min(0);

const placeSchema = z.strictObject({ height, hash, time: seconds });

const eventSchema = z.discriminatedUnion("k", [
  /** An address was given out: it is never given out again. */
  z.strictObject({
    k: z.literal("given"),
    chain: z.int().min(0).max(15),
    index: z.int().min(0).max(0x7fff_ffff),
    label: text.nullable(),
  }),
  z.strictObject({
    k: z.literal("tx"),
    raw: z.custom<Uint8Array>((value) => value instanceof Uint8Array),
    received: seconds,
    block: placeSchema.nullable(),
    position: z.int().min(0).nullable(),
    fee: amount.nullable(),
    comment: text.nullable(),
    to: text.nullable(),
  }),
  /** The chain was followed up to here. */
  z.strictObject({ k: z.literal("tip"), height, hash, time: seconds }),
  /** Blocks above this height left the chain; −1 for all. */
  z.strictObject({ k: z.literal("fork"), height: z.int().min(-1) }),
  /** A transaction of ours that nobody would take: its coins are free again. */
  z.strictObject({ k: z.literal("abandoned"), txid: hash }),
]);

export type WalletEvent = z.infer<typeof eventSchema>;
export type TxEvent = Extract<WalletEvent, { k: "tx" }>;

export function encodeEvent(event: WalletEvent): Uint8Array {
  return encode(event);
}

/** `undefined` when the record is none of ours. */
export function decodeEvent(record: Uint8Array): WalletEvent | undefined {
  try {
    const parsed = eventSchema.safeParse(decode(record));
    return parsed.success ? parsed.data : undefined;
  } catch {
    // What is not CBOR throws.
    return undefined;
  }
}
