/** Head records that are kept here: of each device under a head key the one of the highest sequence. */
import { equalBytes, toHex } from "#base/lib/bytes.ts";
import type { Clock } from "#base/lib/clock.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import { accept, type Outcome, refuse } from "#sharing/mesh/protocol.ts";
import { decodeHeadRecord, type HeadRecord } from "../head-record.ts";
import { MAX_HEADS_A_KEY } from "../messages.ts";
import type { HeadEntry, HostIndex } from "./host-index.ts";
import type { KeyedMutex } from "./keyed-mutex.ts";
import { HEAD_CHARGE, type Space } from "./space.ts";

/** Most records of one account here, under all its head keys. */
export const MAX_HEADS_AN_ACCOUNT = 64;

export interface HeadsDependencies {
  readonly index: HostIndex;
  readonly space: Space;
  readonly clock: Clock;
  readonly locks: KeyedMutex;
}

export class Heads {
  readonly #d: HeadsDependencies;

  constructor(dependencies: HeadsDependencies) {
    this.#d = dependencies;
  }

  /**
   * Keeps a record; durable when it resolves. A device that is one too many under its key takes the place of the one
   * that was silent longest.
   * @returns the sequence, and the head key where it was not held before.
   */
  async put(
    account: Uint8Array,
    bytes: Uint8Array,
  ): Promise<Outcome<{ readonly sequence: number; readonly newKey: Uint8Array | undefined }>> {
    let record: HeadRecord;
    try {
      record = decodeHeadRecord(bytes);
    } catch (error) {
      if (error instanceof DecodeError) return refuse("bad-request", error.message);
      throw error;
    }
    return this.#d.locks.run(toHex(record.headKey), () => this.#put(account, bytes, record));
  }

  async #put(
    account: Uint8Array,
    bytes: Uint8Array,
    record: HeadRecord,
  ): Promise<Outcome<{ readonly sequence: number; readonly newKey: Uint8Array | undefined }>> {
    const { index, space, clock } = this.#d;
    const { headKey, device, sequence } = record;
    const present = await index.heads(headKey);
    const same = present.find((entry) => equalBytes(entry.device, device));
    if (same !== undefined && same.sequence >= sequence) {
      if (equalBytes(same.record, bytes)) return accept({ sequence, newKey: undefined });
      return refuse("conflict", `a record of sequence ${same.sequence} is here`);
    }
    const oldest =
      same === undefined && present.length >= MAX_HEADS_A_KEY ? longestSilent(present) : undefined;
    const leaving = same ?? oldest;
    if (
      space.of(account).heads >= MAX_HEADS_AN_ACCOUNT &&
      !(leaving && equalBytes(leaving.account, account))
    ) {
      return refuse("limit", `${MAX_HEADS_AN_ACCOUNT} of your head records are here`);
    }
    // The charge is taken first and the old one given back after, so the limit holds in between too.
    if (!space.takeHead(account)) return refuse("full", "no room for a head record");
    const entry = { account, device, sequence, put: clock.now(), record: bytes };
    const operations = [index.putHead(headKey, entry)];
    if (oldest !== undefined) operations.push(index.dropHead(headKey, oldest.device));
    try {
      await index.commit(...operations);
    } catch (error) {
      space.count(account, { bytes: -HEAD_CHARGE, heads: -1 });
      throw error;
    }
    if (leaving !== undefined) space.count(leaving.account, { bytes: -HEAD_CHARGE, heads: -1 });
    return accept({ sequence, newKey: present.length === 0 ? headKey : undefined });
  }

  async get(headKey: Uint8Array): Promise<Uint8Array[]> {
    return (await this.#d.index.heads(headKey)).map(({ record }) => record);
  }
}

function longestSilent(entries: readonly HeadEntry[]): HeadEntry {
  return entries.reduce((oldest, entry) => (entry.put < oldest.put ? entry : oldest));
}
