/**
 * A slab to its hosts: one shard each, at once; a host that fails or lags is replaced by a spare. The slab counts as
 * written at k+⌈(n−k)/2⌉ receipts; the rest goes on in the background.
 */
import type { Clock } from "#base/lib/clock.ts";
import type { PeerId } from "#sharing/mesh/mesh.ts";
import type { HostClient } from "./host-client.ts";

export interface ShardUpload {
  readonly bytes: Uint8Array;
  readonly root: Uint8Array;
}

export interface UploadPlan {
  readonly shards: readonly ShardUpload[];
  /** For shard i, the i-th; may be shorter than the shards. */
  readonly places: readonly PeerId[];
  readonly spares: readonly PeerId[];
  /** Receipts that make the write. */
  readonly quorum: number;
  readonly hedgeMs: number;
  /** A fresh id for one upload; called for each try. */
  newUploadId(): Uint8Array;
}

export interface UploadResult {
  /** Host of each shard, `""` where none has it. */
  readonly hosts: readonly (PeerId | "")[];
  readonly stored: number;
}

/** One shard's way to a host. */
interface Try {
  readonly host: PeerId;
  readonly upload: Uint8Array;
  readonly controller: AbortController;
}

/** How much longer than the quorum took may the rest hold up the answer. */
const GRACE_SHARE = 0.25;

export class SlabUpload {
  readonly #plan: UploadPlan;
  readonly #client: HostClient;
  readonly #clock: Clock;
  readonly #hosts: (PeerId | "")[];
  readonly #tries: (Try[] | undefined)[];
  readonly #spares: PeerId[];
  readonly #began: number;
  #stored = 0;
  #open: number;
  #closed = false;
  #settled!: () => void;
  #written!: () => void;
  #cancelHedge: (() => void) | undefined;
  /** Resolves at the quorum, or when it can not be reached any more. */
  readonly written: Promise<void>;
  /** Resolves when nothing is under way any more. */
  readonly settled: Promise<void>;

  constructor(plan: UploadPlan, client: HostClient, clock: Clock) {
    this.#plan = plan;
    this.#client = client;
    this.#clock = clock;
    this.#hosts = plan.shards.map(() => "");
    this.#tries = plan.shards.map(() => []);
    this.#spares = [...plan.spares];
    this.#open = plan.shards.length;
    this.#began = clock.monotonic();
    this.written = new Promise((resolve) => {
      this.#written = resolve;
    });
    this.settled = new Promise((resolve) => {
      this.#settled = resolve;
    });
    for (const index of plan.shards.keys()) {
      const host = plan.places[index] ?? this.#spares.shift();
      if (host === undefined) this.#end(index);
      else this.#start(index, host);
    }
    this.#scheduleHedge(plan.hedgeMs);
  }

  get result(): UploadResult {
    return { hosts: [...this.#hosts], stored: this.#stored };
  }

  /** Waits for the quorum, and a little longer for those that are nearly done. */
  async finish(): Promise<UploadResult> {
    await this.written;
    if (this.#open > 0 && this.#stored >= this.#plan.quorum) {
      const grace = Math.max(20, GRACE_SHARE * (this.#clock.monotonic() - this.#began));
      let cancel: (() => void) | undefined;
      const waited = new Promise<void>((resolve) => {
        cancel = this.#clock.after(grace, resolve);
      });
      await Promise.race([this.settled, waited]);
      cancel?.();
    }
    return this.result;
  }

  /** Gives up all that is under way. */
  stop(): void {
    this.#closed = true;
    for (const [index, tries] of this.#tries.entries()) {
      if (tries === undefined) continue;
      for (const other of tries) this.#giveUp(other);
      this.#end(index);
    }
  }

  #start(index: number, host: PeerId): void {
    const shard = this.#plan.shards[index]!;
    const attempt: Try = { host, upload: this.#plan.newUploadId(), controller: new AbortController() };
    this.#tries[index]!.push(attempt);
    const { upload, controller } = attempt;
    void this.#client
      .store(host, upload, shard.bytes, shard.root, controller.signal)
      .then((outcome) => this.#ended(index, attempt, outcome.ok));
  }

  #ended(index: number, attempt: Try, ok: boolean): void {
    const tries = this.#tries[index];
    if (tries === undefined) {
      // Another host was quicker. What this one stored after all is surplus.
      if (ok && this.#hosts[index] !== attempt.host)
        void this.#client.drop(attempt.host, [this.#plan.shards[index]!.root]);
      return;
    }
    if (ok) {
      this.#hosts[index] = attempt.host;
      this.#stored++;
      for (const other of tries) if (other !== attempt) this.#giveUp(other);
      this.#end(index);
      return;
    }
    tries.splice(tries.indexOf(attempt), 1);
    if (tries.length > 0) return;
    const spare = this.#closed ? undefined : this.#takeSpare([attempt]);
    if (spare === undefined) this.#end(index);
    else this.#start(index, spare);
  }

  /** The best spare that is not at it already. */
  #takeSpare(tries: readonly Try[]): PeerId | undefined {
    const at = this.#spares.findIndex((spare) => tries.every(({ host }) => host !== spare));
    return at < 0 ? undefined : this.#spares.splice(at, 1)[0];
  }

  #giveUp({ host, upload, controller }: Try): void {
    controller.abort();
    this.#client.abandon(host, upload);
  }

  #end(index: number): void {
    if (this.#tries[index] === undefined) return;
    this.#tries[index] = undefined;
    this.#open--;
    if (this.#stored >= this.#plan.quorum || this.#stored + this.#open < this.#plan.quorum) this.#written();
    if (this.#open > 0) return;
    this.#cancelHedge?.();
    this.#settled();
  }

  #scheduleHedge(delay: number): void {
    this.#cancelHedge = this.#clock.after(delay, () => this.#hedge());
  }

  /** Gives every shard that is still on its way a second host, as far as there are any. */
  #hedge(): void {
    for (const [index, tries] of this.#tries.entries()) {
      if (tries?.length !== 1) continue;
      const spare = this.#takeSpare(tries);
      if (spare !== undefined) this.#start(index, spare);
    }
    if (this.#open > 0) this.#scheduleHedge(this.#plan.hedgeMs);
  }
}
