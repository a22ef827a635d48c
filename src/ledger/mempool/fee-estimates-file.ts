/**
 * The file `fee-estimates.dat`: what the fee estimator learnt, kept from one run to the next.
 *
 * | bytes | what |
 * |---|---|
 * | 8 | `FHFEES1\n` |
 * | 4 × u32 | seconds since 1970 when it was written; the best height; first and last height of what was seen |
 * | n × f64 | the counts of the three horizons, as many as there are buckets and periods |
 * | 32 | SHA-256 of all before it |
 *
 * All little endian, and of one length, so that a file of other buckets or horizons is none.
 */
import { sha256 } from "#base/crypto/sha256.ts";
import { equalBytes } from "#base/lib/bytes.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import type { Logger } from "#base/lib/logger.ts";
import type { FileSystem } from "#base/store/file-system.ts";
import { readIfThere, writeAtomically } from "#base/store/write-atomically.ts";
import { FeeEstimator } from "./fee-estimator.ts";

const MAGIC = new TextEncoder().encode("FHFEES1\n");
const HEADER = MAGIC.length + 4 * 4;
const DIGEST = 32;
/** Bytes of a whole file. */
const LENGTH =
  HEADER + new FeeEstimator().kept().counts.reduce((sum, { length }) => sum + length, 0) * 8 + DIGEST;
/** Older estimates tell of another time, seconds (Core: MAX_FILE_AGE). */
const MAX_AGE = 60 * 3600;
/** What a count can come to: every horizon forgets, and a block holds some ten thousand transactions. */
const MAX_COUNT = 1e18;

export interface EstimatesFileDependencies {
  readonly files: FileSystem;
  readonly log: Logger;
  /** Seconds since 1970, mocked time included. */
  now(): number;
}

/** @param time seconds since 1970 */
export function encodeEstimates(estimator: FeeEstimator, time: number): Uint8Array {
  const { best, span, counts } = estimator.kept();
  const bytes = new Uint8Array(LENGTH);
  const view = new DataView(bytes.buffer);
  bytes.set(MAGIC);
  for (const [i, value] of [time, best, span.first, span.last].entries()) {
    view.setUint32(MAGIC.length + i * 4, value, true);
  }
  let at = HEADER;
  for (const each of counts) {
    for (const value of each) {
      view.setFloat64(at, value, true);
      at += 8;
    }
  }
  bytes.set(sha256(bytes.subarray(0, at)), at);
  return bytes;
}

/** An estimator that goes on from a file's content, and when that was written. @throws DecodeError */
export function decodeEstimates(bytes: Uint8Array): { estimator: FeeEstimator; time: number } {
  if (bytes.length !== LENGTH) throw new DecodeError("it has another length");
  if (!equalBytes(bytes.subarray(0, MAGIC.length), MAGIC)) throw new DecodeError("it is of another kind");
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const [time, best, first, last] = [0, 1, 2, 3].map((i) => view.getUint32(MAGIC.length + i * 4, true)) as [
    number,
    number,
    number,
    number,
  ];
  if (first > last || last > best) throw new DecodeError("its heights are in no order");
  const end = bytes.length - DIGEST;
  if (!equalBytes(sha256(bytes.subarray(0, end)), bytes.subarray(end)))
    throw new DecodeError("its checksum is false");
  const estimator = new FeeEstimator();
  let at = HEADER;
  for (const each of estimator.kept().counts) {
    for (let i = 0; i < each.length; i++, at += 8) each[i] = countAt(view, at);
  }
  estimator.resume(best, { first, last });
  return { estimator, time };
}

function countAt(view: DataView, at: number): number {
  const value = view.getFloat64(at, true);
  if (value >= 0 && value <= MAX_COUNT) return value;
  throw new DecodeError("it holds what is no count");
}

/** The estimator of the last run, or a new one where there is none, it is damaged, or too old to be believed. */
export async function loadEstimates(
  path: string,
  { files, log, now }: EstimatesFileDependencies,
): Promise<FeeEstimator> {
  try {
    const bytes = await readIfThere(files, path);
    if (bytes === undefined) return new FeeEstimator();
    const { estimator, time } = decodeEstimates(bytes);
    const age = now() - time;
    if (age <= MAX_AGE) return estimator;
    log.info(`The fee estimates of ${Math.floor(age / 3600)} hours ago are too old to be used.`);
  } catch (error) {
    log.warn(`The fee estimates could not be read: ${(error as Error).message}. They are learnt anew.`);
  }
  return new FeeEstimator();
}

/** Writes what was learnt, whole or not at all; a failure costs the estimates alone. */
export async function saveEstimates(
  estimator: FeeEstimator,
  path: string,
  { files, log, now }: EstimatesFileDependencies,
): Promise<void> {
  try {
    await writeAtomically(files, path, encodeEstimates(estimator, now()));
  } catch (error) {
    log.warn(`The fee estimates could not be written: ${(error as Error).message}. Continuing anyway.`);
  }
}
