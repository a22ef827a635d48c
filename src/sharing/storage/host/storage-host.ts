/**
 * The host's side of `/freehold/storage/1`: keeps shards and head records of peers that it has terms with, answers
 * audits, declares what it lost. It serves from its construction on; while it is stopped every request for room is
 * refused, so that hosting is switched without restarting anything.
 */
import { hex } from "#base/lib/bytes.ts";
import type { Clock } from "#base/lib/clock.ts";
import { Signal } from "#base/lib/events.ts";
import type { Logger } from "#base/lib/logger.ts";
import { Mutex } from "#base/lib/mutex.ts";
import type { Random } from "#base/lib/random.ts";
import type { Disk } from "#base/store/disk.ts";
import { errorCode, isDiskFull } from "#base/store/disk-error.ts";
import { PowerOffError } from "#base/store/power.ts";
import type { Deals, Step } from "#sharing/deals/deal.ts";
import { encodeCbor } from "#sharing/mesh/cbor.ts";
import type { Handlers, Mesh, RequestContext } from "#sharing/mesh/mesh.ts";
import { accept, type Outcome, refuse } from "#sharing/mesh/protocol.ts";
import { auditEvidence } from "../audit-evidence.ts";
import { storageProtocol } from "../messages.ts";
import { type Expired, Expiry } from "./expiry.ts";
import { HeadDirectory } from "./head-directory.ts";
import { IndexFailedError } from "./host-index.ts";
import { HostStore } from "./host-store.ts";
import { ReceiptCheck } from "./receipt-check.ts";
import { Scrub } from "./scrub.ts";
import { shardCharge } from "./space.ts";
import { DEFAULT_UPLOAD_LIMITS, type UploadLimits } from "./uploads.ts";

/** Name under which hosts offer storage through the mesh; the value is CBOR `{free: bytes}`. */
export const STORAGE_OFFER = "storage";

export interface StorageHostOptions {
  readonly mesh: Mesh;
  readonly deals: Pick<Deals, "require" | "list">;
  readonly disk: Disk;
  /** Made where it is missing; nothing else may write to it. */
  readonly folder: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Bytes given away, leaf hashes and index included. */
  readonly limitBytes: number;
  /** Most bytes of one account; no other limit than all unless told. */
  readonly limitBytesPerAccount?: number;
  /** Shards whose account has had no open terms for so long, while this host ran, are removed (30 days unless told). */
  readonly keepMs?: number;
  readonly uploadLimits?: UploadLimits;
  /** Bytes of the disk that stay free whatever the limit says (256 MiB unless told). */
  readonly spareBytes?: number;
  /** Reading everything again to find rot (4 MiB a second unless told). */
  readonly scrubBytesPerSecond?: number;
}

/** As `HostStatus` of the doors. */
export interface StorageHostStatus {
  readonly on: boolean;
  readonly limitBytes: number;
  /** Most bytes of one account, where there is such a limit. */
  readonly limitBytesPerAccount?: number;
  /** Days that shards stay whose account has no terms any more. */
  readonly keepDays: number;
  readonly usedBytes: number;
  readonly shards: number;
  readonly trouble?: string;
}

const SPARE_BYTES = 256 * 1024 * 1024;
const SCRUB_BYTES_PER_SECOND = 4 * 1024 * 1024;
const COLLECT_MS = 60_000;
const DAY_MS = 86_400_000;
const KEEP_MS = 30 * DAY_MS;
/** Peers are told anew how much is free when it changed by one such part of the limit. */
const OFFER_SHARE = 64;
/** Changes that come within this time are told as one. */
const STATUS_MS = 250;

const FULL = "the disk is full";
const FAILING = "the disk fails";
/** After a failure of the disk no new shard is taken for this long. */
const FAILING_MS = 10 * 60_000;
/** From a failed write to the first try of opening the folder anew, and between tries. */
const REOPEN_MS = 1_000;
const REOPEN_LATER_MS = 60_000;

/** What is open while the host is on. */
interface Running {
  readonly store: HostStore;
  readonly scrub: Scrub;
  readonly expiry: Expiry;
  cancelCollect: () => void;
}

export class StorageHost {
  /** Emits when usage, limit or trouble changed, at most four times a second. */
  readonly changed = new Signal<StorageHostStatus>();
  /** Emits what was removed because its account has long had no terms. */
  readonly expired = new Signal<Expired>();
  readonly #o: StorageHostOptions;
  readonly #directory: HeadDirectory;
  readonly #receipts = new ReceiptCheck();
  readonly #switch = new Mutex();
  readonly #active = new Set<Promise<unknown>>();
  #running: Running | undefined;
  #limitBytes: number;
  #limitBytesPerAccount: number | undefined;
  #keepMs: number;
  #trouble: string | undefined;
  #failedAt = 0;
  #statusTold: StorageHostStatus | undefined;
  #tellsStatus = false;
  /** Whether hosting is switched on, though the folder may be closed while its disk fails. */
  #wanted = false;
  /** Free bytes that peers were told last. */
  #offered: number | undefined;
  #cancelReopen: (() => void) | undefined;

