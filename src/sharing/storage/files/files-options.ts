import type { Clock } from "#base/lib/clock.ts";
import type { Logger } from "#base/lib/logger.ts";
import type { Random } from "#base/lib/random.ts";
import type { Disk } from "#base/store/disk.ts";
import type { Deals } from "#sharing/deals/deal.ts";
import type { Mesh } from "#sharing/mesh/mesh.ts";
import type { SlabCodec } from "../codec/slab-codec.ts";
import type { RenterPolicy } from "../renter/policy.ts";

export interface FilesOptions {
  readonly mesh: Mesh;
  readonly deals: Deals;
  readonly disk: Disk;
  /** Made where it is missing; nothing else may write to it. A cache: everything in it comes back from the hosts. */
  readonly folder: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** 32 bytes, branch 2 of the seed. */
  readonly filesKey: Uint8Array;
  /** This device's peer id unless told. */
  readonly deviceId?: string;
  /** What differs from `DEFAULT_POLICY`. */
  readonly policy?: Partial<RenterPolicy>;
  /** Threads of the codec; 0 works on the calling thread. */
  readonly workers: number;
  /** A codec to share, instead of one of its own. */
  readonly codec?: SlabCodec;
}
