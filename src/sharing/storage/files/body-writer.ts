/** A body of any length into slabs, in bounded memory; small ones stay inline or share a slab. */
import { createHash } from "node:crypto";
import { concatBytes } from "#base/lib/bytes.ts";
import type { Body } from "../file-store.ts";
import type { Renter } from "../renter/renter.ts";
import type { SlabRecord } from "../renter/slab.ts";
import type { BodyIntake, IntakeShare } from "./body-intake.ts";
import { type Content, type Extent, INLINE_LIMIT } from "./log-entry.ts";
import { PACK_LIMIT, type PackWriter } from "./pack-writer.ts";

export interface WrittenBody {
  readonly content: Content;
  readonly size: number;
  /** Hex. */
  readonly md5: string;
  /** The slabs it lies in, not yet in the index; held until {@link BodyWriter.release}. */
  readonly slabs: readonly SlabRecord[];
}

/** Slabs of one body on their way at a time. */
const AT_ONCE = 2;

type Stored = Promise<{ readonly extent: Extent; readonly record: SlabRecord }>;

export class BodyWriter {
  readonly #renter: Renter;
  readonly #packs: PackWriter;
  readonly #intake: BodyIntake;

  constructor(renter: Renter, packs: PackWriter, intake: BodyIntake) {
    this.#renter = renter;
    this.#packs = packs;
    this.#intake = intake;
  }

  /**
   * Reads a body to its end and stores it.
   * @param check called with what was seen before anything small is stored; throws to refuse the body.
   * @throws FileError; what `check` or the body throws.
   */
  async write(
    body: Body,
    options: {
      readonly inline: boolean;
      readonly check?: ((seen: { readonly size: number; readonly md5: string }) => void) | undefined;
    },
  ): Promise<WrittenBody> {
    const md5 = createHash("md5");
    const stored: Stored[] = [];
    const share = this.#intake.enter();
    let chunks: Uint8Array[] = [];
    let held = 0;
    let size = 0;
    const limit = this.#renter.slabBytes();
    const flush = async (): Promise<void> => {
      stored.push(this.#storeSlab(chunks, held, share));
      chunks = [];
      held = 0;
      await stored.at(-AT_ONCE);
    };
    try {
      for await (const chunk of body) {
        md5.update(chunk);
        size += chunk.length;
        share.hold(chunk.length);
        let rest = chunk;
        while (held + rest.length >= limit) {
          const taken = rest.subarray(0, limit - held);
          chunks.push(taken);
          held += taken.length;
          rest = rest.subarray(taken.length);
          await flush();
        }
        if (rest.length > 0) {
          chunks.push(rest);
          held += rest.length;
        }
        if (!(await share.room()) && held > PACK_LIMIT) await flush();
      }
      const digest = md5.digest("hex");
      options.check?.({ size, md5: digest });
      if (size <= INLINE_LIMIT && options.inline) {
        return { content: { inline: concatBytes(...chunks) }, size, md5: digest, slabs: [] };
      }
      if (held > 0) {
        stored.push(
          held <= PACK_LIMIT ? this.#packs.add(chunks, held) : this.#storeSlab(chunks, held, share),
        );
      }
      const parts = await Promise.all(stored);
      const extents = parts.map(({ extent }) => extent);
      return { content: { extents }, size, md5: digest, slabs: parts.map(({ record }) => record) };
    } catch (error) {
      const settled = await Promise.allSettled(stored);
      this.release(settled.flatMap((one) => (one.status === "fulfilled" ? [one.value.record] : [])));
      throw error;
    } finally {
      share.leave();
    }
  }

  /** The slabs are in the index now, or not wanted. */
  release(slabs: readonly SlabRecord[]): void {
    this.#renter.committed(slabs.map(({ id }) => id));
  }

  #storeSlab(chunks: Uint8Array[], length: number, share: IntakeShare): Stored {
    const stored = this.#renter
      .store(chunks)
      .then((record) => ({ record, extent: { slab: record.id, offset: 0, length } }));
    // Whoever awaits it meets the failure; until then it is nobody's surprise.
    stored.then(
      () => share.free(length),
      () => share.free(length),
    );
    return stored;
  }
}