  constructor(options: StorageHostOptions) {
    this.#o = options;
    this.#limitBytes = options.limitBytes;
    this.#limitBytesPerAccount = options.limitBytesPerAccount;
    this.#keepMs = options.keepMs ?? KEEP_MS;
    this.#directory = new HeadDirectory(options.mesh);
    options.mesh.serve(storageProtocol, this.#handlers());
  }

  /** Opens the folder, sets right what a crash left, and offers storage. @throws when the disk fails. */
  async start(): Promise<void> {
    await this.#switch.run(async () => {
      if (this.#running === undefined) await this.#openFolder();
      this.#wanted = true;
      this.#offer();
    });
    this.#tellStatus();
  }

  /** Ends what is under way and closes the folder. What is stored stays; who asks for it is refused until the start. */
  async stop(): Promise<void> {
    await this.#switch.run(async () => {
      this.#wanted = false;
      this.#cancelReopen?.();
      this.#cancelReopen = undefined;
      this.#withdrawOffer();
      await this.#closeFolder();
      this.#directory.replace([]);
    });
    this.#tellStatus();
  }

  async #openFolder(): Promise<void> {
    const { disk, folder, clock, random, log, uploadLimits } = this.#o;
    const store = await HostStore.open({
      ...{ disk, folder, clock, log },
      limitBytes: this.#limitBytes,
      limitBytesPerAccount: this.#limitBytesPerAccount ?? Number.MAX_SAFE_INTEGER,
      uploadLimits: uploadLimits ?? DEFAULT_UPLOAD_LIMITS,
    });
    const scrub = new Scrub({
      ...{ files: store.files, index: store.index, clock, random },
      bytesPerSecond: this.#o.scrubBytesPerSecond ?? SCRUB_BYTES_PER_SECOND,
      declareLost: async (account, root, entry, reason) => {
        await store.declareLost(account, root, entry, reason);
        this.#tellStatus();
      },
      failed: (error) => this.#failedInBackground(error),
    });
    // They may have been set lower meanwhile.
    this.#limit(store);
    this.#trouble = undefined;
    const expiry = this.#openExpiry(store);
    this.#running = { store, scrub, expiry, cancelCollect: () => {} };
    const keys: Uint8Array[] = [];
    for await (const { headKey } of store.index.allHeads()) keys.push(headKey);
    this.#directory.replace(keys);
    scrub.start();
    expiry.start();
    this.#scheduleCollect();
    log.info(`storage: hosting ${this.#limitBytes} bytes in ${folder}, ${store.space.used} used`);
  }

  #openExpiry(store: HostStore): Expiry {
    const { clock, log, deals } = this.#o;
    return new Expiry(this.#keepMs, {
      ...{ index: store.index, space: store.space, clock, log },
      hasTerms: (account) => {
        const now = clock.now() / 1000;
        return deals.list().some(({ role, state, terms }) => {
          const isOpen = role === "seller" && state === "open" && terms.until > now;
          return isOpen && terms.service === "storage" && terms.buyerAccount === account;
        });
      },
      drop: (account, roots, isKept) => store.drop(account, roots, isKept),
      removed: (what) => {
        this.#offer();
        this.#tellStatus();
        void this.expired.emit(what);
      },
      failed: (error) => this.#failedInBackground(error),
    });
  }

  async #closeFolder(): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    this.#running = undefined;
    running.cancelCollect();
    await running.expiry.stop();
    await running.scrub.stop();
    await Promise.allSettled(this.#active);
    await running.store.close();
  }

  /** After a failed write the folder is closed and opened again, now and then until that succeeds. */
  #scheduleReopen(delayMs: number): void {
    if (!this.#wanted || this.#cancelReopen !== undefined) return;
    this.#cancelReopen = this.#o.clock.after(delayMs, () => {
      this.#cancelReopen = undefined;
      void this.#switch.run(async () => {
        if (!this.#wanted) return;
        try {
          await this.#closeFolder();
          await this.#openFolder();
          this.#offer();
        } catch (error) {
          this.#o.log.error(`storage: ${this.#o.folder} can not be opened: ${String(error)}`);
          this.#scheduleReopen(REOPEN_LATER_MS);
        }
        this.#tellStatus();
      });
    });
  }

  status(): StorageHostStatus {
    const space = this.#running?.store.space;
    const lost = space?.lost ?? 0;
    const trouble = this.#trouble ?? (lost > 0 ? `${lost} shards are lost, and declared so` : undefined);
    return {
      on: this.#wanted,
      limitBytes: this.#limitBytes,
      ...(this.#limitBytesPerAccount === undefined
        ? {}
        : { limitBytesPerAccount: this.#limitBytesPerAccount }),
      keepDays: Math.round(this.#keepMs / DAY_MS),
      usedBytes: space?.used ?? 0,
      shards: space?.shards ?? 0,
      ...(trouble === undefined ? {} : { trouble }),
    };
  }

  /** Changes the space given away, to all and to each account. What is stored stays even when it is more. */
  setLimit(bytes: number, perAccount?: number): void {
    this.#limitBytes = bytes;
    this.#limitBytesPerAccount = perAccount;
    if (this.#running !== undefined) {
      this.#limit(this.#running.store);
      this.#offer();
    }
    this.#tellStatus();
  }

  /** Changes how long shards without terms are kept. */
  setKeep(milliseconds: number): void {
    this.#keepMs = milliseconds;
    if (this.#running !== undefined) this.#running.expiry.keepMs = milliseconds;
    this.#tellStatus();
  }

  #limit({ space }: HostStore): void {
    space.limit = this.#limitBytes;
    space.limitPerAccount = this.#limitBytesPerAccount ?? Number.MAX_SAFE_INTEGER;
  }

  /** Whether a buyer's step is one that was done here, before a receipt is signed for it. */
  readonly checkStep = (step: Step, from: RequestContext): Promise<Outcome<null>> =>
    this.#open(from, (store) =>
      this.#receipts.check(from.peer, step, async (root) => {
        return (await store.index.shard(hex(from.account), root)) !== undefined;
      }),
    );

  /** Reads the next shard in the scrub's order, now. @returns its length; 0 at the end of a round. */
  async scrubNext(): Promise<number> {
    return (await this.#running?.scrub.next()) ?? 0;
  }

  /** Removes unfinished uploads that are idle or too old, now. @returns how many. */
  async collectUploads(): Promise<number> {
    return (await this.#running?.store.uploads.collect()) ?? 0;
  }

  #scheduleCollect(): void {
    const running = this.#running;
    if (running === undefined) return;
    running.cancelCollect = this.#o.clock.after(COLLECT_MS, () => {
      const collecting = running.store.uploads.collect().catch((error) => this.#failedInBackground(error));
      void this.#track(collecting).finally(() => {
        if (this.#running !== running) return;
        this.#offer();
        this.#tellStatus();
        this.#scheduleCollect();
      });
    });
  }

  /** Tells peers how much is free, where it is another share of the whole than they were told. */
  #offer(): void {
    const space = this.#running?.store.space;
    if (space === undefined) return;
    const free = this.#trouble === undefined ? Math.max(0, space.limit - space.used) : 0;
    const told = this.#offered;
    const isNear = told !== undefined && Math.abs(told - free) * OFFER_SHARE < space.limit;
    if (isNear && (told === 0) === (free === 0)) return;
    this.#offered = free;
    this.#o.mesh.offer(STORAGE_OFFER, encodeCbor({ free }));
  }

  #withdrawOffer(): void {
    this.#offered = undefined;
    this.#o.mesh.offer(STORAGE_OFFER, undefined);
  }

  #handlers(): Handlers<typeof storageProtocol> {
    return {
      begin: ({ upload, length }, from) =>
        this.#change(from, async (store, account) => {
          const noRoom = await this.#checkDisk(store, length);
          return noRoom ?? store.uploads.begin(account, upload, length);
        }),
      put: ({ upload, first, bytes }, from) =>
        this.#change(from, (store, account) => store.uploads.put(account, upload, first, bytes)),
      finish: ({ upload, root }, from) =>
        this.#change(from, (store, account) => store.uploads.finish(account, upload, root)),
      abandon: ({ upload }, from) =>
        this.#change(from, async (store, account) => {
          await store.uploads.abandon(account, upload);
          return accept({});
        }),
      read: ({ root, first, count }, from) =>
        this.#serve(from, (store, account) => store.read(account, root, first, count)),
      audit: ({ root, challenge, leaves }, from) =>
        this.#serve(from, async (store, account) => {
          const answer = await store.audit(account, root, challenge, leaves);
          if (answer.ok)
            this.#receipts.answered(from.peer, root, auditEvidence(root, challenge, answer.value));
          return answer;
        }),
      drop: ({ roots }, from) =>
        this.#change(from, async (store, account) => accept({ dropped: await store.drop(account, roots) })),
      list: ({ after, limit, lostOnly }, from) =>
        this.#serve(from, async (store, account) =>
          accept(await store.list(account, after, limit, lostOnly === true)),
        ),
      quota: (_, from) =>
        this.#serve(from, async ({ space }, account) => accept(this.#quota(space, account))),
      "put-head": ({ record }, from) =>
        this.#change(from, async (store, account) => {
          const put = await store.heads.put(account, record);
          if (!put.ok) return put;
          if (put.value.newKey !== undefined) this.#directory.add(put.value.newKey);
          return accept({ sequence: put.value.sequence });
        }),
      "get-heads": ({ headKey }, from) =>
        this.#open(from, async (store) => accept({ records: await store.heads.get(headKey) })),
      "announce-heads": async ({ first, headKeys }, from) => {
        this.#directory.announced(from.peer, first, headKeys);
        return accept({});
      },
      "find-heads": async ({ headKey }) => accept({ holders: this.#directory.holders(headKey) }),
    };
  }

  #quota(space: HostStore["space"], account: Uint8Array) {
    const { bytes, shards, lost } = space.of(account);
    const trouble = this.#trouble === undefined ? {} : { trouble: this.#trouble };
    return { usedBytes: bytes, freeBytes: space.freeFor(account), shards, lost, ...trouble };
  }

  /** A request that changes something: its sender may see another status after it. */
  async #change<T>(
    from: RequestContext,
    action: (store: HostStore, account: Uint8Array) => Promise<Outcome<T>>,
  ): Promise<Outcome<T>> {
    const outcome = await this.#serve(from, action);
    if (!outcome.ok && outcome.refusal.code === "bad-request") {
      this.#o.mesh.misbehaved(from.peer, `storage: ${outcome.refusal.text}`);
    }
    this.#tellStatus();
    return outcome;
  }

  /** A request that needs open terms. */
  #serve<T>(
    from: RequestContext,
    action: (store: HostStore, account: Uint8Array) => Promise<Outcome<T>>,
  ): Promise<Outcome<T>> {
    return this.#open(from, async (store) => {
      const deal = this.#o.deals.require(from.peer, "storage");
      return deal.ok ? action(store, hex(from.account)) : deal;
    });
  }

  /** A request that needs the folder open. A disk that fails is declared, not thrown. */
  async #open<T>(
    from: RequestContext,
    action: (store: HostStore) => Promise<Outcome<T>>,
  ): Promise<Outcome<T>> {
    const store = this.#running?.store;
    if (store === undefined) {
      return refuse("unavailable", this.#wanted ? FAILING : "this peer does not host now");
    }
    if (from.standing === "banned") return refuse("not-allowed", "banned");
    return this.#track(action(store).catch((error) => this.#diskFailed(error)));
  }

  async #track<T>(work: Promise<T>): Promise<T> {
    this.#active.add(work);
    try {
      return await work;
    } finally {
      this.#active.delete(work);
    }
  }

  /** Whether the disk itself takes more, whatever the limit says. */
  async #checkDisk(store: HostStore, length: number): Promise<ReturnType<typeof refuse> | undefined> {
    if (this.#trouble === FAILING && this.#o.clock.monotonic() < this.#failedAt + FAILING_MS) {
      return refuse("unavailable", FAILING);
    }
    const free = await store.files.freeSpace();
    const isFull = free < shardCharge(length) + (this.#o.spareBytes ?? SPARE_BYTES);
    this.#setTrouble(isFull ? FULL : undefined);
    return isFull ? refuse("full", FULL) : undefined;
  }

  /** @returns the refusal for a failed disk. @throws what is no failure of the disk: a bug. */
  #diskFailed(error: unknown): ReturnType<typeof refuse> {
    if (this.#running?.store.index.failed === true) this.#scheduleReopen(REOPEN_MS);
    if (isDiskFull(error)) {
      this.#setTrouble(FULL);
      return refuse("full", FULL);
    }
    const isDisk =
      errorCode(error) !== undefined || error instanceof PowerOffError || error instanceof IndexFailedError;
    if (!isDisk) throw error;
    this.#failedAt = this.#o.clock.monotonic();
    this.#setTrouble(FAILING);
    this.#o.log.error(`storage: the disk of ${this.#o.folder} fails: ${String(error)}`);
    return refuse("unavailable", FAILING);
  }

  #failedInBackground(error: unknown): void {
    try {
      this.#diskFailed(error);
    } catch {
      this.#o.log.error(`storage: ${error instanceof Error ? error.stack : String(error)}`);
    }
  }

  #setTrouble(trouble: string | undefined): void {
    if (this.#trouble === trouble) return;
    this.#trouble = trouble;
    if (trouble !== undefined) this.#o.log.warn(`storage: ${trouble}`);
    this.#offer();
    this.#tellStatus();
  }

  #tellStatus(): void {
    if (this.#tellsStatus) return;
    this.#tellsStatus = true;
    this.#o.clock.after(STATUS_MS, () => {
      this.#tellsStatus = false;
      const status = this.status();
      if (JSON.stringify(status) === JSON.stringify(this.#statusTold)) return;
      this.#statusTold = status;
      void this.changed.emit(status);
    });
  }
}
