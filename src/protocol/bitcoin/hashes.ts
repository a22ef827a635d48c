/**
 * Hashes by what they name. All are 32 bytes in the order they are hashed and sent; people see them reversed
 * (`toHexReversed`).
 */
declare const kind: unique symbol;

/** Hash of a transaction without its witness (BIP141 txid). */
export type Txid = Uint8Array & { readonly [kind]: "txid" };
/** Hash of a transaction with its witness (BIP141 wtxid); equal to the txid where there is none. */
export type Wtxid = Uint8Array & { readonly [kind]: "wtxid" };
/** Double SHA-256 of the 80-byte header. */
export type BlockHash = Uint8Array & { readonly [kind]: "block" };

export const HASH_LENGTH = 32;
