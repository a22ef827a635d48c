import { type Codec, fixed, struct, u32 } from "./codec.ts";

/** What an inventory entry names (protocol.h GetDataMsg). */
export const InvType = {
  TX: 1,
  BLOCK: 2,
  FILTERED_BLOCK: 3,
  COMPACT_BLOCK: 4,
  /** By wtxid (BIP339). */
  WTX: 5,
  WITNESS_BLOCK: 0x4000_0002,
  WITNESS_TX: 0x4000_0001,
} as const;

/** Asks for the witness too (BIP144). */
export const WITNESS_FLAG = 0x4000_0000;

/** Core's MAX_INV_SZ. */
export const MAX_INVENTORY = 50_000;

/** One entry of `inv`, `getdata` and `notfound`. */
export interface Inventory {
  readonly type: number;
  readonly hash: Uint8Array;
}

export const inventory: Codec<Inventory> = struct<Inventory>({ type: u32, hash: fixed(32) });

/** Whether it names a transaction, by either id. */
export function isTransaction(entry: Inventory): boolean {
  const { type } = entry;
  return type === InvType.TX || type === InvType.WTX || type === InvType.WITNESS_TX;
}

/** Whether it names a block in any form. */
export function isBlock(entry: Inventory): boolean {
  const { type } = entry;
  return (
    type === InvType.BLOCK ||
    type === InvType.FILTERED_BLOCK ||
    type === InvType.COMPACT_BLOCK ||
    type === InvType.WITNESS_BLOCK
  );
}
