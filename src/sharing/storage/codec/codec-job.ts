/** Jobs of the codec as they travel to its workers. */
import type { RowProduct } from "./row-product.ts";
import {
  type DecodeJob,
  decodeStripe,
  type EncodedCells,
  type EncodeJob,
  encodeStripe,
  type RemadeCells,
  type RemakeJob,
  remakeCells,
} from "./stripe-work.ts";

export type CodecJob = EncodeJob | DecodeJob | RemakeJob;
export type CodecResult =
  | { readonly encoded: EncodedCells }
  | { readonly plaintext: Uint8Array<ArrayBuffer> | undefined }
  | { readonly remade: RemadeCells };

export function runCodecJob(job: CodecJob, product: RowProduct): CodecResult {
  switch (job.do) {
    case "encode":
      return { encoded: encodeStripe(job, product) };
    case "decode":
      return { plaintext: decodeStripe(job, product) };
    case "remake":
      return { remade: remakeCells(job, product) };
  }
}

/** Buffers of a result that are handed over. */
export function transferOf(result: CodecResult): readonly ArrayBuffer[] {
  if ("encoded" in result) {
    const { data, parity, hashes } = result.encoded;
    return [data.buffer, parity.buffer, hashes.buffer];
  }
  if ("remade" in result) return [result.remade.cells.buffer, result.remade.hashes.buffer];
  return result.plaintext === undefined ? [] : [result.plaintext.buffer];
}
