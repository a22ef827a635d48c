/** Readings of arguments that many methods share, with Core's texts. */
import { concatBytes, fromHex, fromHexReversed, writeU32 } from "#base/lib/bytes.ts";
import type { Json } from "#base/lib/json.ts";
import type { ChainState } from "#ledger/chain/chain-state.ts";
import type { HeaderNode } from "#ledger/chain/header-node.ts";
import { expectString } from "./method.ts";
import { RPC_CODE, RpcError } from "./rpc-error.ts";

/** A hash in display order, as bytes in hashed order (Core's ParseHashV). */
export function parseHash(value: Json, name: string): Uint8Array {
  const text = expectString(value);
  if (text.length !== 64) {
    throw new RpcError(
      RPC_CODE.invalidParameter,
      `${name} must be of length 64 (not ${text.length}, for '${text}')`,
    );
  }
  const hash = fromHexReversed(text);
  if (hash === undefined) {
    throw new RpcError(RPC_CODE.invalidParameter, `${name} must be hexadecimal string (not '${text}')`);
  }
  return hash;
}

/** Hex bytes (Core's ParseHexV). */
export function parseHex(value: Json, name: string): Uint8Array {
  const text = expectString(value);
  const bytes = fromHex(text);
  if (bytes === undefined) {
    throw new RpcError(RPC_CODE.invalidParameter, `${name} must be hexadecimal string (not '${text}')`);
  }
  return bytes;
}

/** The header with a hash. @throws RpcError −5 `Block not found` */
export function findBlock(chain: ChainState, value: Json, name = "blockhash"): HeaderNode {
  const node = chain.headers.lookup(parseHash(value, name));
  if (node === undefined) throw new RpcError(RPC_CODE.invalidAddressOrKey, "Block not found");
  return node;
}

/** The 36 bytes that name an output: txid and index. */
export function outpointBytes(txid: Uint8Array, index: number): Uint8Array {
  const suffix = new Uint8Array(4);
  writeU32(suffix, 0, index);
  return concatBytes(txid, suffix);
}
